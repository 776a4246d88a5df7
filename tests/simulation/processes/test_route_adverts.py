"""Adverts that a bad cable loses, each by its own toss."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import simpy

from simulation.driving import Clock
from simulation.machines.vrrp_words import Advert, Hear, Stream, VrrpInput
from simulation.machines.vrrp_words import Clock as Ticks
from simulation.processes.route_adverts import Ear
from simulation.streams import Streams

STREAM = Stream(Advert(1, 100, 1_000_000), Ticks(0.25, 1.0))


class Hearing:
    """An ear, and what arrives."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = Clock(simpy.Environment())
        self.told: list[tuple[float, VrrpInput]] = []
        draw = Streams(seed).stream("lost")
        self.ear = Ear(("a", "b"), 1, self.clock, draw, lambda word: self.told.append((self.clock.now, word)))

    def lost(self, until: float) -> list[int]:
        """Give the adverts that did not arrive, by their numbers."""
        self.clock.run(until)
        silent = [not isinstance(word, Hear) or word.stream is None for _, word in self.told]
        changes = [at for at, _ in self.told]
        assert all(a != b for a, b in itertools.pairwise(silent))
        found, last = [], round(until)
        for index, (at, quiet) in enumerate(zip(changes, silent, strict=True)):
            if quiet:
                end = changes[index + 1] if index + 1 < len(changes) else until
                found += [k for k in range(int(at), min(int(end) + 1, last)) if at < k + 0.25 < end]
        return found


def test_without_loss_nothing_is_told() -> None:
    """A clock costs one word."""
    hearing = Hearing()
    hearing.ear.say(STREAM)
    assert hearing.lost(1e6) == []
    assert hearing.told == [(0.0, Hear(1, STREAM))]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_each_advert_is_lost_by_its_own_toss(share: float) -> None:
    """The share that is lost, and how many in a row, are those of independent tosses."""
    hearing = Hearing()
    hearing.ear.say(STREAM)
    hearing.ear.reach(passes=True, loss=share)
    count = 3000
    lost = set(hearing.lost(count))
    assert len(lost) == pytest.approx(count * share, rel=0.1)
    rows = Counter(
        len(list(group)) for is_lost, group in itertools.groupby(range(count), lambda k: k in lost) if is_lost
    )
    begun = sum(rows.values())
    assert begun == pytest.approx(count * share * (1 - share), rel=0.1)
    assert sum(n for length, n in rows.items() if length >= 2) == pytest.approx(begun * share, rel=0.25)
    # What goes before says nothing of what comes: the first two of a row of any two.
    pairs = sum(k in lost and k + 1 in lost for k in range(count))
    assert pairs == pytest.approx(count * share**2, rel=0.3)


def test_all_lost_and_none() -> None:
    """A cable that loses everything is silence; a good one is heard again."""
    hearing = Hearing()
    hearing.ear.begin(STREAM)
    hearing.ear.reach(passes=True, loss=1.0)
    hearing.ear.say_once(STREAM.advert)
    hearing.ear.reach(passes=True, loss=0.0)
    hearing.ear.say_once(STREAM.advert)
    hearing.ear.reach(passes=False, loss=0.0)
    hearing.ear.say_once(STREAM.advert)
    assert [word for _, word in hearing.told] == [Hear(1, None), Hear(1, STREAM), STREAM.advert, Hear(1, None)]


def test_what_was_planned_for_another_clock_is_forgotten() -> None:
    """Who falls silent is not heard again by the end of a row of losses."""
    hearing = Hearing()
    hearing.ear.begin(STREAM)
    hearing.ear.reach(passes=True, loss=0.5)
    hearing.clock.run(50.0)
    hearing.ear.say(None)
    hearing.clock.run(100.0)
    assert hearing.ear.heard is None
