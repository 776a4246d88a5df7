"""Bad cables: messages come late, in their order, and all of them."""

from __future__ import annotations

import itertools

import pytest
from designs import design

from rmqha_model.scenario import Scenario
from simulation.processes.client_losses import Losses, Ways, back
from simulation.processes.client_runs import Run
from simulation.processes.world import World

HOPS = (("lb1", "r1"),)


def ways(share: float, seed: int = 1) -> tuple[World, Losses, Ways]:
    """Give a client's connections, with a bad cable at r1."""
    world = World(design(), Scenario.model_validate({"name": "test", "duration": "1m", "workload": {}}), seed)
    losses = Losses(world)
    world.network.on_change(losses.change)
    world.network.spoil("r1", share)
    losses.look()
    return world, losses, Ways(world, losses, "p")


def times(runs: object) -> list[tuple[int, float]]:
    """Give number and time of each message."""
    return [each for run in runs for each in run.each()]  # type: ignore[attr-defined]


def test_good_cables_change_nothing() -> None:
    """What goes over them stays one run."""
    _, losses, one = ways(0.0)
    run = Run(1, 100, 5.0, 0.05)
    assert tuple(one.carry("publish", run, HOPS)) == (run,)
    assert tuple(one.copied(run, "r1", ("r2", "r3"), 1)) == (run,)
    assert not losses.ever


@pytest.mark.parametrize("seed", range(10))
def test_a_tenth_lost_delays_some_by_a_timeout(seed: int) -> None:
    """All come, in order, most of them at once; the next one tells of a loss, or the timeout of 0.2 s does."""
    _, _, one = ways(0.1, seed)
    before = Run(1, 300, 5.0, 0.05)
    after = times(one.carry("publish", before, HOPS))
    assert [number for number, _ in after] == list(range(1, 301))
    late = [t - sent for (_, t), (_, sent) in zip(after, before.each(), strict=True)]
    assert min(late) >= -1e-9
    assert 0.045 < max(late) < 3
    assert sum(each > 0.001 for each in late) < 120
    assert all(a <= b + 1e-9 for (_, a), (_, b) in itertools.pairwise(after))


def test_another_cable_is_not_touched() -> None:
    """Only ways over the bad one are."""
    _, _, one = ways(0.3)
    run = Run(1, 100, 5.0, 0.05)
    assert tuple(one.carry("publish", run, (("clients", "lb1"), ("lb1", "r2")))) == (run,)


def test_one_good_copy_is_enough_where_a_majority_is_asked() -> None:
    """Of three members one may be late; where every copy is asked, all are late."""
    _, _, one = ways(0.5)
    run = Run(1, 100, 5.0, 0.05)
    had = times(one.copied(run, "r2", ("r1", "r3"), 1))
    assert [t for _, t in had] == pytest.approx([t for _, t in run.each()])
    everybody = times(one.copied(run, "r2", ("r1", "r3"), 2))
    assert max(t - sent for (_, t), (_, sent) in zip(everybody, run.each(), strict=True)) > 0.2


def test_what_was_late_holds_up_what_follows_on_the_mended_cable() -> None:
    """Bytes are read in their order, and soon all is as before."""
    world, losses, one = ways(0.9)
    last = times(one.carry("publish", Run(1, 20, 5.0, 0.05), HOPS))[-1][1]
    world.network.spoil("r1", 0.0)
    losses.look()
    soon, late = Run(21, 1, 6.0), Run(22, 10, last + 1, 0.05)
    assert times(one.carry("publish", soon, HOPS)) == [(21, max(6.0, last))]
    assert tuple(one.carry("publish", late, HOPS)) == (late,)


def test_the_way_back_is_the_way_turned_round() -> None:
    """Hop by hop."""
    assert back((("a", "b"), ("b", "c"))) == (("c", "b"), ("b", "a"))
