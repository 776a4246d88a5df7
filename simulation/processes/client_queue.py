"""The messages of one queue on all sides of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.processes.client_pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.processes.client_log import Log
    from simulation.processes.views import Deliveries

__all__ = ["QueueMessages"]


class QueueMessages:
    """One queue: a pool of messages, and one more for each side that has split from it."""

    def __init__(self, log: Log) -> None:
        self.main = Pool(log)
        self.sides: list[tuple[frozenset[str], Pool]] = []
        self._log = log

    @property
    def pools(self) -> Iterator[tuple[frozenset[str] | None, Pool]]:
        """Each pool, with the brokers that use it; ``None``: all others."""
        yield None, self.main
        yield from self.sides

    def at(self, broker: str) -> Pool:
        """Give the pool that a broker's channels use."""
        return next((pool for side, pool in self.sides if broker in side), self.main)

    def hear(self, what: Deliveries) -> None:
        """Take in what becomes of messages; what is nacked is for publishers to hear."""
        side = what.side
        if what.what == "requeued":
            for _, pool in self.pools:
                pool.requeue(what.t, [taker for taker in pool.takers if not side or taker.broker in side])
        elif what.what == "lost":
            for pool in self._of(side):
                pool.lose(what.count)
        elif what.what == "split":
            self._split(what.t, side)
        elif what.what == "merged":
            self._merge(side)

    def _of(self, side: frozenset[str]) -> list[Pool]:
        if not side:
            return [pool for _, pool in self.pools]
        return list({id(pool): pool for pool in (self.at(broker) for broker in side)}.values())

    def _split(self, t: float, side: frozenset[str]) -> None:
        """Give brokers a queue of their own: each side has a copy of what there was."""
        before = self.at(next(iter(side)))
        pool = Pool(self._log)
        moved = [taker for taker in before.takers if taker.broker in side]
        for run in before.runs():
            pool.store(run._replace(t=t, step=0.0))
        before.requeue(t, moved)
        for taker in moved:
            before.takers.remove(taker)
            pool.takers.append(taker)
        self.sides = [(brokers - side, one) for brokers, one in self.sides]
        self.sides.append((side, pool))

    def _merge(self, side: frozenset[str]) -> None:
        """Have brokers use what another side has, and forget what theirs held."""
        for brokers, pool in list(self.sides):
            if brokers <= side or not brokers:
                self.sides.remove((brokers, pool))
                self._move(pool, self.main)
                return
        if self.sides and self.at(next(iter(side))) is self.main:
            # It is the first one that is over: another side is the queue from now on.
            brokers, pool = self.sides.pop()
            self._move(self.main, pool)
            self.main = pool

    @staticmethod
    def _move(pool: Pool, to: Pool) -> None:
        for taker in pool.takers:
            taker.give_back()
        to.takers += pool.takers
        pool.takers = []
