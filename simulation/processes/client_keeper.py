"""What keeps a client connected: its machine, driven; the attempt under way; the connection it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from rmqha_model.events import Connection
from rmqha_model.faults import CLIENTS
from simulation.driving import Driven
from simulation.machines.client import (
    Abandon,
    Accepted,
    Blocked,
    ClientConnection,
    ClientSettings,
    Close,
    Ended,
    Failed,
    Input,
    Lost,
    Opened,
    Ready,
    Said,
    Seen,
    Try,
    Waits,
)
from simulation.machines.client_call import DirectCall
from simulation.machines.connecting import Caller
from simulation.machines.machine import NEVER
from simulation.machines.wire import LINEAR, Dial, Target, seconds, us
from simulation.processes.client_direct import DirectLine
from simulation.processes.client_lines import Line, ProxiedLine

if TYPE_CHECKING:
    from rmqha_model.events import Outcome
    from simulation.machines.connecting import Fate
    from simulation.processes.balancer_endpoints import Endpoint
    from simulation.processes.views import Through
    from simulation.processes.world import World

__all__ = ["CONSUMER_S", "SET_UP_S", "Keeper", "Role"]

SET_UP_S = (0.006, 0.054)
CONSUMER_S = (0.0073, 0.105)
"""From the SYN to a channel in use, a publisher's and a consumer's: of 132 and 128 returns in docs/evidence, one in
twenty was quicker and one in four slower, the slowest for their brokers' sake. The machine had much else to do."""

WORDS: dict[Outcome, str] = {
    "refused": "[Errno 111] Connection refused",
    "reset": "StreamLostError: ('Transport indicated EOF',)",
    "unreachable": "[Errno 113] No route to host",
    "timeout": "[Errno 110] Connection timed out",
    "protocol": "Unexpected data: not AMQP",
}


class Role(Protocol):
    """What a connection is for."""

    name: str

    def set_up(self) -> None:
        """Make the channel ready to use, and tell the keeper when it is."""

    def lost(self) -> None:
        """The client takes its connection for lost."""

    def broker_ended(self, line: Line) -> None:
        """The broker's side of a connection has ended."""


class Keeper:
    """One client's connection."""

    def __init__(  # noqa: PLR0913 - what a client consists of
        self,
        world: World,
        name: str,
        endpoints: tuple[Endpoint, ...],
        settings: ClientSettings,
        *,
        heartbeat_s: float,
        tls: bool,
        source: str,
        set_up_s: tuple[float, float],
        every_s: float | None,
        advance: Callable[[], None],
        clean: dict[str, bool],
    ) -> None:
        self.role: Role
        self.line: Line | None = None
        self.name = name
        self._world, self._endpoints, self._heartbeat, self._tls = world, endpoints, heartbeat_s, tls
        self.advance, self._clean = advance, clean
        self._set_up_s, self._every_s, self._source = set_up_s, every_s, source
        self._luck = world.streams.stream(name, "set-up")
        self._hang_up: Callable[[], None] | None = None
        self._tcp: Dial | None = None
        self._call: Driven[Target, Fate] | None = None
        self._trying: Endpoint | None = None
        self._attempt = 0
        self._unready = False
        self.machine = ClientConnection(settings, world.streams.stream(name, "rounds"), world.now)
        self._driven: Driven[Input, Seen] = Driven(world.clock, self.machine, self._seen)

    @property
    def connected(self) -> bool:
        """Whether it has its connection, and may use it."""
        return self.machine.phase == "connected"

    @property
    def well(self) -> bool:
        """Whether it is connected and not blocked."""
        return self.connected and self.machine.blocked_at > self._world.now

    # -- for its role -----------------------------------------------------------------------------

    def ready(self) -> None:
        """The channel is in use from now on."""
        self._driven.feed(Ready())

    def feed(self, input_: Blocked | Waits) -> None:
        """Tell the machine what its role knows."""
        self._driven.feed(input_)

    def give_up(self, reason: str) -> None:
        """Close the connection, and take it for lost."""
        line = self.line
        if line is None:
            return
        self.advance()
        self.line = None
        self._unready = False
        closing_s = line.close()
        self.role.lost()
        self._driven.feed(Lost(reason, closing_s))

    def end(self) -> None:
        """Come to an orderly end."""
        self.advance()
        self._driven.feed(Ended())
        self._driven.stop()
        self._drop_attempt()
        if self.line is not None:
            line, self.line = self.line, None
            line.close()

    # -- what happens -----------------------------------------------------------------------------

    def look(self) -> None:
        """Look what has become of the way."""
        trying = self._trying
        if trying is not None and self._call is not None:
            self._call.feed(self._port(trying))
            self._note_accepted()
        elif trying is not None and self._tcp is not None:
            self._tcp.change(us(self._world.now), self._world.paths.balancer(CLIENTS, trying.address))
            self._follow_tcp()
        if self.line is not None:
            self.line.look()
        if self._unready:
            self._set_up()

    def client_ended(self, line: Line, reason: str) -> None:
        """The client learns that its connection is over."""
        if line is self.line:
            self.advance()
            self.line = None
            self._unready = False
            self.role.lost()
            self._driven.feed(Lost(reason))

    def broker_ended(self, line: Line) -> None:
        """The broker learns that it is over."""
        self.advance()
        self.role.broker_ended(line)

    def stopped_in_order(self, broker: str) -> bool:
        """Whether a broker that has closed its connections said goodbye."""
        return self._clean.get(broker, False)

    def _seen(self, seen: Seen) -> None:
        match seen:
            case Try(endpoint=index):
                self._try(self._endpoints[index])
            case Abandon():
                self._drop_attempt()
            case Close(reason=reason):
                self.give_up(reason)
            case Said(t, state, index, reason):
                self._world.tell(Connection(t, self.name, state, self._endpoints[index].text, reason))

    # -- attempts ---------------------------------------------------------------------------------

    def _try(self, endpoint: Endpoint) -> None:
        world = self._world
        self._trying = endpoint
        self._attempt += 1
        attempt = self._attempt
        if endpoint.kind != "balancer":
            call = DirectCall(self._port(endpoint), world.now, tls=self._tls)

            def seen(fate: Fate) -> None:
                if attempt == self._attempt:
                    self._tried(fate, None)

            self._call = Driven(world.clock, call, seen)
            world.clock.after(self.machine.settings.connect_timeout_s * NEARLY, self._note_accepted)
            return

        def done(fate: Fate, through: Through | None) -> None:
            if attempt == self._attempt:
                self._tried(fate, through)

        front = world.paths.balancer(CLIENTS, endpoint.address)
        self._tcp = Dial(us(world.now), front, LINEAR)
        self._follow_tcp()
        caller = Caller(self._source, front=front)
        hang_up = world.balancers.dial(CLIENTS, endpoint.address, endpoint.proxy, caller, done)
        if attempt == self._attempt and self._trying is endpoint:
            self._hang_up = hang_up

    def _port(self, endpoint: Endpoint) -> Target:
        """Give how a port looks that is no HAProxy's."""
        paths = self._world.paths
        if endpoint.kind == "broker":
            return paths.broker(CLIENTS, endpoint.address)
        return Target("silent" if paths.talks(CLIENTS, endpoint.address) == "silent" else "refused")

    def _follow_tcp(self) -> None:
        """Tell the machine when HAProxy's host has accepted the connection."""
        tcp, attempt = self._tcp, self._attempt
        assert tcp is not None
        if tcp.result != "connected":
            return
        end = tcp.end

        def accepted() -> None:
            if attempt == self._attempt and tcp.result == "connected" and tcp.end == end:
                self._driven.feed(Accepted())

        self._world.clock.at(seconds(end), accepted)

    def _note_accepted(self) -> None:
        call = self._call.machine if self._call else None
        if isinstance(call, DirectCall) and call.accepted:
            self._driven.feed(Accepted())

    def _drop_attempt(self) -> None:
        self._attempt += 1
        if self._hang_up is not None:
            self._hang_up()
        if self._call is not None:
            self._call.stop()
        self._hang_up = self._tcp = self._call = self._trying = None

    def _tried(self, fate: Fate, through: Through | None) -> None:
        endpoint = self._trying
        assert endpoint is not None
        self._attempt += 1
        self._hang_up = self._tcp = self._call = self._trying = None
        if fate.outcome != "ok":
            self._driven.feed(Failed(WORDS[fate.outcome]))
            return
        self._driven.feed(Opened())
        world = self._world
        if through is not None:
            line: Line = ProxiedLine(world, through, endpoint.address, self._heartbeat, self, every_s=self._every_s)
        else:
            line = DirectLine(world, endpoint.address, self._heartbeat, self)
        self.line = line
        low, high = self._set_up_s
        # What has flowed for long at the start was set up before.
        takes_s = 0.0 if world.now < BEGUN_S else low + (high - low) * self._luck()

        def begin() -> None:
            if self.line is line:
                self._set_up()

        world.clock.after(takes_s, begin)

    def _set_up(self) -> None:
        """Go on with the channel, if the broker answers; else when it does."""
        line, now = self.line, self._world.now
        self._unready = line is not None and (line.out_from > now or line.in_from > now)
        if line is None:
            return
        if not self._unready:
            self.role.set_up()
        elif now < (later := max(line.out_from, line.in_from)) < NEVER:
            self._world.clock.at(later, lambda: self._set_up() if self._unready and self.line is line else None)


BEGUN_S = 0.05
"""Attempts of the very start end before."""
NEARLY = 0.999
"""A look at an attempt just before its time limit."""
