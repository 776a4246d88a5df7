"""Partition strategies: who pauses, who comes back when, and who wins."""

from __future__ import annotations

from typing import Any

import pytest
from designs import design
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.machines.machine import NEVER
from simulation.machines.partition import (
    Acts,
    Autoheal,
    Inconsistent,
    Others,
    PartialCut,
    Running,
    Sees,
    Strategy,
    Watch,
    decide,
)

THREE = ("a", "b", "c")
PAUSE = Strategy("pause_minority", THREE)


def sees(alive: str, lost: str | None = None) -> Sees:
    """Give a view of the cluster."""
    return Sees(frozenset(alive), lost)


def play(watch: Watch, schedule: list[tuple[float, Any]], until: float) -> list[Acts]:
    """Drive a node monitor."""
    said: list[Acts] = []
    for now, what in [*schedule, (until, None)]:
        while watch.due <= now:
            said += watch.fire()
        if what is not None:
            said += watch.feed(now, what)
    return said


class Checking:
    """A paused node that looks around each second."""

    def __init__(self, strategy: Strategy, me: str) -> None:
        """Begin in a whole cluster."""
        self.strategy, self.me, self.alive = strategy, me, frozenset(strategy.nodes)
        self.paused, self.running, self.everybody = False, True, False
        self.first, self.count = NEVER, 0
        self.said: list[tuple[float, str]] = []

    def fine(self) -> bool:
        """Whether it may serve."""
        if self.everybody:
            return self.alive >= set(self.strategy.nodes)
        if self.strategy.name == "pause_minority":
            return 2 * len(self.alive) > len(self.strategy.nodes)
        if self.strategy.name == "pause_if_all_down":
            return any(node in self.alive for node in self.strategy.preferred)
        return True

    def run(self, schedule: list[tuple[float, Any]], until: float) -> list[tuple[float, str]]:
        """Go from check to check."""
        for now, what in [*schedule, (until, None)]:
            while self.first + self.count <= now:
                at = self.first + self.count
                self.count += 1
                if self.fine():
                    self.said.append((at, "returns"))
                    self.paused, self.everybody, self.first = False, False, NEVER
            if isinstance(what, Sees):
                self.alive = what.alive
                if what.lost and self.running and not self.fine() and not self.paused:
                    self.pause(now)
            elif isinstance(what, PartialCut) and self.running and self.strategy.name == "pause_minority":
                if not self.paused:
                    self.pause(now)
                    self.everybody = True
            elif isinstance(what, Running):
                if self.running and not what.running and self.paused:
                    self.first, self.count = now, 0
                self.running = what.running
        return self.said

    def pause(self, now: float) -> None:
        """Stop."""
        self.paused = True
        self.said.append((now, "pauses"))


views = st.sets(st.sampled_from("bc")).map(lambda others: frozenset({"a", *others}))
inputs = st.one_of(
    st.builds(Sees, views, st.sampled_from(["b", "c", None])),
    st.just(PartialCut("b", "c")),
    st.builds(Running, st.booleans()),
)
strategies = st.sampled_from(
    [PAUSE, Strategy("ignore", THREE), Strategy("pause_if_all_down", THREE, ("b",)), Strategy("khepri", THREE)]
)


@pytest.mark.slow
@settings(max_examples=250)
@given(strategies, st.lists(st.tuples(st.floats(0.01, 5), inputs), max_size=12))
def test_a_node_does_what_one_that_looks_each_second_does(strategy: Strategy, waits: Any) -> None:
    """Checks that find too few are skipped."""
    now, plan = 0.0, []
    for wait, what in waits:
        now += wait
        plan.append((now, what))
    said = play(Watch(strategy, "a"), plan, now + 10)
    expected = Checking(strategy, "a").run(plan, now + 10)
    assert [(one.t, one.what) for one in said if one.what in {"pauses", "returns"}] == expected


def test_the_smaller_side_pauses_and_comes_back_with_the_majority() -> None:
    """At its own nodedown for the second peer; it looks around when it has stopped, and each second from there."""
    plan = [(70.0, sees("ac", "b")), (72.0, sees("a", "c")), (75.5, Running(running=False)), (90.0, sees("ab"))]
    said = play(Watch(PAUSE, "a"), plan, 100.0)
    assert said == [Acts(72.0, "pauses"), Acts(90.5, "returns")]


def test_of_two_nodes_either_ones_failure_pauses_the_other() -> None:
    """Half is not more than half."""
    watch = Watch(Strategy("pause_minority", ("a", "b")), "a")
    assert [one.what for one in watch.feed(1.0, sees("a", "b"))] == ["pauses"]


def test_without_a_strategy_nothing_pauses() -> None:
    """`ignore` and `autoheal` go on, Khepri's nodes too; only Mnesia knows that it was partitioned."""
    for name in ("ignore", "autoheal", "khepri"):
        watch = Watch(Strategy(name, THREE), "a")  # type: ignore[arg-type]
        assert watch.feed(1.0, sees("a", "c")) == []
        told = [one.what for one in watch.feed(9.0, Inconsistent("c"))]
        assert told == ([] if name == "khepri" else ["partitioned"])


def test_ignore_stays_partitioned_until_a_restart() -> None:
    """Its own, or that the other one goes [M: partitioned until somebody restarts it]; its VM may stay."""
    for cure in (Running(running=True), sees("ab", "c"), Others(frozenset("ab"))):
        watch = Watch(Strategy("ignore", THREE), "a")
        watch.feed(1.0, Inconsistent("c"))
        watch.feed(500.0, sees("abc"))
        assert watch.partitions == {"c"}
        watch.feed(600.0, cure)
        assert not watch.partitions


def test_a_partial_partition_pauses_until_all_are_back_or_is_made_whole() -> None:
    """pause_minority waits for everybody; others disconnect from who sees both."""
    plan = [(1.0, sees("ac", "b")), (1.1, PartialCut("b", "c")), (2.0, Running(running=False)), (8.5, sees("abc"))]
    assert play(Watch(PAUSE, "a"), plan, 20.0) == [Acts(1.1, "pauses"), Acts(9.0, "returns")]
    watch = Watch(Strategy("autoheal", THREE), "a")
    assert watch.feed(1.1, PartialCut("b", "c")) == [Acts(1.1, "disconnects", "c")]


@pytest.mark.parametrize(
    ("clients", "winner", "losers"),
    [
        ({"a": 9, "b": 1}, "a", ("b", "c")),
        ({"a": 1, "c": 2}, "b", ("a",)),
        ({}, "b", ("a",)),
        ({"a": 5, "b": 5}, "b", ("a",)),
    ],
)
def test_the_side_with_most_clients_wins(clients: dict[str, int], winner: str, losers: tuple[str, ...]) -> None:
    """Then the one with most nodes; the first of it by name leads the healing."""
    assert decide([("a",), ("b", "c")], clients) == (winner, losers)


def test_losers_start_when_all_of_them_have_stopped() -> None:
    """Or after a minute, or when a node is lost meanwhile."""
    heal = Autoheal()
    (stop,) = heal.begin(10.0, [("a",), ("b",), ("c",)], {"a": 3})
    assert (stop.what, stop.winner, set(stop.losers)) == ("stop", "a", {"b", "c"})
    assert heal.begin(10.5, [("a",), ("b", "c")], {}) == []
    assert heal.stopped(12.0, "c") == []
    assert [(one.t, one.what) for one in heal.stopped(14.0, "b")] == [(14.0, "start")]
    assert heal.stopped(15.0, "b") == heal.lost(15.0) == []
    heal.begin(20.0, [("a",), ("b", "c")], {})
    assert heal.due == 80.0
    assert [one.t for one in heal.fire()] == [80.0]
    heal.begin(100.0, [("a",), ("b", "c")], {})
    assert [one.what for one in heal.lost(101.0)] == ["start"]


def test_strategies_come_from_the_design() -> None:
    """With Khepri there is none, whatever the design says."""

    def of(release: str, handling: Any = None) -> Strategy:
        changes = {"nodes": ["r1", "r2", "r3"], "partition_handling": handling}
        return Strategy.from_design(design(versions={"rabbitmq": release}, rabbitmq=changes))

    assert of("3.10.8").name == "pause_minority"
    assert of("4.2.1", "ignore").name == of("4.3.6").name == "khepri"
    asked = {"strategy": "pause_if_all_down", "nodes": ["r1"], "recover": "ignore"}
    assert of("3.10.8", asked) == Strategy("pause_if_all_down", ("r1", "r2", "r3"), ("r1",), "ignore")
    assert of("3.10.8", "autoheal").heals
    assert not of("3.10.8", asked).heals
