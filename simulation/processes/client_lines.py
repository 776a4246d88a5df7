"""Established connections of clients, through HAProxy: what passes, and what ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rmqha_model.faults import CLIENTS
from simulation.machines.client_end import RTO_S, server_misses
from simulation.machines.clocks import retransmitted
from simulation.machines.machine import NEVER
from simulation.machines.session import RESET

if TYPE_CHECKING:
    from simulation.machines.session import SessionEnded
    from simulation.processes.client_parted import Holder
    from simulation.processes.views import Stays, Through
    from simulation.processes.world import World

__all__ = ["WORDS", "Line", "LineEnds", "ProxiedLine"]

EOF = "Transport indicated EOF"
FORCED = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
WORDS = {
    "reset": "Stream connection lost: ConnectionResetError(104, 'Connection reset by peer')",
    "heartbeat": "No activity or too many missed heartbeats in the last {} seconds",
    "unacknowledged": "Stream connection lost: TimeoutError(110, 'Connection timed out')",
}
"""What pika 1.3 says of it; as in the lab's timelines."""
BORED, CLOSED = "the client heard nothing", "the server closed"
"""Two of a session's causes."""
CLOSE_S = 2.0
"""For the orderly end of a connection whose broker is silent: integration/clients/session.py."""


class LineEnds(Protocol):
    """Who has a connection, and hears of its ends."""

    def client_ended(self, line: Line, reason: str) -> None:
        """The client learns that it is over."""

    def broker_ended(self, line: Line) -> None:
        """The broker learns that it is over: what it holds for the client is free."""

    def stopped_in_order(self, broker: str) -> bool:
        """Whether a broker that has closed its connections said goodbye."""


class Line:
    """One established connection."""

    def __init__(self, world: World, broker: str, heartbeat_s: float, ends: LineEnds) -> None:
        self.broker = broker
        self.made = world.now
        self.out_from = self.in_from = world.now
        """Since when bytes pass from the client to the broker, and back; ``inf``: they do not."""
        self.over = False
        """Whether the client has done with it."""
        self.broker_over = False
        self.acked_until = NEVER
        """Until when what the client said was acknowledged, by a program that may stand still."""
        self._world, self._ends, self._heartbeat = world, ends, heartbeat_s
        self._lost_from = NEVER
        """Since when packets of it have been lost."""

    def look(self) -> None:
        """Look what has become of its way."""
        out, in_, lossless = self._ways()
        now = self._world.now
        resumes = now if self._lost_from == NEVER else retransmitted(self._lost_from, RTO_S, now)
        self.out_from = (resumes if self.out_from == NEVER else self.out_from) if out else NEVER
        self.in_from = (resumes if self.in_from == NEVER else self.in_from) if in_ else NEVER
        self._lost_from = NEVER if lossless else min(self._lost_from, now)

    @property
    def hops(self) -> tuple[tuple[str, str], ...]:
        """The connections that what the client says goes over, one after the other."""
        return ((CLIENTS, self.broker),)

    def says(self) -> None:
        """The client says something."""

    def reads(self) -> bool:
        """Whether what was acknowledged of a client that is gone is read now."""
        return False

    def reaches_broker(self) -> bool:
        """Whether packets of who talks to the broker arrive there."""
        return self._world.network.passes(self.hops[-1][0], self.broker)

    def holder(self) -> Holder:
        """Tell where what the client has said, and the broker has not read, is when the client loses it."""
        if self._world.now >= self.acked_until:
            return "balancer" if not self.broker_over else ""
        if not self._is_passed_on() or self._world.brokers.port(self.broker) == "refused":
            return ""
        if not self.reaches_broker():
            return "broker"
        if not self._world.network.passes(self.broker, self.hops[-1][0]):
            return "unheard"
        waits = self.out_from > self._world.now  # for its turn to be sent again, or for a broker that is frozen
        return "broker" if waits else ""

    def is_doubled(self) -> bool:
        """Whether what comes still comes, and what the client answers meets another host, which resets it."""
        return False

    def reset(self) -> None:
        """Have the client reset, by a host that knows nothing of it; who talks to the broker hears nothing of that."""
        self._client_ended(WORDS["reset"])

    def close(self) -> float:
        """Have the client close it; give how long that takes."""
        self.over = True
        out, in_, _ = self._ways()
        self._hang_up()
        return 0.0 if out and in_ else CLOSE_S

    # -- what kinds differ in ---------------------------------------------------------------------

    def _ways(self) -> tuple[bool, bool, bool]:
        """Tell whether bytes pass to the broker, and back, and whether none of their packets are lost."""
        raise NotImplementedError

    def _hang_up(self) -> None:
        """Let the other side hear of the end, if it can."""
        raise NotImplementedError

    def _is_passed_on(self) -> bool:
        """Whether what the client says leaves the host of who talks to the broker, as soon as that can be reached."""
        return self.reaches_broker()

    # -- within -----------------------------------------------------------------------------------

    def _client_ended(self, reason: str) -> None:
        if not self.over:
            self.over = True
            self._ends.client_ended(self, reason)

    def _broker_ended(self) -> None:
        if not self.broker_over:
            self.broker_over = True
            self._ends.broker_ended(self)

    def _eof(self) -> str:
        return FORCED if self._ends.stopped_in_order(self.broker) else EOF


class ProxiedLine(Line):
    """A connection through HAProxy, at a virtual address or a load balancer's own."""

    def __init__(  # noqa: PLR0913 - what a connection consists of
        self,
        world: World,
        through: Through,
        address: str,
        heartbeat_s: float,
        ends: LineEnds,
        *,
        every_s: float | None = None,
    ) -> None:
        """*every_s*: how often the client says something beside its heartbeats."""
        super().__init__(world, through.server, heartbeat_s, ends)
        self.through, self._address = through, address
        self._virtual = address not in world.topology.hosts
        self._session_over = self._unheard = False
        self._stays: Stays = world.balancers.establish(
            through, CLIENTS, address, heartbeat_s=heartbeat_s, done=self._session_ended, client_every_s=every_s
        )

    @property
    def hops(self) -> tuple[tuple[str, str], ...]:
        """The connections that what the client says goes over, one after the other."""
        return (CLIENTS, self.through.balancer), (self.through.balancer, self.broker)

    def look(self) -> None:
        """Look what has become of its way; an end that did not get through is said again."""
        super().look()
        if self.acked_until == NEVER and not self._reaches_balancer():
            self.acked_until = self._world.now
        if self._unheard and self._reaches_balancer():
            self._hang_up()

    def reads(self) -> bool:
        """Whether what was acknowledged of a client that is gone is read now: HAProxy goes on, and passes it on."""
        world, balancer = self._world, self.through.balancer
        return (
            not self.broker_over
            and world.balancers.haproxy(balancer) in {"serves", "stopping"}
            and world.network.passes(balancer, self.broker)
            and world.brokers.port(self.broker) == "serving"
        )

    def _is_passed_on(self) -> bool:
        """Whether what the client says leaves the host of who talks to the broker, as soon as that can be reached."""
        return self._world.balancers.haproxy(self.through.balancer) in {"serves", "stopping"}

    def is_doubled(self) -> bool:
        """Whether two hosts have the address: this one sends, and what it is answered goes to the other."""
        world, balancer = self._world, self.through.balancer
        if self._leads() or self._session_over or balancer not in world.routes.holders(self._address):
            return False
        works = world.balancers.haproxy(balancer) in {"serves", "stopping"}
        return works and world.network.passes(balancer, CLIENTS) and world.network.passes(self.broker, balancer)

    def _leads(self) -> bool:
        """Whether the address still leads to where the connection is."""
        if not self._virtual:
            return True
        routes, balancer = self._world.routes, self.through.balancer
        return routes.leads_to(CLIENTS, self._address) == balancer and balancer in routes.holders(self._address)

    def _reaches_balancer(self) -> bool:
        return self._leads() and self._world.network.meet(CLIENTS, self.through.balancer)

    def _ways(self) -> tuple[bool, bool, bool]:
        """Tell whether bytes pass to the broker, and back, and whether none of their packets are lost."""
        world, balancer, broker = self._world, self.through.balancer, self.broker
        if self._session_over:
            return False, False, True
        leads, passes = self._leads(), world.network.passes
        # Nothing more is sent to a broker whose acknowledgements do not come back.
        out = leads and passes(CLIENTS, balancer) and world.network.meet(balancer, broker)
        in_ = leads and passes(broker, balancer) and passes(balancer, CLIENTS)
        works = world.balancers.haproxy(balancer) in {"serves", "stopping"} and world.brokers.port(broker) == "serving"
        return out and works, in_ and works, out and in_

    def _hang_up(self) -> None:
        self._unheard = not self._session_over and not self._reaches_balancer()
        if self._session_over or self._unheard:
            return
        self._session_over = True
        self._stays.close()
        world, balancer = self._world, self.through.balancer
        if world.network.passes(balancer, self.broker) and world.brokers.port(self.broker) != "frozen":
            self._broker_ended()
        else:
            world.clock.at(server_misses(self.made, self._heartbeat, world.now), self._broker_ended)

    def _session_ended(self, ended: SessionEnded) -> None:
        clock, now = self._world.clock, self._world.now
        self._session_over = True
        server = server_misses(self.made, self._heartbeat, ended.t) if ended.server == NEVER else ended.server
        if server < NEVER:
            clock.at(max(server, now), self._broker_ended)
        if ended.client == NEVER:
            self.look()
            return
        cause = ended.cause

        def hear() -> None:
            words = WORDS["reset"] if cause == RESET else WORDS["heartbeat"].format(f"{self._heartbeat:g}")
            self._client_ended(words if cause in {RESET, BORED} else self._eof() if cause == CLOSED else EOF)

        clock.at(max(ended.client, now), hear)
