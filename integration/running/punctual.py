"""Whether faults were what their scenario says: a slow machine has one begin late, or last shorter or longer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rmqha_model.events import FaultBegan, FaultUndone

if TYPE_CHECKING:
    from rmqha_model.scenario import Scenario

__all__ = ["OFF_S", "unpunctual"]

OFF_S = 0.5
"""A fault that is off by more is told: its measures are those of another fault than the scenario's."""


def unpunctual(scenario: Scenario, events: Iterable[FaultBegan | FaultUndone], start: float) -> list[str]:
    """Tell each fault that began late, lasted otherwise than planned, or never began; *start* is the scenario's 0 s.

    How long a fault lasts that ends by itself is a measure, and no plan.
    """
    done = tuple(events)
    began = {event.index: event for event in done if isinstance(event, FaultBegan)}
    undone = {event.index: event.t for event in done if isinstance(event, FaultUndone)}
    told = []
    for index, fault in enumerate(scenario.faults):
        if index not in began:
            told.append(f"{fault.name} on {', '.join(fault.targets)} never began")
            continue
        event = began[index]
        off = []
        late_s = event.t - start - fault.at.s
        if late_s > OFF_S:
            off.append(f"began {late_s:.1f} s late")
        planned_s = scenario.duration.s - fault.at.s if fault.lasts is None else fault.lasts.s
        lasted_s = undone[index] - event.t if fault.undo and index in undone else planned_s
        if abs(lasted_s - planned_s) > OFF_S:
            off.append(f"lasted {lasted_s:.1f} s instead of {planned_s:g} s")
        if off:
            told.append(f"{fault.name} on {', '.join(event.hosts)} {' and '.join(off)}")
    return told
