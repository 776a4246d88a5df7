"""Faults at their times."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from integration.errors import FaultError
from integration.running import schedule
from integration.running.schedule import Schedule
from rmqha_model.events import FaultBegan, FaultUndone
from rmqha_model.scenario import Scenario

if TYPE_CHECKING:
    from rmqha_model.faults import Fault


class Act:
    """A fault that does nothing, and knows when."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.hosts = fault, fault.targets
        self.began, self.ended = time.monotonic(), None

    def order(self) -> None:
        """Take the order to undo."""
        self.ended = self.ended or time.monotonic()

    undo = order

    def wait(self, _: float) -> None:
        """End by itself, soon."""
        time.sleep(0.02)
        self.order()


class Acts:
    """What begins faults."""

    def begin(self, prepared: Fault) -> Act:
        """Begin one; a reboot cannot be done."""
        if prepared.name == "host_reboot":
            raise FaultError("cannot be done")
        return Act(prepared)


class Roles:
    """A view in which the owner changes between preparation and fault."""

    def __init__(self) -> None:
        self._owners = iter(["lb1"])

    def vip_owner(self) -> str:
        """Give the first owner once, and then another one."""
        return next(self._owners, "lb2")

    vip_backup = leader = follower = lambda _: None


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give what plays a schedule of faults for a while."""
    monkeypatch.setattr(schedule, "prepare", lambda _, fault: fault)

    def play(*faults: dict[str, Any], seconds: float) -> tuple[list[Any], Schedule]:
        scenario = Scenario.model_validate({"name": "s", "faults": faults, "duration": "10s"})
        start = time.monotonic() + 0.02
        with Schedule(cast("Any", None), scenario, cast("Any", Acts()), cast("Any", Roles()), start) as playing:
            time.sleep(seconds)
            playing.end()
        return [(event.t - start, type(event), event.hosts) for event in playing.events], playing

    return play


def test_faults_begin_and_end_at_their_times(played: Any) -> None:
    """Each begins at its time; it is undone after its own, by itself, or at the scenario's end."""
    events, playing = played(
        {"fault": "broker_kill", "host": "r1", "at": "0s"},
        {"fault": "link_down", "host": "r2", "at": "50ms", "for": "50ms"},
        {"fault": "broker_restart", "host": "r3", "at": "0s"},
        {"fault": "broker_kill", "host": "r3", "at": "5s"},
        seconds=0.2,
    )
    playing.check()
    assert {event[1:] for event in events} == {
        (kind, (host,)) for kind in (FaultBegan, FaultUndone) for host in ("r1", "r2", "r3")
    }
    when = {event[1:]: event[0] for event in events}
    assert when[FaultBegan, ("r2",)] >= 0.05
    assert when[FaultUndone, ("r2",)] >= 0.1
    assert when[FaultUndone, ("r1",)] >= 0.15


def test_a_role_is_who_has_it_when_the_fault_begins(played: Any) -> None:
    """Who was the owner when the fault was prepared counts for nothing."""
    events, _ = played({"fault": "keepalived_stop", "host": "@vip_owner", "at": "40ms"}, seconds=0.1)
    assert events[0][2] == ("lb2",)


def test_a_fault_that_cannot_be_done_is_told(played: Any) -> None:
    """Whoever runs the scenario learns that it did not happen."""
    events, playing = played({"fault": "host_reboot", "host": "r1", "at": "0s"}, seconds=0.05)
    assert events == []
    with pytest.raises(FaultError, match="cannot be done"):
        playing.check()
