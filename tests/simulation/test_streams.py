"""Random streams: their own, the same again, evenly spread."""

from __future__ import annotations

import statistics

from simulation.streams import Streams


def test_a_stream_is_the_same_again() -> None:
    """Seed and name decide every number; other seeds and names give others."""
    one, same = Streams(7).stream("rabbit1", "tick"), Streams(7).stream("rabbit1", "tick")
    first = [one() for _ in range(5)]
    assert first == [same() for _ in range(5)]
    assert len({*first, Streams(8).once("rabbit1", "tick"), Streams(7).once("rabbit2", "tick")}) == 7


def test_names_do_not_run_together() -> None:
    """The parts of a name are apart from each other."""
    streams = Streams(0)
    assert streams.once("a", "bc") != streams.once("ab", "c")


def test_drawing_from_one_stream_moves_no_other() -> None:
    """Whoever draws more often changes nobody else's luck."""
    streams = Streams(3)
    before = streams.once("b")
    busy = streams.stream("a")
    for _ in range(10):
        busy()
    assert streams.once("b") == before


def test_numbers_are_even() -> None:
    """They fill 0 to 1: mean and spread of ten thousand are those of the uniform distribution."""
    draw = Streams(1).stream("x")
    numbers = [draw() for _ in range(10_000)]
    assert all(0 <= number < 1 for number in numbers)
    assert abs(statistics.fmean(numbers) - 0.5) < 0.015
    assert abs(statistics.pvariance(numbers) - 1 / 12) < 0.005


def test_a_phase_lies_within_one_period_before_the_start() -> None:
    """A clock that has ticked for long has its last tick before 0 there."""
    assert all(-5 < Streams(seed).phase(5.0, "check") <= 0 for seed in range(100))


def test_first_numbers_can_be_fixed_and_are_told() -> None:
    """What a search for the worst alignment moves; what follows in a stream stays as the seed has it."""
    free, fixed = Streams(5), Streams(5, {("a", "tick"): 0.25})
    one, other = free.stream("a", "tick"), fixed.stream("a", "tick")
    assert (one() == 0.25, other() == 0.25) == (False, True)
    assert one() == other()
    assert fixed.drawn == {("a", "tick"): 0.25}
    assert fixed.once("b") == free.once("b")
