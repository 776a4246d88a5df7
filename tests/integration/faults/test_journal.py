"""The journal of faults: what is written in it is read again, whatever happened to the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.errors import FaultError
from integration.faults.journal import Journal
from integration.faults.steps import STEPS, Boot, Continue, Evaluate, Heal, Link, PowerOn, Restore, Start, Step, read

ALL: tuple[Step, ...] = (
    Start("rabbit1", "haproxy.service"),
    Start("rabbit1", "rabbitmq-server.service", if_left=True),
    Continue("rabbit1", "rabbitmq-server.service", (10, 99)),
    Evaluate("rabbit1", "ok", "a"),
    Restore("rabbit1", "/x", "YQ==", "644", "0:0"),
    PowerOn(("rabbit2", "rabbit3"), 0.0),
    Boot("rabbit1", "0"),
    Link("rabbit1"),
    Heal(),
)


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.kind)
def test_a_step_reads_back_equal(step: Step) -> None:
    """Through JSON."""
    assert read(json.loads(json.dumps(step.row()))) == step


def test_every_kind_of_step_is_tried_here() -> None:
    """None is left out."""
    assert {step.kind for step in ALL} == set(STEPS)


def test_entries_that_are_struck_off_are_gone(tmp_path: Path) -> None:
    """What is left comes last first; when nothing is left the file is empty."""
    journal = Journal(tmp_path / "j")
    first, second, third = (journal.write(name, ["h"], [Heal()]) for name in "abc")
    journal.strike(second)
    assert [entry.fault for entry in journal.left] == ["c", "a"]
    journal.release()
    again = Journal(tmp_path / "j")
    assert again.take()
    assert [entry.fault for entry in again.left] == ["c", "a"]
    assert again.write("d", ["h"], []) == third + 1
    for number in (first, third, third + 1):
        again.strike(number)
    assert (tmp_path / "j").read_bytes() == b""
    assert not again.kept


@pytest.mark.parametrize(
    "torn", [b'{"n":7,"fau', b"\xff\xfe", b'{"n":7}', b"[1]", b'{"n":7,"fault":"x","hosts":[],"undo":[{"step":"?"}]}']
)
def test_a_torn_line_spoils_no_other(tmp_path: Path, torn: bytes) -> None:
    """The lines before it and those written after it are read."""
    path = tmp_path / "j"
    journal = Journal(path)
    journal.write("a", ["h"], [Link("h")])
    journal.release()
    path.write_bytes(path.read_bytes() + torn)
    after = Journal(path)
    after.take()
    after.write("b", ["h"], [Heal()])
    after.release()
    last = Journal(path)
    last.take()
    assert [(entry.fault, entry.steps) for entry in last.left] == [("b", (Heal(),)), ("a", (Link("h"),))]
    last.release()


def test_one_program_at_a_time_keeps_a_journal(tmp_path: Path) -> None:
    """Another one is told, and gets it when the first lets go."""
    first, second = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    number = first.write("a", ["h"], [])
    with pytest.raises(FaultError, match="another program has faults on these hosts"):
        second.write("b", ["h"], [])
    first.strike(number)
    assert second.write("b", ["h"], []) == 1
    second.release()
