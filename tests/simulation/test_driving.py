"""Machines in SimPy's time."""

from __future__ import annotations

import pytest
import simpy

from simulation.driving import Clock, Driven
from simulation.machines.machine import NEVER


class Beacon:
    """A machine that says its name at each of some instants, and at once whatever it is fed."""

    def __init__(self, *instants: float) -> None:
        self.instants = list(instants)

    @property
    def due(self) -> float:
        """The next of its instants."""
        return self.instants[0] if self.instants else NEVER

    def fire(self) -> list[str]:
        """Say it."""
        return [f"due {self.instants.pop(0)}"]

    def feed(self, now: float, input_: str) -> list[str]:
        """Repeat what it is told; ``hush`` takes its next instant away."""
        if input_ == "hush":
            self.instants.pop(0)
        return [f"{input_} {now}"]


@pytest.fixture
def clock() -> Clock:
    """A clock at 0."""
    return Clock(simpy.Environment())


def test_a_machine_is_fired_when_it_is_due(clock: Clock) -> None:
    """At its own instants, to the last bit, and not otherwise."""
    seen: list[tuple[float, str]] = []
    Driven(clock, Beacon(0.1 + 0.2, 1 / 3, 7.7), lambda said: seen.append((clock.now, said)))
    clock.run(1.0)
    assert seen == [(0.1 + 0.2, f"due {0.1 + 0.2}"), (1 / 3, f"due {1 / 3}")]
    assert clock.now == 1.0


@pytest.mark.parametrize(
    ("feeds_first", "order"), [(False, ["due 2.0", "x 2.0"]), (True, ["x 2.0", "due 2.0"])], ids=["after", "before"]
)
def test_what_is_told_comes_after_what_is_due(clock: Clock, *, feeds_first: bool, order: list[str]) -> None:
    """In one instant a machine is fired first, unless it wants it the other way round."""
    seen: list[str] = []
    clock.at(2.0, lambda: driven.feed("x"))
    driven = Driven(clock, Beacon(2.0), seen.append, feeds_first=feeds_first)
    clock.run(3.0)
    assert seen == order


def test_a_wake_that_is_no_longer_due_does_nothing(clock: Clock) -> None:
    """Who was told something that takes its instant away is not fired at it."""
    seen: list[str] = []
    driven = Driven(clock, Beacon(2.0, 5.0), seen.append)
    clock.at(1.0, lambda: driven.feed("hush"))
    clock.run(4.0)
    assert seen == ["hush 1.0"]
    clock.run(6.0)
    assert seen == ["hush 1.0", "due 5.0"]


def test_who_is_stopped_says_nothing_more(clock: Clock) -> None:
    """Neither of itself nor when it is told something."""
    seen: list[str] = []
    driven = Driven(clock, Beacon(2.0), seen.append)
    driven.stop()
    driven.feed("x")
    clock.run(3.0)
    assert seen == []


def test_who_hears_an_output_may_tell_the_machine_something(clock: Clock) -> None:
    """It is told in the same instant, and its further instants hold."""
    seen: list[str] = []

    def hear(said: str) -> None:
        seen.append(said)
        if said == "due 1.0":
            driven.feed("answer")

    driven = Driven(clock, Beacon(1.0, 2.0), hear)
    clock.run(3.0)
    assert seen == ["due 1.0", "answer 1.0", "due 2.0"]


def test_calls_of_one_instant_keep_their_order(clock: Clock) -> None:
    """First asked, first called; what is over is called at once."""
    seen: list[str] = []
    for name in "abc":
        clock.at(1.0, lambda name=name: seen.append(name))  # type: ignore[misc]  # bound now
    clock.run(1.0)
    clock.at(0.5, lambda: seen.append("late"))
    clock.run(1.0)
    assert seen == ["a", "b", "c", "late"]
