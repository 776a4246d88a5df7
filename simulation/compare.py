"""Predicted against measured: whether each measured figure lies where runs of the simulator say it may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.events import FaultBegan, FaultUndone
from rmqha_model.figures import COUNTS, Figure, figures
from rmqha_model.units import Duration
from simulation.distribution import Distribution, distribution

if TYPE_CHECKING:
    from rmqha_model.faults import AnyFault
    from rmqha_model.scenario import Scenario
    from rmqha_model.timeline import Timeline
    from rmqha_model.topology import Topology

__all__ = ["Compared", "as_it_happened", "compare", "compared_with", "unexplained"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One measured figure beside its prediction; *share* of the runs do not exceed it."""

    figure: Figure
    measured: float
    low: float
    median: float
    high: float
    share: float
    slack: float
    """By how much the range is widened: the resolution of the observation, nothing else."""

    @property
    def inside(self) -> bool:
        """Whether it lies in the range."""
        return self.low - self.slack <= self.measured <= self.high + self.slack


def compare(topology: Topology, timeline: Timeline, seeds: Sequence[int]) -> tuple[Compared, ...]:
    """Run the scenario of a measured timeline on the design that it was measured on, and compare."""
    return tuple(compared_with(distribution(topology, as_it_happened(timeline), seeds), timeline))


def as_it_happened(timeline: Timeline) -> Scenario:
    """Give the scenario with its faults at the instants at which they took effect: real orders take their time."""
    scenario = timeline.head.scenario
    began = {event.index: event.t for event in timeline.only(FaultBegan)}
    undone = {event.index: event.t for event in timeline.only(FaultUndone)}
    end_ms = scenario.duration.ms
    faults: list[AnyFault] = []
    for index, fault in enumerate(scenario.faults):
        told: dict[str, Duration] = {}
        if index in began:
            told["at"] = Duration(_ms(began[index]))
            if fault.undo and index in undone:
                told["lasts"] = Duration(max(0, _ms(undone[index]) - told["at"].ms))
                end_ms = max(end_ms, _ms(undone[index]))
        faults.append(fault.model_copy(update=told))
    return scenario.model_copy(update={"faults": tuple(faults), "duration": Duration(end_ms)})


def _ms(t: float) -> int:
    return max(0, round(1000 * t))


def compared_with(predicted: Distribution, timeline: Timeline) -> Iterator[Compared]:
    """Compare with what was predicted; a figure that no run has is compared with nothing, and left out."""
    resolution = timeline.head.resolution_s
    for figure, measured in figures(timeline).items():
        spread = predicted.spreads.get(figure)
        if spread is not None:
            slack = _slack(figure, timeline, resolution)
            low, high = spread.min, spread.max
            share = spread.share_up_to(measured)
            yield Compared(figure, measured, low, spread.median, high, share, slack)


def _slack(figure: Figure, timeline: Timeline, resolution_s: float) -> float:
    """A time is the difference of two instants, each seen up to the resolution late; counts are exact."""
    if figure.what in COUNTS or not figure.what.endswith("_s"):
        return 0.0
    probes = timeline.head.scenario.workload.probes
    # An outage begins and ends with an attempt: between two of them nobody looks.
    step = probes[figure.whose].every.s if figure.what == "outage_s" and figure.whose in probes else 0.0
    return resolution_s + step


def unexplained(rows: Iterable[Compared]) -> tuple[Compared, ...]:
    """Give the figures that lie outside."""
    return tuple(row for row in rows if not row.inside)
