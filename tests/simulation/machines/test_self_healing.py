"""The tutorial's check script: what it does in which phase of its runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.machines.machine import NEVER
from simulation.machines.script_runs import Answer, ScriptSettings, Verdict
from simulation.machines.self_healing import (
    Exists,
    HealingOutput,
    KillHaproxy,
    Replaced,
    SelfHealing,
    Startable,
    StartHaproxy,
    StopKeepalived,
    healing_from_design,
)
from simulation.machines.vrrp_words import Freeze, Thaw

TOLD = ScriptSettings(5.0, 5.0)
BEGIN = 100.0
"""A run begins here, when the first one began at 0."""


def play(script: SelfHealing, until: float) -> list[HealingOutput]:
    """Let it go on."""
    said: list[HealingOutput] = []
    while script.due < until:
        said += script.fire()
    return said


def dies(
    phase: float,
    startable: Startable,
    *,
    told: ScriptSettings = TOLD,
    daemonises: bool = True,
    seconds: float = 30.0,
) -> list[HealingOutput]:
    """Let HAProxy die so long after a run began, and give what the script does."""
    script = SelfHealing(told, 3.0, 0.0, daemonises=daemonises)
    assert play(script, BEGIN + phase) == [
        Verdict(3.0, ok=True, since=0.0, why=(("to the next run", 0.0), ("run", 3.0)))
    ]
    said = script.feed(BEGIN + phase, startable) + script.feed(BEGIN + phase, Exists(here=False))
    while script.due < BEGIN + phase + seconds and not any(isinstance(each, StopKeepalived) for each in said):
        for output in script.fire():
            said.append(output)
            if isinstance(output, StartHaproxy) and startable.works:
                back = output.at + startable.takes
                said += play(script, back) + script.feed(back, Exists(here=True))
            elif isinstance(output, KillHaproxy):
                said += script.feed(output.at, Exists(here=False))
    return said


def test_death_in_the_pause_stops_keepalived_at_its_end() -> None:
    """Within the pause HAProxy is not started: the script looks at the end of it, and stops keepalived."""
    (stop,) = dies(1.2, Startable(works=True, takes=0.1))
    assert isinstance(stop, StopKeepalived)
    assert stop.at == BEGIN + 3.0
    assert stop.why == (("run under way", pytest.approx(1.2)), ("rest of its pause", pytest.approx(1.8)))


def test_death_after_the_pause_is_healed() -> None:
    """Between two runs, the next one starts HAProxy, and nobody notices more."""
    assert dies(3.5, Startable(works=True, takes=0.1)) == [StartHaproxy(BEGIN + 5.0)]


def test_one_that_cannot_be_started() -> None:
    """When starting does not help, keepalived is stopped after the pause."""
    start, stop = dies(4.0, Startable(works=False, takes=0.2))
    assert start == StartHaproxy(BEGIN + 5.0)
    assert isinstance(stop, StopKeepalived)
    assert stop.at == pytest.approx(BEGIN + 8.2)
    assert [part for _, part in stop.why] == pytest.approx([1.0, 0.2, 3.0])


@settings(max_examples=15)
@given(st.floats(0.001, 4.999), st.floats(0.0, 1.5))
def test_time_to_the_stop(phase: float, takes: float) -> None:
    """From death to the stop of keepalived: the rest of the pause, or the next run's start and pause."""
    stop = dies(phase, Startable(works=False, takes=takes))[-1]
    assert isinstance(stop, StopKeepalived)
    expected = 3.0 - phase if phase < 3.0 else 5.0 - phase + takes + 3.0
    assert stop.at - BEGIN - phase == pytest.approx(expected)
    assert 0.0 <= expected <= 5.0 + takes
    assert stop.since + sum(part for _, part in stop.why) == pytest.approx(stop.at)


def test_slow_start_is_never_a_failover() -> None:
    """A run that takes more than the timeout is ended before it looks again: it starts HAProxy each time, for ever."""
    said = dies(4.0, Startable(works=False, takes=2.5))
    assert not any(isinstance(each, StopKeepalived) for each in said)
    assert [each.at - BEGIN for each in said if isinstance(each, StartHaproxy)] == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    assert [(each.at - BEGIN, each.ok) for each in said if isinstance(each, Verdict)] == [(10.0, False)]


@pytest.mark.parametrize(("second_copy", "again"), [(True, 10.0), (False, 15.0)])
def test_haproxy_in_the_foreground_ends_with_its_run(again: float, *, second_copy: bool) -> None:
    """Without ``daemon`` the run waits for HAProxy itself; the timeout ends both, and a run begins again."""
    told = ScriptSettings(5.0, 5.0, second_copy=second_copy)
    said = dies(4.0, Startable(works=True, takes=0.1), told=told, daemonises=False, seconds=12.0)
    assert [(type(each), each.at - BEGIN) for each in said if not isinstance(each, Verdict)][:3] == [
        (StartHaproxy, 5.0),
        (KillHaproxy, 10.0),
        (StartHaproxy, again),
    ]


def test_frozen_haproxy_exists() -> None:
    """Nothing happens while a process called haproxy is there, whatever it does."""
    script = SelfHealing(TOLD, 3.0, 0.0)
    play(script, 50.0)
    assert script.due == NEVER


def test_stopped_with_keepalived() -> None:
    """While keepalived stands still the run under way goes on, but nobody begins another."""
    script = SelfHealing(TOLD, 3.0, 0.0)
    play(script, 104.0)
    script.feed(104.0, Freeze())
    script.feed(104.5, Exists(here=False))
    assert script.due == NEVER
    assert script.feed(111.0, Thaw()) == []
    assert script.fire() == [StartHaproxy(111.0)]


def test_settings_of_the_article(root: Path) -> None:
    """The article's script: every 5 s, a pause of 3 s, and an HAProxy that goes to the background."""
    article = load(root / "examples/article.yaml", Topology)
    assert healing_from_design(article, "chk_haproxy") == (ScriptSettings(5.0, 5.0, second_copy=True), 3.0, True)


def test_another_script_in_its_place_heals_nothing() -> None:
    """Runs of a script that fails start and stop nothing; one of its own that was under way still does its work."""
    script = SelfHealing(TOLD, 3.0, 0.0)
    play(script, BEGIN + 1.0)
    script.feed(BEGIN + 1.0, Replaced(Answer(ok=False)))
    assert [(type(each), each.at) for each in play(script, BEGIN + 4.9)] == []
    script.feed(BEGIN + 4.9, Startable(works=False, takes=0.1))
    script.feed(BEGIN + 4.9, Exists(here=False))
    assert [(each.at, each.ok) for each in play(script, BEGIN + 21.0) if isinstance(each, Verdict)] == [
        (BEGIN + 5.0, False)
    ]
    script.feed(BEGIN + 21.0, Replaced(None))
    assert [(type(each), each.at) for each in play(script, BEGIN + 28.2)] == [
        (StartHaproxy, BEGIN + 25.0),
        (StopKeepalived, BEGIN + 28.1),
        (Verdict, BEGIN + 28.1),
    ]
    late = SelfHealing(TOLD, 3.0, 0.0)
    play(late, BEGIN + 1.0)
    late.feed(BEGIN + 1.0, Exists(here=False))
    late.feed(BEGIN + 2.0, Replaced(Answer(ok=False)))
    assert [(type(each), each.at) for each in play(late, BEGIN + 4.0)] == [(StopKeepalived, BEGIN + 3.0)]
