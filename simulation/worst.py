"""The worst alignment of clocks: a search over the phases that a user cannot know."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rmqha_model.figures import Figure, figures
from simulation.run import Run, explained

if TYPE_CHECKING:
    from rmqha_model.scenario import Scenario
    from rmqha_model.topology import Topology
    from simulation.streams import Name

__all__ = ["Alignment", "harm", "worst"]

_LONG_S = 86_400.0
"""What a figure counts that never came to an end: more than any that did."""

_TRIES = (0.0, 0.25, 0.5, 0.75, math.nextafter(1.0, 0.0))
"""Where a phase is put: verdicts jump where a tick passes another, so ends and quarters find what a slope would not."""

_STEPS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""How far a phase that matters is then moved from where it is best."""

HARM = ("outage_s", "confirm_gap_s", "consumer_gap_s", "absent_s")
"""Figures that hurt somebody."""


@dataclass(frozen=True)
class Alignment:
    """A run, its seed, the phases that were put where they are, and how bad it is."""

    run: Run
    seed: int
    phases: dict[Name, float]
    harm: float
    runs: int = field(compare=False)
    """How many were tried."""


def harm(found: dict[Figure, float]) -> float:
    """Give the seconds that hurt, all clients together."""
    return sum(min(value, _LONG_S) for figure, value in found.items() if figure.what in HARM)


def worst(
    topology: Topology,
    scenario: Scenario,
    seeds: Sequence[int],
    *,
    rounds: int = 2,
    tried: Callable[[], None] = lambda: None,
) -> Alignment:
    """Search for the phases that hurt most: the worst of *seeds*, then one phase after the other, in some *rounds*.

    It is a search, not a proof: a worse alignment of several phases at once may be missed. Of what is drawn more than
    once, such as how long each wait of a client is, only the first is moved.
    """
    count = 0

    def play(seed: int, phases: dict[Name, float]) -> tuple[float, Run]:
        nonlocal count
        count += 1
        told = explained(topology, scenario, seed, fixed=phases)
        tried()
        return harm(figures(told.timeline)), told

    found = [(*play(seed, {}), seed) for seed in seeds]
    most, told, seed = max(found, key=lambda each: each[0])
    phases: dict[Name, float] = {}

    def move(name: Name, number: float) -> bool:
        """Put a phase there if that hurts more; say whether it makes any difference."""
        nonlocal most, told, phases
        moved = {**phases, name: number}
        hurts, other = play(seed, moved)
        differs = hurts != most
        if hurts > most:
            most, told, phases = hurts, other, moved
        return differs

    for _ in range(rounds):
        before = most
        # All tries of a name are made: whether one differs says whether it is worth to look closer.
        matter = [name for name in sorted(told.drawn) if sum(move(name, number) for number in _TRIES)]
        for step, name in itertools.product(_STEPS, matter):
            for sign in (1, -1):
                reached = -1.0
                while most > reached:  # on, as long as it gets worse
                    reached = most
                    move(name, (told.drawn.get(name, 0.5) + sign * step) % 1.0)
        if most == before:
            break
    return Alignment(told, seed, phases, most, count)
