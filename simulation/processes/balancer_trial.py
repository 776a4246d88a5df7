"""One attempt of a probe: endpoint after endpoint, until one answers or its patience is over.

As integration/clients/probe.py does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rmqha_model.faults import CLIENTS
from simulation.driving import Clock, Driven
from simulation.machines.connecting import Caller, Fate
from simulation.machines.wire import Target
from simulation.processes.balancer_dial import Dialling, Met
from simulation.processes.balancer_direct import Direct
from simulation.processes.balancer_loss import lossy
from simulation.processes.paths import CONNECT_S

if TYPE_CHECKING:
    from rmqha_model.events import Outcome
    from simulation.machines.connecting import NewConnection
    from simulation.processes.balancer_endpoints import Endpoint
    from simulation.processes.balancers import LoadBalancers
    from simulation.processes.views import Through

__all__ = ["Prober", "Sight", "Trial", "sight"]


REFUSED = Target("refused", CONNECT_S)


@dataclass(frozen=True, slots=True)
class Sight:
    """How an endpoint looks from where clients are: HAProxy there, or a port."""

    port: Target
    met: Met | None = None
    share: float = 0.0
    """Of packets that are lost on the way."""


@dataclass(slots=True)
class Prober:
    """What one probe of a workload does; times in microseconds."""

    label: str
    endpoints: tuple[Endpoint, ...]
    first: int
    every: int
    patience: int
    connect: int
    """Longest try at one endpoint."""
    tls: bool
    source: str
    order: Callable[[], float]
    luck: Callable[[str], Callable[[], float]]
    """Gives the luck with packets of an attempt, by its number and place."""
    begun: int = 0
    direct: dict[Trial, None] = field(default_factory=dict)
    """Trials that are connecting to a broker."""

    @property
    def next(self) -> int:
        """When its next attempt begins."""
        return self.first + self.begun * self.every

    @property
    def limit(self) -> int:
        """How long the first endpoint has."""
        return min(self.patience, self.connect)

    def shuffled(self) -> Sequence[Endpoint]:
        """Give the endpoints in the order of the next attempt."""
        if len(self.endpoints) == 1:
            return self.endpoints
        found = list(self.endpoints)
        for place in range(len(found) - 1, 0, -1):
            other = int(self.order() * (place + 1))
            found[place], found[other] = found[other], found[place]
        return found


class Trial:
    """One attempt, from its first endpoint on."""

    def __init__(  # noqa: PLR0913, PLR0917 - what is tried, and who is told
        self,
        owner: LoadBalancers,
        prober: Prober,
        order: Sequence[Endpoint],
        sight: Callable[[Endpoint], Sight],
        clock: Clock,
        done: Callable[[int, str, Outcome, int], None],
        *,
        begun: NewConnection | None = None,
    ) -> None:
        """*done* is told its number, the endpoint, the outcome, and when that was (microseconds).

        *begun*: the machine of its connection to the first endpoint, if that has begun already.
        """
        self._owner, self._prober, self._order, self._sight = owner, prober, order, sight
        self._clock, self._done, self._begun = clock, done, begun
        self._start, self._number = prober.next, prober.begun
        self._tried = 0
        self._outcome: Outcome = "timeout"
        self.dial: Dialling | None = None
        self.endpoint = order[0]
        self._direct: Driven[Target, Fate] | None = None
        self._port = REFUSED
        prober.begun += 1
        self._try(self._start)

    def _try(self, now: int) -> None:
        prober = self._prober
        left = min(self._start + prober.patience - now, prober.connect)
        if self._tried == len(self._order) or left <= 0:
            self._done(self._number, self.endpoint.text, self._outcome, now)
            return
        self.endpoint = self._order[self._tried]
        luck = prober.luck(f"{self._number}.{self._tried}")
        self._tried += 1
        sight = self._sight(self.endpoint)
        if sight.met is None:
            self._port = sight.port
            port = lossy(sight.port, sight.share, luck)
            machine = Direct(port, now=self._clock.now, patience_s=left / 1e6, tls=prober.tls)
            self._prober.direct[self] = None
            self._direct = Driven(self._clock, machine, self._fate, feeds_first=True)
            return
        caller = Caller(prober.source, left / 1e6)
        begun, self._begun = self._begun, None
        self.dial = Dialling(
            self._owner,
            sight.met,
            self.endpoint.proxy,
            caller,
            self._dialled,
            draw=luck,
            clock=self._clock,
            begun=begun,
        )

    def look(self, port: Target) -> None:
        """See how what it is connecting to looks now."""
        if self._direct is None:
            if self.dial is not None:
                self.dial.look()
        elif port != self._port:
            self._port = port
            self._direct.feed(port)

    def _dialled(self, fate: Fate, through: Through | None) -> None:
        assert self.dial is not None
        if through is not None:
            self.dial.give_up()
        self._fate(fate)

    def _fate(self, fate: Fate) -> None:
        if self._direct is not None:
            self._direct.stop()
            self._direct = None
            del self._prober.direct[self]
        self._outcome = fate.outcome
        now = round(fate.t * 1e6)
        if fate.outcome == "ok":
            self._done(self._number, self.endpoint.text, "ok", now)
        else:
            self._try(now)


def sight(owner: LoadBalancers, endpoint: Endpoint) -> Sight:
    """See how an endpoint looks now."""
    paths = owner.world.paths
    if endpoint.kind == "balancer":
        met = owner.met(CLIENTS, endpoint.address)
        return Sight(met.port, met, owner.loss(CLIENTS, met.worker.host))
    if endpoint.kind == "broker":
        return Sight(paths.broker(CLIENTS, endpoint.address), None, owner.loss(CLIENTS, endpoint.address))
    port = paths.balancer(CLIENTS, endpoint.address)
    return Sight(port if port.kind in {"silent", "unroutable"} else REFUSED)
