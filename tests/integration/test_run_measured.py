"""A timeline in short, as `rmqha lab run` prints it."""

from __future__ import annotations

import json
import re

import pytest

from rmqha_model.cli.measured import show, summary
from rmqha_model.cli.output import print_json, rounded
from rmqha_model.events import Attempt, Confirmed, Delivered, Event, FaultBegan, FaultUndone, Published, VipHeld
from rmqha_model.scenario import Scenario
from rmqha_model.timeline import Head, Timeline


def timeline(**expect: object) -> Timeline:
    """Give a timeline with an outage of one second and a message that was lost."""
    scenario = Scenario.model_validate(
        {
            "name": "stop",
            "workload": {"probes": {"fresh": {}}, "publishers": {"orders": {"queue": "q"}}},
            "faults": [{"fault": "keepalived_stop", "host": "lb1", "at": "2s", "for": "3s"}],
            "duration": "10s",
            "expect": expect,
        }
    )
    head = Head(
        world="lab",
        design="test",
        digest="d",
        versions={"haproxy": "2.6"},
        scenario=scenario,
        duration_s=12,
        notes=("[bold] is no markup",),
        not_seen=("the moon",),
    )
    events: list[Event] = [
        FaultBegan(2.0, 0, "keepalived_stop", ("lb1",)),
        FaultUndone(5.0, 0, "keepalived_stop", ("lb1",)),
        VipHeld(-1.0, "lb1", "10.0.0.100", held=True),
        VipHeld(2.1, "lb1", "10.0.0.100", held=False),
        VipHeld(2.9, "lb2", "10.0.0.100", held=True),
    ]
    for second, outcome in ((1, "ok"), (2, "refused"), (3, "ok"), (9, "ok")):
        events.append(Attempt(float(second), "fresh", "10.0.0.100:5672", outcome, 0.001))  # type: ignore[arg-type]
    for number, t in enumerate((1.0, 1.5, 3.5, 9.9), 1):
        events += [Published(t, "orders", number), Confirmed(t, "orders", number)]
        if number != 2:
            events.append(Delivered(t, "workers", "orders", number))
    return Timeline.of(head, events)  # type: ignore[arg-type]


def test_the_summary_is_plain_data() -> None:
    """Everything that is measured goes into JSON, with the verdict."""
    short = json.loads(json.dumps(summary(timeline(outage_below="2s", lost_max=0))))
    assert short["outages"]["fresh"]["length_s"] == 1.0
    assert short["addresses"]["10.0.0.100"]["absent_s"] == pytest.approx(0.8)
    assert short["messages"]["orders"]["lost"] == 1
    assert [(verdict["bound"], verdict["ok"]) for verdict in short["expected"]] == [
        ("outage_below", True),
        ("lost_max", False),
    ]
    assert not short["ok"]


def test_seconds_are_printed_to_the_millisecond(capsys: pytest.CaptureFixture[str]) -> None:
    """No number of what is printed has digits that nobody measured, nor the noise of binary fractions."""
    short = summary(timeline(outage_below="2s"))
    assert short["addresses"]["10.0.0.100"]["absent_s"] != 0.8
    print_json(short)
    printed = capsys.readouterr().out
    assert json.loads(printed)["addresses"]["10.0.0.100"]["absent_s"] == 0.8
    assert not re.search(r"\d\.\d{5}", printed)


def test_only_seconds_are_rounded() -> None:
    """Whatever is under the name of seconds is, at any depth; other numbers, and what is none, stay as they are."""
    third = 1 / 3
    rows = ({"seconds": -third / 1000, "share": third},)
    data = {"t": third, "a_s": [third, None], "b_s": {"x": third}, "rows": rows}
    assert json.dumps(rounded(data)) == json.dumps(
        {"t": 0.333, "a_s": [0.333, None], "b_s": {"x": 0.333}, "rows": [{"seconds": 0.0, "share": third}]}
    )
    assert rounded({"over_s": True, "count_s": 3, "items": 1.23456}) == {"over_s": True, "count_s": 3, "items": 1.23456}


def test_what_people_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Faults, measures, messages and verdicts stand there in whole lines, also where there is no terminal."""
    show(timeline(outage_below="2s", lost_max=0))
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "stop on test (lab; haproxy 2.6)"
    assert "2.000 s keepalived_stop on lb1 began" in lines
    assert "new connections fresh 1.000 2.000 100% of 1 attempts failed" in lines
    assert "on no host 10.0.0.100 0.800 1 moves" in lines
    assert "orders 4 4 0 0 0 3 1 0 0" in lines
    assert "[bold] is no markup" in lines
    assert "not seen: the moon" in lines
    assert "failed: lost_max: found 1 of 4; allowed: at most 0" in lines


def test_a_timeline_in_which_nothing_happened(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed of what was not there."""
    head = Head(world="lab", design="test", digest="d", scenario=Scenario(name="quiet"), duration_s=1)
    show(Timeline.of(head, []))
    assert capsys.readouterr().out.split("\n")[0].startswith("quiet on test")
    assert summary(Timeline.of(head, []))["ok"]
