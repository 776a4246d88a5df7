"""What a run must never say."""

from __future__ import annotations

import pytest

from rmqha_model.events import (
    AnyEvent,
    BrokerState,
    Confirmed,
    Delivered,
    FaultUndone,
    HostState,
    Published,
    ServerState,
    VipHeld,
)
from simulation.invariants import Broken, broken, check


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([ServerState(1.0, "a", "p", "b", up=True, health=5, rise=2, fall=3)], "the counter of b at a is 5, of 4"),
        ([ServerState(1.0, "a", "p", "b", up=True, health=1, rise=2, fall=3)], "b is UP at a with 1 of 2"),
        ([HostState(1.0, "a", on=False), BrokerState(2.0, "a", up=True)], "a daemon starts on a, which has no power"),
        ([VipHeld(1.0, "a", "v", held=True), VipHeld(2.0, "a", "v", held=True)], "v comes to a, which has it"),
        ([VipHeld(1.0, "a", "v", held=False), VipHeld(2.0, "a", "v", held=False)], "v leaves a, which does not have"),
        ([FaultUndone(1.0, 0, "broker_kill", ("a",))], "fault 1 is undone, which has not begun"),
        ([Published(1.0, "p", 1), Confirmed(2.0, "p", 2)], "message 2 of p is there before it was published"),
        ([Delivered(2.0, "c", "p", 1)], "message 1 of p is there before it was published"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_contradiction_is_named(events: list[AnyEvent], words: str) -> None:
    """With its time, and the seed that gives it again."""
    assert words in next(broken(events))
    with pytest.raises(Broken, match="seed 42"):
        check(events, 42)


def test_what_may_be_is_let_be() -> None:
    """Two hosts with one address are a split brain, which happens."""
    check([VipHeld(0.0, "a", "v", held=False), VipHeld(1.0, "b", "v", held=True), VipHeld(2.0, "a", "v", held=True)], 1)
