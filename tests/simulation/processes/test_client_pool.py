"""The messages of one queue: who is given what, and what comes again."""

from __future__ import annotations

from simulation.machines.machine import NEVER
from simulation.processes.client_log import Log
from simulation.processes.client_pool import Pool, Taker
from simulation.processes.client_runs import Run


def pool_of(*takers: Taker) -> Pool:
    """Give a queue with these consumers and ten messages, one each second from 1 s on."""
    pool = Pool(Log())
    pool.takers.extend(takers)
    pool.store(Run(1, 10, 1.0, 1.0, publisher="p"))
    return pool


def taker(name: str = "c", *, ghost: bool = False, **more: float) -> Taker:
    """Give a consumer that is served, its client alive or not."""
    found = Taker(name, "r1", served_from=0.0, hears_from=NEVER if ghost else 0.0, acks_from=NEVER if ghost else 0.0)
    for key, value in more.items():
        setattr(found, key, value)
    return found


def given(pool: Pool) -> list[tuple[str, int, float, bool]]:
    """Give what was delivered."""
    return [(event.client, event.number, event.t, event.redelivered) for event in pool._log.events()]  # type: ignore[union-attr]


def test_what_comes_is_delivered_as_it_comes() -> None:
    """Nothing before its time."""
    pool = pool_of(taker())
    pool.advance(4.5)
    assert given(pool) == [("c", n, float(n), False) for n in (1, 2, 3, 4)]
    assert pool.count == 6


def test_a_backlog_is_delivered_at_once() -> None:
    """To who is served again."""
    pool = pool_of(taker(served_from=20.0))
    pool.advance(19.0)
    assert given(pool) == []
    pool.advance(21.0)
    assert [t for _, _, t, _ in given(pool)] == [20.0] * 10


def test_a_ghost_is_filled_and_passed_by() -> None:
    """Its share until its prefetch is used up; then all goes to the other one; later its own comes again."""
    ghost = taker("ghost", ghost=True, prefetch=2)
    pool = pool_of(taker(), ghost)
    pool.advance(10.5)
    assert len(given(pool)) == 8
    pool.requeue(11.0, [ghost])
    pool.takers.remove(ghost)
    pool.advance(12.0)
    again = [each for each in given(pool) if each[3]]
    assert len(again) == 2
    assert {each[2] for each in again} == {11.0}
    assert pool.count == 0


def test_a_ghost_that_acknowledges_by_itself_loses_all() -> None:
    """With automatic acknowledgement nothing comes again."""
    pool = pool_of(ghost := taker(ghost=True, auto=True))
    pool.advance(20.0)
    pool.requeue(20.0, [ghost])
    assert pool.count == 0
    assert given(pool) == []


def test_unacknowledged_deliveries_come_again() -> None:
    """What the client has seen, and the broker knows nothing of."""
    pool = pool_of(one := taker(acks_from=NEVER, prefetch=3))
    pool.advance(20.0)
    assert [number for _, number, _, _ in given(pool)] == [1, 2, 3]
    one.acks_from = 20.0
    pool.requeue(20.0, [one])
    pool.advance(21.0)
    assert [number for _, number, _, again in given(pool) if again] == [1, 2, 3]


def test_the_newest_are_lost_first() -> None:
    """Of those in the queue; without a number, all."""
    pool = pool_of()
    pool.lose(4)
    assert pool.count == 6
    assert pool.ready.runs[-1].end == 6.0
    pool.lose(None)
    assert pool.count == 0
