"""Timelines: what was seen is saved and read back, and what is no timeline is refused with its line."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.errors import DocumentError
from rmqha_model.events import EVENTS, AnyEvent, Confirmed, Event, FaultBegan, Published, VipHeld
from rmqha_model.scenario import Scenario
from rmqha_model.timeline import Head, Timeline

SCENARIO = Scenario.model_validate({"name": "x", "faults": [{"fault": "host_reboot", "at": "1s", "host": "a"}]})


def head(**values: Any) -> Head:
    """Give a head."""
    return Head(**{"world": "lab", "design": "d", "digest": "0", "scenario": SCENARIO, "duration_s": 60.0} | values)


@st.composite
def events(draw: st.DrawFn) -> AnyEvent:
    """Draw any event."""
    kind: Any = EVENTS[draw(st.sampled_from(sorted(EVENTS)))]
    times = {field.name: st.floats(-1e3, 1e6) for field in fields(kind) if field.name in {"t", "took_s"}}
    return draw(st.builds(kind, **times))


@given(st.lists(events(), max_size=20))
def test_reads_back_equal(seen: list[AnyEvent]) -> None:
    """A timeline that is written as lines and read again is the same, and in the order of its times."""
    timeline = Timeline.of(head(), seen)
    assert Timeline.parse(timeline.lines()) == timeline
    assert [event.t for event in timeline.events] == sorted(event.t for event in seen)


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_file_reads_back_equal(tmp_path: Path, name: str) -> None:
    """A saved timeline reads back equal, compressed or not, and the same timeline gives the same bytes."""
    timeline = Timeline.of(
        head(seed=7, notes=("n",)), [Published(1.5, "é", 1), FaultBegan(1.0, 0, "host_reboot", ("a",))]
    )
    timeline.write(tmp_path / name)
    first = (tmp_path / name).read_bytes()
    timeline.write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == first
    assert Timeline.read(tmp_path / name) == timeline
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_lines_are_plain() -> None:
    """The first line is the head with the whole scenario; an event is a flat object that names its kind."""
    first, second = Timeline.of(head(), [VipHeld(2.25, "lb1", "10.0.0.1", held=True)]).lines()
    assert json.loads(first)["scenario"]["faults"][0] == {
        "at": "1s",
        "for": None,
        "host": "a",
        "fault": "host_reboot",
    }
    assert second == '{"event":"vip","t":2.25,"host":"lb1","address":"10.0.0.1","held":true}'


def test_events_are_found_by_kind_and_time() -> None:
    """Events are asked for by kind, and by the time between two instants, the second excluded."""
    timeline = Timeline.of(head(), [Published(1.0, "p", 1), Confirmed(2.0, "p", 1), Published(3.0, "p", 2)])
    assert timeline.only(Published) == (Published(1.0, "p", 1), Published(3.0, "p", 2))
    assert timeline.only(FaultBegan) == ()
    assert timeline.first_fault_s is None
    assert timeline.between(1.0, 3.0) == (Published(1.0, "p", 1), Confirmed(2.0, "p", 1))


GOOD = list(Timeline.of(head(), [Published(1.0, "p", 1)]).lines())

WRONG = [
    ([], ":1:1: (top level): found no head of a timeline"),
    (["x"], ":1:1: (top level): found no head of a timeline"),
    (["{}"], ":1:1: (top level): found no head of a timeline: world: Field required"),
    ([GOOD[0].replace('"timeline":1', '"timeline":2')], "found no head of a timeline: timeline: Input should be 1"),
    ([GOOD[0], "{"], ":2:1: (top level): found a line that is not JSON; allowed: an event"),
    ([GOOD[0], "[]"], ":2:1: (top level): found event None; allowed: fault_began, "),
    ([*GOOD, '{"event":"explosion","t":2}'], ":3:1: (top level): found event 'explosion'; allowed: fault_began, "),
    ([*GOOD, '{"event":"published","t":2,"client":"p"}'], ":3:1: (top level): found a wrong published: number: "),
    ([*GOOD, '{"event":"published","t":2,"client":"p","number":1,"x":1}'], "found a wrong published: x: "),
    ([*GOOD, '{"event":"published","t":NaN,"client":"p","number":1}'], "found a wrong published: t: "),
    ([*GOOD, '{"event":"published","t":0.5,"client":"p","number":1}'], ":3:1: (top level): found t 0.5 after 1.0"),
]


@pytest.mark.parametrize(("lines", "said"), WRONG)
def test_wrong_line_is_told_with_its_place(lines: list[str], said: str) -> None:
    """A line that is none of a timeline's is refused with its number."""
    with pytest.raises(DocumentError) as caught:
        Timeline.parse(lines, file="t.jsonl")
    assert said in str(caught.value)
    assert str(caught.value).startswith("t.jsonl:")


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08garbage", b"\xff\xfe"], ids=["half a gzip", "no text"])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is cut off or no text is refused in words."""
    path = tmp_path / ("t.jsonl.gz" if content[:1] == b"\x1f" else "t.jsonl")
    path.write_bytes(content)
    with pytest.raises(DocumentError, match="cannot be read: "):
        Timeline.read(path)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is refused in words."""
    with pytest.raises(DocumentError, match="cannot be read: no such file"):
        Timeline.read(tmp_path / "t.jsonl")


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_event_is_flat_and_documented(kind: type[Event]) -> None:
    """An event says what it is; its fields are plain, and only what may be unknown has a default."""
    assert (kind.__doc__ or "").rstrip().endswith(".")
    assert next(field.name for field in fields(kind)) == "t"
    assert all(field.default is MISSING or field.default in {"", (), False} for field in fields(kind))
