"""Resource alarms against a reference that makes each check."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.machines.alarms import Blocking, Limit, Monitor, Raised, Used
from simulation.machines.machine import NEVER


def play(monitor: Monitor, schedule: list[tuple[float, Any]], until: float) -> list[tuple[float, bool]]:
    """Drive a monitor."""
    said: list[Raised] = []
    for now, what in [*schedule, (until, None)]:
        while monitor.due <= now:
            said += monitor.fire()
        if what is not None:
            said += monitor.feed(now, what)
    return [(one.t, one.on) for one in said]


class Checking:
    """A monitor that sets a timer after each check, as the two modules do."""

    def __init__(self, resource: str, limit: float, amount: float, check: float) -> None:
        """Begin without an alarm."""
        self.resource, self.limit, self.amount, self.on = resource, limit, amount, False
        self.first, self.period, self.count = check, self.interval(), 0
        self.said: list[tuple[float, bool]] = []

    def interval(self) -> float:
        """Give the time to the next check."""
        if self.resource == "memory":
            return 1.0
        ideal = 2 * (self.amount - self.limit) / 250_000
        return 10.0 if self.on else int(max(100, min(10_000, ideal))) / 1000

    def check(self, now: float) -> None:
        """Compare."""
        bad = self.amount > self.limit if self.resource == "memory" else self.amount < self.limit
        if bad != self.on:
            self.on = bad
            self.said.append((now, bad))

    def run(self, schedule: list[tuple[float, Any]], until: float) -> list[tuple[float, bool]]:
        """Go from check to check."""
        for now, what in [*schedule, (until, None)]:
            while (at := self.first + self.count * self.period) <= now:
                self.check(at)
                self.count += 1
                if self.interval() != self.period:
                    self.period = self.interval()
                    self.first, self.count = at + self.period, 0
            if isinstance(what, Limit):
                self.limit = what.amount
                self.check(now)
            elif what is not None:
                self.amount = what.amount
        return self.said


amounts = st.floats(0, 3e9).map(round)


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.sampled_from(["memory", "disk"]),
    st.floats(0, 0.999),
    st.lists(st.tuples(st.floats(0.01, 30), st.builds(Used, amounts) | st.builds(Limit, amounts)), max_size=8),
)
def test_alarms_are_those_of_every_check(resource: Any, phase: float, waits: Any) -> None:
    """Checks that find nothing are skipped."""
    now, plan = 0.0, []
    for wait, what in waits:
        now += wait
        plan.append((now, what))
    amount = 0.5e9 if resource == "memory" else 2e9
    said = play(Monitor(resource, 1e9, amount, phase), plan, now + 60)
    assert said == Checking(resource, 1e9, amount, phase).run(plan, now + 60)


def test_a_limit_that_is_set_acts_at_once() -> None:
    """So do the faults memory_alarm and disk_alarm, and their undoing."""
    for resource, amount, bad in (("memory", 5e8, 1e8), ("disk", 2e9, 9e9)):
        plan = [(10.0, Limit(bad)), (20.0, Limit(1e9))]
        assert play(Monitor(resource, 1e9, amount, 0.3), plan, 40.0) == [(10.0, True), (20.0, False)]  # type: ignore[arg-type]


def test_a_full_disk_is_seen_within_ten_seconds_and_a_nearly_full_one_sooner() -> None:
    """25 MB above the limit the next check comes after 0.2 s."""
    assert play(Monitor("disk", 1e9, 9e9, 3.0), [(14.0, Used(1e8))], 60.0) == [(23.0, True)]
    monitor = Monitor("disk", 1e9, 1.025e9, 3.0)
    ((raised, _),) = play(monitor, [(14.0, Used(1e8))], 20.0)
    assert 14.0 <= raised <= 14.2 + 1e-9


def test_memory_is_looked_at_each_second() -> None:
    """The reason says how long that was."""
    monitor = Monitor("memory", 1e9, 1e8, 0.25)
    assert monitor.due == NEVER
    monitor.feed(10.0, Used(2e9))
    (raised,) = monitor.fire()
    assert (raised.t, raised.reason) == (10.25, (("until the next check", 0.25),))


def test_one_nodes_alarm_blocks_publishers_of_all() -> None:
    """Until it is cleared, or the node is down; whoever comes back tells of its alarm anew."""
    known = Blocking("a", "abc")
    assert [one.blocks for one in known.alarm(1.0, "b", "memory", on=True)] == [True]
    assert known.alarm(2.0, "b", "disk", on=True) == []
    assert known.alarm(3.0, "b", "memory", on=False) == []
    assert [one.blocks for one in known.alarm(4.0, "b", "disk", on=False)] == [False]
    known.alarm(5.0, "c", "memory", on=True)
    assert [one.blocks for one in known.sees(6.0, "ab")] == [False]
    assert known.sees(7.0, "abc") == []
    assert [one.nodes for one in known.alarm(7.0, "c", "memory", on=True)] == [("c",)]
    assert known.due == NEVER
    assert known.fire() == []
