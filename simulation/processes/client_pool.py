"""The messages of one queue: what waits in it, what its consumers hold, who is given what next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.machines.machine import NEVER
from simulation.processes.client_runs import Run, Train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulation.processes.client_log import Log

__all__ = ["Pool", "Taker"]

ACK_S = 0.002
"""From a delivery to its acknowledgement at the broker: a round trip through HAProxy, about half of what the fastest
confirms of a plain classic queue took in the lab (1.3 to 2.1 ms there and back, the queue's work included)."""


@dataclass(slots=True, eq=False)
class Taker:
    """A consumer as its channel's broker sees it; its client may be gone."""

    name: str
    broker: str
    prefetch: int = 0
    auto: bool = False
    work_s: float = 0.0
    takes_s: float = 0.0
    """From the queue to the client."""
    served_from: float = NEVER
    """Since when the queue delivers to it."""
    hears_from: float = NEVER
    """Since when what is delivered reaches the client."""
    acks_from: float = NEVER
    """Since when what the client says reaches the broker."""
    flight: Train = field(default_factory=Train)
    """Delivered, not seen by the client yet; their times: when they arrive there."""
    held: Train = field(default_factory=Train)
    """Seen by the client, not acknowledged yet; their times: when their acknowledgements arrive at the broker."""
    worked: float = 0.0
    way: Callable[[Run], Iterable[Run]] = lambda run: (run,)
    """What becomes of deliveries on their way to the client."""

    def send(self, run: Run) -> None:
        """Deliver messages as they come to its queue's leader."""
        self.flight.extend(self.way(run.later(self.takes_s)))

    @property
    def room(self) -> float:
        """How many more it may be given before it acknowledges."""
        return max(0, self.prefetch - self.flight.count - self.held.count) if self.prefetch and not self.auto else NEVER

    def flows(self, t: float) -> bool:
        """Whether it is given whatever comes: nothing is in its way, and it has nothing to do."""
        return self.works(t) and not self.work_s

    def works(self, t: float) -> bool:
        """Whether it is given more as it acknowledges."""
        return self.hears_from <= t and self.acks_from <= t

    def free_from(self, t: float) -> float:
        """Give when it can be given one more, if it can until *t*."""
        if self.room:
            return -NEVER
        return min((run.t for run in self.held), default=NEVER) if self.works(t) else NEVER

    def settle(self, t: float, log: Log) -> None:
        """Let arrive what arrives until *t*, and be acknowledged what is."""
        if self.flight.count and self.hears_from <= t:
            for run in self.flight.due(t):
                for seen in run.not_before(self.hears_from):
                    log.deliver(self.name, seen)
                    if not self.auto:
                        self.held.extend(self._acks(seen))
        if self.held.count and self.acks_from <= t:
            self.held.due(t)

    def _acks(self, seen: Run) -> Iterable[Run]:
        """Give when their acknowledgements arrive: work is done one after the other."""
        if not self.work_s:
            return (seen.later(ACK_S),)
        acks = []
        for number, t in seen.each():
            self.worked = max(self.worked, t) + self.work_s
            acks.append(seen._replace(first=number, size=1, t=self.worked + ACK_S))
        return acks

    def give_back(self) -> list[Run]:
        """Take from it what it has not acknowledged."""
        back = self.held.clear() + self.flight.clear()
        return [] if self.auto else back


class Pool:
    """One queue, or what one side of a split takes for it."""

    def __init__(self, log: Log) -> None:
        self.ready = Train()
        self.takers: list[Taker] = []
        self.orphans: list[Run] = []
        """Publishes whose connection has ended, and that a leader has not committed yet."""
        self._log = log
        self._turn = 0

    @property
    def count(self) -> int:
        """Messages in it, deliveries that are not acknowledged included."""
        return self.ready.count + sum(taker.flight.count + taker.held.count for taker in self.takers)

    def runs(self) -> list[Run]:
        """Give all that is in it, the oldest first."""
        out = [
            run._replace(again=True)
            for taker in self.takers
            if not taker.auto
            for train in (taker.held, taker.flight)
            for run in train
        ]
        return [*out, *self.ready]

    def store(self, run: Run) -> None:
        """Take messages in, at their times."""
        self.ready.append(run)

    def adopt(self, t: float) -> None:
        """Store what a leader had taken of connections that have ended: it can commit again."""
        for run in self.orphans:
            self.store(run._replace(t=t, step=0.0))
        self.orphans.clear()

    def advance(self, t: float) -> None:
        """Deliver until *t*."""
        if self.ready.count:
            self._give(t)
        for taker in self.takers:
            taker.settle(t, self._log)

    def see(self, taker: Taker, t: float) -> None:
        """Let arrive at a client what has been sent to it until *t*."""
        taker.settle(t, self._log)

    def requeue(self, t: float, takers: Iterable[Taker]) -> None:
        """Put back in front what some hold without having acknowledged it."""
        back = [run._replace(t=t, step=0.0, again=True) for taker in takers for run in taker.give_back()]
        self.ready.put_first(back)

    def lose(self, count: int | None) -> None:
        """Lose the newest messages, or all."""
        left = self.count if count is None else count
        for train in (self.ready, *(train for taker in self.takers for train in (taker.flight, taker.held))):
            gone = min(left, train.count)
            train.drop_last(gone)
            left -= gone

    # -- who is given what ----------------------------------------------------------------------------

    def _give(self, t: float) -> None:
        served = [taker for taker in self.takers if taker.served_from <= t]
        while self.ready.count and served:
            wide = [taker for taker in served if taker.flows(t) or taker.room == NEVER]
            narrow = [taker for taker in served if taker not in wide and (taker.room or taker.works(t))]
            if narrow:
                if not self._give_one(t, wide, narrow):
                    return
            elif wide:
                for run in self.ready.due(t):
                    self._share(run, wide)
                return
            else:
                return

    def _share(self, run: Run, takers: list[Taker]) -> None:
        for index in range(len(takers)):
            taker = takers[(self._turn + index) % len(takers)]
            for part in run.share(index, len(takers)).not_before(taker.served_from):
                taker.send(part)
        self._turn += run.size

    def _give_one(self, t: float, wide: list[Taker], narrow: list[Taker]) -> bool:
        """Give the first message to whoever can take it first; in turns, where several can."""
        taken = self.ready.take(1)[0]
        takers = [*wide, *narrow]
        takers = takers[self._turn % len(takers) :] + takers[: self._turn % len(takers)]
        for taker in narrow:
            taker.settle(taken.t, self._log)
        free = [max(taken.t, taker.served_from, taker.free_from(t)) for taker in takers]
        at = min(free)
        if at > t:
            self.ready.put_first([taken])
            return False
        taker = takers[free.index(at)]
        taker.settle(at, self._log)
        taker.send(taken._replace(t=at, step=0.0))
        if taker.work_s:
            taker.settle(at + taker.takes_s, self._log)
        self._turn += 1
        return True
