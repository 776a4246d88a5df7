"""A new connection through HAProxy, from its first SYN until its fate is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from simulation.driving import Clock, Driven
from simulation.machines.check_words import Observed
from simulation.machines.connecting import (
    Abandoned,
    Caller,
    Fate,
    GaveUp,
    MarkedDown,
    NewConnection,
    Seen,
    TargetChanged,
)
from simulation.machines.wire import Target
from simulation.processes.balancer_leave import CONDITIONS, hang_up
from simulation.processes.balancer_loss import lossy
from simulation.processes.views import Through

if TYPE_CHECKING:
    from simulation.processes.balancer_worker import Proxy, Worker
    from simulation.processes.balancers import LoadBalancers

__all__ = ["Dialling", "Met", "connection"]

REFUSED, SILENT = Target("refused"), Target("silent")
FROZEN, ANSWERING = Target("frozen"), Target("answering")


def _front_of(owner: LoadBalancers, worker: Worker, place: str, address: str, port: Target) -> Target:
    """Give how the HAProxy that has accepted a connection looks to its client; *port* is the address's own."""
    if worker.cut or owner.host_of(place, address) != worker.host or port.kind in {"silent", "unroutable"}:
        return SILENT
    return _process_of(worker)


def _process_of(worker: Worker) -> Target:
    """Give how a HAProxy is itself."""
    if worker.over:
        return REFUSED
    return FROZEN if worker.frozen else ANSWERING


class Met(NamedTuple):
    """What a connection from a place to an address meets."""

    place: str
    address: str
    worker: Worker
    """Who is there; anyone, where nobody is."""
    port: Target


def connection(  # noqa: PLR0913 - who dials whom
    owner: LoadBalancers,
    met: Met,
    proxy: Proxy,
    caller: Caller,
    now: float,
    *,
    draw: Callable[[], float],
    assigned: str | None = None,
) -> NewConnection:
    """Begin a connection; *assigned* is the server whose turn it is, if that is known."""
    front = lossy(met.port, owner.loss(met.place, met.worker.host), draw)
    targets = _targets(owner, met.worker, proxy, draw)
    caller = Caller(caller.source, caller.patience_s, caller.waits, front)
    return NewConnection(proxy.plan.connect, proxy.balance, targets, caller, now, assigned=assigned)


def _targets(owner: LoadBalancers, worker: Worker, proxy: Proxy, draw: Callable[[], float]) -> Callable[[str], Target]:
    """Give how its servers look to one connection."""
    return lambda server: lossy(proxy.targets[server], owner.loss(worker.host, server), draw)


class _Announced:
    """A connection, of whose steps is told before they are done: they may take a place at a server."""

    __slots__ = ("_machine", "_owner", "feed")

    def __init__(self, owner: LoadBalancers, machine: NewConnection) -> None:
        self._owner, self._machine = owner, machine
        self.feed = machine.feed

    @property
    def due(self) -> float:
        return self._machine.due

    def fire(self) -> list[Seen]:
        self._owner.before()
        return self._machine.fire()


class Dialling:
    """One connection under way."""

    def __init__(  # noqa: PLR0913 - who dials whom, and who wants to know
        self,
        owner: LoadBalancers,
        met: Met,
        proxy: str,
        caller: Caller,
        done: Callable[[Fate, Through | None], None],
        *,
        draw: Callable[[], float],
        clock: Clock,
        begun: NewConnection | None = None,
    ) -> None:
        """*draw* gives its luck with packets, *clock* its time; *begun* is its machine, if that has begun before."""
        self._owner, self._place, self._address, self._name = owner, met.place, met.address, proxy
        self._done, self._draw, self._clock = done, draw, clock
        self._front, self.worker = met.port, met.worker
        self.proxy = self.worker.proxies[proxy]
        self._over = self._gone = False
        """Whether it is over for HAProxy, and for its client."""
        self._through: Through | None = None
        self._since = clock.now
        self.machine = begun or connection(owner, met, self.proxy, caller, clock.now, draw=draw)
        self.worker.dials[self] = None
        self._driven = Driven(clock, _Announced(owner, self.machine), self._seen, feeds_first=True)

    def look(self) -> None:
        """See where the address leads to now, and whether HAProxy is still heard there."""
        if self._gone:
            self._front_is(_process_of(self.worker))
            return
        port = self._owner.world.paths.balancer(self._place, self._address)
        if self.machine.accepted:
            self._front_is(_front_of(self._owner, self.worker, self._place, self._address, port))
            return
        worker = self._owner.worker_of(self._place, self._address)
        if worker is not self.worker:
            del self.worker.dials[self]
            worker.dials[self] = None
            self.worker, self.proxy = worker, worker.proxies[self._name]
            self.machine.redirect(self.proxy.balance, _targets(self._owner, worker, self.proxy, self._draw))
        if port != self._front:
            self._front = port
            self._driven.feed(lossy(port, self._owner.loss(self._place, self.worker.host), self._draw))

    def _front_is(self, front: Target) -> None:
        if front.kind != self._front.kind:
            self._front = front
            self._driven.feed(front)

    def changed(self, proxy: Proxy, server: str, target: Target) -> None:
        """Hear of a server that looks otherwise."""
        if proxy is self.proxy:
            self._driven.feed(TargetChanged(server, target))

    def marked_down(self, proxy: Proxy, server: str) -> None:
        """Hear of a server that was marked DOWN."""
        if proxy is self.proxy:
            self._driven.feed(MarkedDown(server))

    def give_up(self) -> None:
        """Hang up: before its fate is known, or of a connection that nobody made a session of."""
        if not self._gone and not self._over:
            self._gone = True
            self._driven.feed(GaveUp())
            self._left_behind()
        elif self._through is not None and self._owner.claim(self._through) is not None:
            self._hang_up(self._through, self._since)

    def _seen(self, seen: Seen) -> None:
        if isinstance(seen, Fate):
            self._decided(seen)
        elif isinstance(seen, Abandoned):
            self._end()
            self._free()
        else:
            check = self.proxy.checks.get(seen.server)
            if check is not None and self.proxy.plan.check is not None and self.proxy.plan.check.observe:
                check.feed(Observed(seen.failed))

    def _decided(self, fate: Fate) -> None:
        self._gone = True
        if not self.machine.over:  # for its client only
            self._left_behind()
        else:
            self._end()
            if fate.outcome == "ok" and fate.server is not None:
                self._through, self._since = Through(self.worker.host, self._name, fate.server), fate.t
                self._owner.offer(self._through, self.worker)
            else:
                self._free()
        self._done(fate, self._through)

    def _left_behind(self) -> None:
        """What the client no longer hears does not matter to HAProxy."""
        if self._over:
            return
        if self._front.kind in {"silent", "unroutable"}:
            self._front = ANSWERING
        self.look()

    def _end(self) -> None:
        self._over = True
        self._driven.stop()
        self.worker.dials.pop(self, None)

    def _free(self) -> None:
        """Give the place at its server back, as soon as the server is done with it."""
        server, since = self.machine.server, self.machine.since
        if server is None:
            return
        if since is not None:
            self._hang_up(Through(self.worker.host, self._name, server), since)
            return
        self._owner.before()
        self.proxy.balance.closed(server)

    def _hang_up(self, through: Through, since: float) -> None:
        condition = CONDITIONS[self.proxy.targets[through.server].kind]
        hang_up(self._owner, self.worker, through, condition, since=since, active=since, clock=self._clock)
