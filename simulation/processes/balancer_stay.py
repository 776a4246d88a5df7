"""An established session through HAProxy: what its two sides and HAProxy's process go through, and who hears of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from simulation.driving import Driven
from simulation.machines.machine import NEVER
from simulation.machines.session import Condition, Input, Proxy, Session, SessionEnded, ShutDown, Side, Talk
from simulation.processes.balancer_leave import hang_up, proxy_of, server_of

if TYPE_CHECKING:
    from simulation.processes.balancer_worker import Worker
    from simulation.processes.balancers import LoadBalancers
    from simulation.processes.views import Through

__all__ = ["Library", "Stay", "talks"]

Library: TypeAlias = Literal["pika", "java", "dotnet", "go"]

PIKA_GRACE_S = 5
"""pika looks every heartbeat + 5 s whether anything came (heartbeat.py HeartbeatChecker, check_interval)."""

FIRST_S = 0.05
"""Connections made until then are those that have been there for long when a scenario begins."""

BORED = "the client heard nothing"
"""What a session says whose client hangs up."""

SPEAKS = 2
"""Both sides say a heartbeat so often in its interval: rabbit_heartbeat.erl start_heartbeat_sender; pika's
send_interval; Java's and .NET's sender."""


def talks(
    now: float,
    heartbeat_s: float,
    draw: Callable[[], float],
    library: Library,
    often: tuple[float | None, float | None],
) -> tuple[Talk, Talk]:
    """Give how client and broker talk, and how long each waits for the other; *often* is what they say beside that.

    Patience is looked at every so often: the broker hangs up at the second of its looks, one interval apart, that finds
    nothing new since the one before (rabbit_heartbeat.erl); pika at the first, an interval and 5 s apart; Java after 9
    quarters of it (AMQConnection.java); .NET at the third miss, an interval each; Go's read deadline is three intervals
    (amqp091-go connection.go, maxServerHeartbeatsInFlight).
    """
    if heartbeat_s <= 0:
        every = [NEVER if each is None else each for each in often]
        return Talk(now, every[0]), Talk(now, every[1])
    client = {
        "pika": (heartbeat_s + PIKA_GRACE_S) * (1 + draw()),
        "java": 9 / 4 * heartbeat_s,
        "dotnet": heartbeat_s * (3 + draw()),
        "go": 3 * heartbeat_s,
    }[library]
    server = heartbeat_s * (2 + draw())
    found = []
    for patience, other in zip((client, server), often, strict=True):
        period = min(heartbeat_s / SPEAKS, math.inf if other is None else other)
        # Who is connected since before the start has spoken before: the next word may come at any time.
        found.append(Talk(now + period * (draw() if now <= FIRST_S else 1), period, patience))
    return found[0], found[1]


class Stay:
    """One session, of one worker."""

    def __init__(  # noqa: PLR0913, PLR0917 - its two sides, and who wants to know
        self,
        owner: LoadBalancers,
        worker: Worker,
        through: Through,
        place: str,
        address: str,
        sides: tuple[Talk, Talk],
        done: Callable[[SessionEnded], None],
    ) -> None:
        self.through = through
        self._owner, self._worker, self._place, self._address, self._done = owner, worker, place, address, done
        self._since = owner.world.now
        self._conditions: dict[Literal["client", "server"], Condition] = {"client": "alive", "server": "alive"}
        self._proxy = "alive"
        self._closed = False
        settings = worker.proxies[through.proxy].plan.session
        self._machine = Session(settings, now=self._since, client=sides[0], server=sides[1])
        self._driven: Driven[Input, SessionEnded] = Driven(
            owner.world.clock, self._machine, self._ended, feeds_first=True
        )
        worker.stays[self] = None
        if (self._client(), self._server(), self._of_proxy()) != ("alive", "alive", "alive"):
            owner.world.clock.at(self._since, self.look)  # not at once: who begins it does not have it yet

    # -- what happens to it -------------------------------------------------------------------------

    def look(self) -> None:
        """See how its sides and HAProxy are now."""
        conditions: dict[Literal["client", "server"], Condition] = {"client": self._client(), "server": self._server()}
        proxy = self._of_proxy()
        if proxy == "frozen":  # before its sides fall silent: it does not look for that any more
            self._turn(proxy)
        for side, condition in conditions.items():
            if condition != self._conditions[side]:
                self._conditions[side] = condition
                self._driven.feed(Side(side, condition))
        self._turn(proxy)

    def shut_down(self) -> None:
        """Hear that its server was marked DOWN."""
        self._driven.feed(ShutDown())

    def drain(self) -> None:
        """Hear that hard-stop-after is over."""
        self._turn("gone")

    def close(self) -> None:
        """The client closes it; nothing is told of its end."""
        self._closed = True
        if self in self._worker.stays:
            self._hang_up()

    def _turn(self, proxy: Literal["alive", "frozen", "gone"]) -> None:
        if proxy != self._proxy:
            self._proxy = proxy
            self._driven.feed(Proxy(proxy))

    # -- how things are -----------------------------------------------------------------------------

    def _client(self) -> Condition:
        world, host = self._owner.world, self.through.balancer
        leads = self._owner.host_of(self._place, self._address)
        if leads == host and not self._worker.cut:
            return "alive" if self._owner.reaches(self._place, self._address) else "silent"
        if leads is None or (leads == host and not world.network.powered(host)):
            return "silent"
        # Another host, or the same one after a boot, knows nothing of the connection.
        return "moved" if self._owner.reaches(self._place, self._address) else "silent"

    def _server(self) -> Condition:
        return server_of(self._owner, self._worker, self.through.server, self._since)

    def _of_proxy(self) -> Literal["alive", "frozen", "gone"]:
        return proxy_of(self._owner, self._worker)

    # -- its end ------------------------------------------------------------------------------------

    def _ended(self, ended: SessionEnded) -> None:
        now, clock = self._owner.world.now, self._owner.world.clock
        if ended.cause == BORED and ended.client <= ended.server <= now:
            self._hang_up()
        elif ended.server > now and ended.client <= now and ended.server < NEVER:
            # HAProxy does not know yet, and keeps the place at the server.
            self._driven.stop()
            clock.at(ended.server, self._end)
        else:
            self._end()
        if now < ended.client < NEVER:
            clock.at(ended.client, lambda: self._tell(ended))
        else:
            self._tell(ended)

    def _tell(self, ended: SessionEnded) -> None:
        if not self._closed:
            self._closed = True
            self._done(ended)

    def _hang_up(self) -> None:
        """Have the client close it."""
        self._driven.stop()
        if self._worker.stays.pop(self, self) is None:
            owner, now = self._owner, self._owner.world.now
            hang_up(
                owner,
                self._worker,
                self.through,
                self._server(),
                since=self._since,
                active=self._machine.active(now),
                clock=owner.world.clock,
            )

    def _end(self) -> None:
        """Give its place at the server back."""
        self._driven.stop()
        if self._worker.stays.pop(self, self) is None:
            self._owner.before()
            self._worker.proxies[self.through.proxy].balance.closed(self.through.server)
