"""keepalived's processes: who ends whom, and who starts whom again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.machines.keepalived import (
    ChildFrozen,
    ChildKilled,
    ChildStarted,
    ChildStops,
    ChildThawed,
    Continue,
    Hang,
    Keepalived,
    KeepalivedInput,
    KeepalivedOutput,
    KeepalivedSettings,
    Kill,
    StartUnit,
    StopUnit,
    UnitDown,
    keepalived_from_design,
)
from simulation.machines.machine import NEVER

DEBIAN = KeepalivedSettings()
SUPERVISED = KeepalivedSettings(restart_s=2.0)


def play(
    told: KeepalivedSettings, *inputs: tuple[float, KeepalivedInput], until: float = 1000.0
) -> list[KeepalivedOutput]:
    """Start it at 0, tell it what happens, and give what is seen."""
    machine = Keepalived(told)
    seen: list[KeepalivedOutput] = []
    for at, input_ in ((0.0, StartUnit()), *inputs, (until, None)):
        while machine.due < at:
            seen += machine.fire()
        if input_ is not None:
            seen += machine.feed(at, input_)
    return seen


def brief(seen: list[KeepalivedOutput]) -> list[tuple[str, float]]:
    """Give what happened when."""
    return [(type(each).__name__, round(each.at, 6)) for each in seen]


START = ("ChildStarted", 0.1)


def test_start() -> None:
    """The instances start a tenth of a second after exec (measured)."""
    assert play(DEBIAN) == [ChildStarted(0.1, (("start of keepalived", 0.1),))]


def test_stop() -> None:
    """It stops at once, and lingers for a second; nobody starts it again."""
    seen = play(SUPERVISED, (100.0, StopUnit()))
    assert seen[1:] == [ChildStops(100.0, "systemctl stop"), UnitDown(101.0, failed=False, again=NEVER)]


def test_start_while_it_lingers_waits() -> None:
    """A restart waits for the last process to end."""
    seen = play(SUPERVISED, (100.0, StopUnit()), (100.0, StartUnit()))
    assert brief(seen) == [START, ("ChildStops", 100.0), ("UnitDown", 101.0), ("ChildStarted", 101.1)]


@pytest.mark.parametrize(("told", "again"), [(DEBIAN, NEVER), (SUPERVISED, 103.0)])
def test_parent_killed(told: KeepalivedSettings, again: float) -> None:
    """The child is told by the kernel that its parent died, and stops in good order (measured: as a graceful stop)."""
    seen = play(told, (100.0, Kill("parent")))
    assert seen[1:3] == [ChildStops(100.0, "its parent died"), UnitDown(101.0, failed=True, again=again)]
    assert brief(seen[3:]) == ([] if again == NEVER else [("ChildStarted", 103.1)])


def test_child_killed() -> None:
    """The parent starts another at once; left-over addresses go 50 ms later (measured)."""
    assert brief(play(DEBIAN, (100.0, Kill("child")))) == [START, ("ChildKilled", 100.0), ("ChildStarted", 100.05)]


def test_child_killed_again_and_again() -> None:
    """One that does not live for a minute is started later each time: 0, 1, 2, 4 ... 60 s."""
    machine, at, delays = Keepalived(DEBIAN), 0.0, []
    machine.feed(at, StartUnit())
    machine.fire()
    for _ in range(9):
        at = machine._forked + 10.0
        machine.feed(at, Kill("child"))
        delays.append(machine.due - at)
        while machine.due < NEVER:
            machine.fire()
    assert delays == pytest.approx([0, 1, 2, 4, 8, 16, 32, 60, 60])
    at = machine._forked + 60.0
    machine.feed(at, Kill("child"))
    assert machine.due == at


@pytest.mark.parametrize(("told", "again"), [(DEBIAN, NEVER), (SUPERVISED, 102.0)])
def test_both_killed(told: KeepalivedSettings, again: float) -> None:
    """Nobody says anything; the addresses stay, without Restart= until somebody comes (measured)."""
    seen = play(told, (100.0, Kill("both")))
    assert seen[1:3] == [ChildKilled(100.0), UnitDown(100.0, failed=True, again=again)]
    assert brief(seen[3:]) == ([] if again == NEVER else [("ChildStarted", 102.1)])


def test_hang() -> None:
    """A parent that hangs is not missed; a child is, until it goes on."""
    assert brief(play(DEBIAN, (100.0, Hang("parent")))) == [START]
    seen = play(DEBIAN, (100.0, Hang("both")), (150.0, Continue("both")))
    assert seen[1:] == [ChildFrozen(100.0), ChildThawed(150.0)]


def test_child_of_a_frozen_parent() -> None:
    """A parent that hangs sees that its child died when it goes on."""
    seen = play(DEBIAN, (100.0, Hang("parent")), (110.0, Kill("child")), (150.0, Continue("parent")))
    assert brief(seen) == [START, ("ChildKilled", 110.0), ("ChildStarted", 150.05)]


def test_stop_of_frozen_processes() -> None:
    """After SIGTERM systemd sends SIGCONT: a frozen child stops in good order."""
    seen = play(DEBIAN, (100.0, Hang("both")), (150.0, StopUnit()))
    assert brief(seen)[1:] == [
        ("ChildFrozen", 100.0),
        ("ChildThawed", 150.0),
        ("ChildStops", 150.0),
        ("UnitDown", 151.0),
    ]


def test_settings_of_a_design(root: Path) -> None:
    """What is supervised is started again after 2 s, as the drop-in says."""
    article = load(root / "examples/article.yaml", Topology)
    fixed = load(root / "examples/article-fixed.yaml", Topology)
    assert keepalived_from_design(article, "rabbit1").restart_s is None
    assert keepalived_from_design(fixed, "rabbit1").restart_s == 2.0


which = st.sampled_from(["parent", "child", "both"])
inputs = st.one_of(
    st.just(StartUnit()),
    st.just(StopUnit()),
    st.builds(Kill, which),
    st.builds(Hang, which),
    st.builds(Continue, which),
)


@settings(max_examples=25)
@given(st.booleans(), st.lists(st.tuples(st.floats(0.01, 70.0), inputs), max_size=12))
def test_what_is_seen_makes_sense(supervised: bool, steps: list[tuple[float, KeepalivedInput]]) -> None:  # noqa: FBT001
    """A child starts when there is none and ends when there is one, and a unit that is down has none."""
    at, told = 0.0, []
    for gap, input_ in steps:
        at += gap
        told.append((at, input_))
    seen = play(SUPERVISED if supervised else DEBIAN, *told, until=at + 100.0)
    assert [each.at for each in seen] == sorted(each.at for each in seen)
    here = frozen = False
    for each in seen:
        match each:
            case ChildStarted():
                assert not here
                here, frozen = True, False
            case ChildStops() | ChildKilled():
                assert here
                assert not (frozen and isinstance(each, ChildStops))
                here = frozen = False
            case ChildFrozen() | ChildThawed():
                assert here
                assert frozen == isinstance(each, ChildThawed)
                frozen = not frozen
            case UnitDown():
                assert not here
