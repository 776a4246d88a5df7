"""What is told of faults that were not as planned."""

from __future__ import annotations

from typing import Any

import pytest

from integration.running.punctual import unpunctual
from rmqha_model.events import FaultBegan, FaultUndone
from rmqha_model.scenario import Scenario

START = 1000.0
ALARM: dict[str, Any] = {"fault": "memory_alarm", "host": "rabbit1", "at": "6s", "for": "10s"}


def told(fault: dict[str, Any], *times: float) -> list[str]:
    """Give what is told of *fault*, which began and ended at *times* of a scenario of 30 s."""
    scenario = Scenario.model_validate({"name": "s", "faults": [fault], "duration": "30s"})
    kinds: tuple[type[FaultBegan | FaultUndone], ...] = (FaultBegan, FaultUndone)
    events = [kind(START + t, 0, fault["fault"], ("rabbit1",)) for kind, t in zip(kinds, times, strict=False)]
    return unpunctual(scenario, events, START)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((6.0, 16.0), ""),
        ((6.4, 16.0), ""),
        ((6.6, 16.6), "began 0.6 s late"),
        ((6.0, 15.4), "lasted 9.4 s instead of 10 s"),
        ((6.0, 17.5), "lasted 11.5 s instead of 10 s"),
        ((17.99, 20.76), "began 12.0 s late and lasted 2.8 s instead of 10 s"),
        # That it was not undone is told elsewhere.
        ((6.0,), ""),
    ],
)
def test_half_a_second_is_told(times: tuple[float, ...], words: str) -> None:
    """A fault that began later, or lasted less or longer, by more than that."""
    assert told(ALARM, *times) == ([f"memory_alarm on rabbit1 {words}"] if words else [])


def test_fault_that_ends_by_itself_lasts_as_long_as_it_takes() -> None:
    """Only that it began late is told."""
    reboot = {"fault": "host_reboot", "host": "rabbit1", "at": "6s"}
    assert told(reboot, 6.0, 60.0) == []
    assert told(reboot, 8.0, 60.0) == ["host_reboot on rabbit1 began 2.0 s late"]


def test_fault_without_a_length_lasts_to_the_end() -> None:
    """Of the scenario: that is its plan."""
    stop = {"fault": "broker_stop", "host": "rabbit1", "at": "6s"}
    assert told(stop, 6.0, 30.1) == []
    assert told(stop, 9.0, 30.1) == ["broker_stop on rabbit1 began 3.0 s late and lasted 21.1 s instead of 24 s"]


def test_fault_that_never_began_is_told() -> None:
    """As when its preparation took until the scenario's end."""
    assert told({**ALARM, "host": "@leader"}) == ["memory_alarm on @leader never began"]


def test_faults_are_told_apart_by_their_places() -> None:
    """Two of the same kind, one of which was late."""
    scenario = Scenario.model_validate({"name": "s", "faults": [ALARM, {**ALARM, "host": "rabbit2"}]})
    events: list[FaultBegan | FaultUndone] = [
        FaultBegan(START + 9, 1, "memory_alarm", ("rabbit2",)),
        FaultBegan(START + 6, 0, "memory_alarm", ("rabbit1",)),
        FaultUndone(START + 16, 0, "memory_alarm", ("rabbit1",)),
        FaultUndone(START + 19, 1, "memory_alarm", ("rabbit2",)),
    ]
    assert unpunctual(scenario, events, START) == ["memory_alarm on rabbit2 began 3.0 s late"]
