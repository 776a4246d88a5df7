"""Many runs of one scenario: how each figure spreads over what nobody can know, the phases of clocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.figures import Figure, figures
from simulation.run import Run, explained

if TYPE_CHECKING:
    from rmqha_model.scenario import Scenario
    from rmqha_model.timeline import Timeline
    from rmqha_model.topology import Topology

__all__ = ["Distribution", "Spread", "distribution"]


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of one figure, in order; infinite ones are of runs in which it did not come to an end."""

    values: tuple[float, ...]
    seeds: tuple[int, ...]
    """The run of each value."""

    @classmethod
    def of(cls, values: Iterable[tuple[float, int]]) -> Spread:
        """Make one of values with their runs' seeds, in any order."""
        ordered = sorted(values)
        return cls(tuple(value for value, _ in ordered), tuple(seed for _, seed in ordered))

    def quantile(self, share: float) -> float:
        """Give the smallest value that at least *share* of the runs do not exceed."""
        return self.values[max(0, math.ceil(share * len(self.values)) - 1)]

    @property
    def min(self) -> float:
        """The smallest."""
        return self.values[0]

    @property
    def median(self) -> float:
        """What half of the runs do not exceed."""
        return self.quantile(0.5)

    @property
    def max(self) -> float:
        """The largest."""
        return self.values[-1]

    def share_up_to(self, value: float) -> float:
        """Give the share of runs that do not exceed *value*."""
        return sum(each <= value for each in self.values) / len(self.values)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How figures spread over runs, and what was not modelled in any of them."""

    spreads: dict[Figure, Spread]
    runs: int
    typical: int
    """Seed of a run that is in the middle."""
    not_modelled: tuple[str, ...]


def distribution(
    topology: Topology,
    scenario: Scenario,
    seeds: Sequence[int],
    *,
    each: Callable[[Timeline], None] = lambda _: None,
) -> Distribution:
    """Run a scenario once for each of *seeds*; *each* is told every timeline, for progress or judgement."""
    found: dict[Figure, list[tuple[float, int]]] = {}
    left_out: dict[str, None] = {}
    for seed in seeds:
        told = explained(topology, scenario, seed)
        each(told.timeline)
        left_out |= dict.fromkeys(told.timeline.head.not_seen)
        for figure, value in (*figures(told.timeline).items(), *_stalls(told).items()):
            found.setdefault(figure, []).append((value, seed))
    spreads = {figure: Spread.of(values) for figure, values in found.items()}
    return Distribution(spreads, len(seeds), _typical(spreads, seeds), tuple(left_out))


def _stalls(told: Run) -> dict[Figure, float]:
    """Give ``stall_s`` of each queue: the longest time in which it confirmed nothing, which nobody outside can see."""
    workload = told.timeline.head.scenario.workload
    longest = {Figure("stall_s", publisher.queue): 0.0 for publisher in workload.publishers.values()}
    for stall in told.stalls:
        figure = Figure("stall_s", stall.queue)
        if figure in longest:
            longest[figure] = max(longest[figure], stall.end - stall.begin)
    return longest


def _typical(spreads: dict[Figure, Spread], seeds: Sequence[int]) -> int:
    """Give the run whose ranks are nearest to the middle in all figures that spread."""
    off = dict.fromkeys(seeds, 0.0)
    for spread in spreads.values():
        if spread.min == spread.max:
            continue
        middle = spread.median
        below = spread.share_up_to(middle)
        for value, seed in zip(spread.values, spread.seeds, strict=True):
            if value != middle:
                off[seed] += abs(spread.share_up_to(value) - below)
    return min(seeds, key=lambda seed: off[seed])
