"""A fault from its beginning to its end: what is written down before it, and what is undone if it fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from idle_stack import fault

from integration.errors import LabError, NotPossible
from integration.faults import begin, guest
from integration.faults import journal as journals


def test_what_undoes_a_fault_is_written_down_before_it_is_done(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of the act the journal is on the disk, for root alone."""
    seen: list[dict[str, Any]] = []

    def link(_: str, *, up: bool) -> None:  # noqa: ARG001
        seen.append(json.loads(stack.journal.read_text(encoding="utf-8")))

    monkeypatch.setattr(stack, "link", link)
    begin(stack, fault("link_down", "rabbit3"))
    assert seen == [{"n": 1, "fault": "link_down", "hosts": ["rabbit3"], "undo": [{"step": "link", "host": "rabbit3"}]}]
    assert stack.journal.stat().st_mode & 0o777 == 0o600


def test_a_fault_is_undone_once(stack: Any) -> None:
    """However often one asks; nothing is left in the journal."""
    active = begin(stack, fault("link_down", "rabbit3"))
    assert (active.hosts, active.over, active.ended) == (("rabbit3",), False, None)
    active.wait(0)  # it does not end by itself
    active.order()
    assert active.ended is not None
    assert not active.over
    active.undo()
    active.undo()
    assert active.over
    assert active.began <= active.ended
    assert stack.log == ["link rabbit3 down", "link rabbit3 up"]
    assert stack.journal.read_bytes() == b""


def test_a_partition_is_cut_both_ways_or_one(stack: Any) -> None:
    """What passes again is what was cut, and no more."""
    for one_way in (False, True):
        begin(stack, fault("partition", between=[["rabbit1"], ["rabbit2", "@clients"]], one_way=one_way)).undo()
    there, back = "rabbit1 from rabbit2 @clients", "rabbit2 @clients from rabbit1"
    assert stack.told("cut") == [f"cut {there}", f"cut {back}", f"cut {there}"]
    assert len(stack.told("joined")) == 3
    assert not stack.told("heal")


def test_a_partition_that_fails_in_its_middle_leaves_nothing(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The half that was cut is joined."""
    cut = stack.cut

    def second(source: Sequence[str], target: Sequence[str]) -> Any:
        if stack.told("cut"):
            raise LabError("no more rules")
        return cut(source, target)

    monkeypatch.setattr(stack, "cut", second)
    with pytest.raises(LabError, match="no more rules"):
        begin(stack, fault("partition", between=[["rabbit1"], ["rabbit2"]]))
    assert stack.log == ["cut rabbit1 from rabbit2", "joined rabbit1 to rabbit2"]
    assert stack.journal.read_bytes() == b""


def test_what_hosts_cannot_be_asked_is_not_undone(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was done, so nothing is."""

    def refuse(_: Sequence[str]) -> None:
        raise NotPossible("only a login")

    monkeypatch.setattr(stack, "power_off", refuse)
    with pytest.raises(NotPossible):
        begin(stack, fault("host_power_loss", "rabbit1"))
    assert not stack.log
    assert stack.journal.read_bytes() == b""


def test_an_act_that_fails_is_undone(stack: Any) -> None:
    """What had been done of it is undone, and the error is the act's."""
    host = stack.hosts["rabbit1"]
    host.answers = {f"sh -c {guest._SIGNAL} sh STOP": LabError("cannot be reached")} | host.answers
    with pytest.raises(LabError, match="cannot be reached"):
        begin(stack, fault("broker_hang", "rabbit1"))
    assert stack.log[-1].endswith("sh CONT 10")
    assert stack.journal.read_bytes() == b""


def test_an_act_whose_undoing_fails_too_stays_written_down(stack: Any) -> None:
    """The error is the act's, and what could not be undone is a note to it."""
    stack.hosts["rabbit1"].answers["sh -c signal"] = LabError("cannot be reached")
    with pytest.raises(LabError, match="cannot be reached") as caught:
        begin(stack, fault("broker_hang", "rabbit1"))
    assert caught.value.__notes__ == ["broker_hang on rabbit1: could not be undone: cannot be reached"]
    assert [entry.fault for entry in journals.of(stack.journal).left] == ["broker_hang"]
