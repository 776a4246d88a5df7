"""A session through HAProxy whose client has gone and whose server does not answer: who hears of it, until it ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from simulation.driving import Clock, Driven
from simulation.machines.leaving import Leaving, LeavingInput, Left
from simulation.machines.session import Condition, Proxy, ShutDown, Side

if TYPE_CHECKING:
    from simulation.processes.balancer_worker import Worker
    from simulation.processes.balancers import LoadBalancers
    from simulation.processes.views import Through

__all__ = ["CONDITIONS", "Leave", "hang_up", "proxy_of", "server_of"]

CONDITIONS: dict[str, Condition] = {
    "answering": "alive",
    "refused": "gone",
    "silent": "silent",
    "unroutable": "silent",
    "frozen": "frozen",
}
"""How who is connected to a port finds its server, by the kind of the port."""


def is_dark(owner: LoadBalancers, worker: Worker) -> bool:
    """Whether a worker's host has lost its power since, and has not got it back."""
    return worker.cut and not owner.world.network.powered(worker.host)


def server_of(owner: LoadBalancers, worker: Worker, server: str, since: float) -> Condition:
    """Give how a server is on a connection that a worker has had since then."""
    world = owner.world
    here = worker.host
    if is_dark(owner, worker) or not (world.network.meet(here, server) and world.network.loss(here, server) < 1.0):
        return "silent"
    if max(world.brokers.drops(server), owner.lost_power.get(server, -math.inf)) > since:
        return "gone"
    return "frozen" if world.brokers.port(server) == "frozen" else "alive"


def proxy_of(owner: LoadBalancers, worker: Worker) -> Literal["alive", "frozen", "gone"]:
    """Give how a worker is to those that are connected to it."""
    if worker.over:
        # A host without power says nothing; its kernel resets what it knows nothing of as soon as it has booted.
        return "frozen" if is_dark(owner, worker) else "gone"
    return "frozen" if worker.frozen else "alive"


def hang_up(  # noqa: PLR0913 - whose connection, and since when
    owner: LoadBalancers,
    worker: Worker,
    through: Through,
    condition: Condition,
    *,
    since: float,
    active: float,
    clock: Clock,
) -> None:
    """Have a client close a connection made at *since*: its place is free as soon as the server closes, too.

    *condition* is the server's, at the time of *clock*.
    """
    if condition in {"alive", "gone"} or worker.over:
        owner.before()
        worker.proxies[through.proxy].balance.closed(through.server)
    else:
        Leave(owner, worker, through, since, clock=clock, active=active, condition=condition)


class Leave:
    """One session, of one worker."""

    def __init__(  # noqa: PLR0913 - its server, and since when
        self,
        owner: LoadBalancers,
        worker: Worker,
        through: Through,
        since: float,
        *,
        clock: Clock,
        active: float,
        condition: Condition,
    ) -> None:
        self.through = through
        self._owner, self._worker, self._since, self._condition = owner, worker, since, condition
        self._proxy = proxy_of(owner, worker)
        settings = worker.proxies[through.proxy].plan.session
        frozen = self._proxy == "frozen"
        machine = Leaving(settings, now=clock.now, active=active, condition=condition, frozen=frozen)
        self._driven: Driven[LeavingInput, Left] = Driven(clock, machine, self._left, feeds_first=True)
        worker.leaves[self] = None

    def look(self) -> None:
        """See how the server and HAProxy are now."""
        proxy = proxy_of(self._owner, self._worker)
        condition = server_of(self._owner, self._worker, self.through.server, self._since)
        if proxy == "frozen":  # before the server falls silent: HAProxy does not look for that any more
            self._turn(proxy)
        if condition != self._condition:
            self._condition = condition
            self._driven.feed(Side("server", condition))
        self._turn(proxy)

    def shut_down(self) -> None:
        """Hear that its server was marked DOWN."""
        self._driven.feed(ShutDown())

    def drain(self) -> None:
        """Hear that hard-stop-after is over."""
        self._turn("gone")

    def _turn(self, proxy: Literal["alive", "frozen", "gone"]) -> None:
        if proxy != self._proxy:
            self._proxy = proxy
            self._driven.feed(Proxy(proxy))

    def _left(self, _: Left) -> None:
        """Give its place at the server back."""
        self._driven.stop()
        if self._worker.leaves.pop(self, self) is None:
            self._owner.before()
            self._worker.proxies[self.through.proxy].balance.closed(self.through.server)
