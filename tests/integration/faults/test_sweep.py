"""What a program that was ended left behind is undone by the next one."""

from __future__ import annotations

from typing import Any

from idle_stack import fault, left_behind

from integration.faults import begin, sweep
from integration.faults.steps import Heal, Link, Restore


def test_a_sweep_undoes_the_last_first(stack: Any) -> None:
    """And tells each."""
    left_behind(stack, [Link("rabbit1")], [Heal(), Link("rabbit2")])
    told = sweep(stack)
    assert stack.log == ["heal", "link rabbit2 up", "link rabbit1 up"]
    assert told == [f"fault{n} on rabbit1, left by a program that was ended: undone" for n in (1, 0)]
    assert sweep(stack) == []
    assert stack.journal.read_bytes() == b""


def test_a_sweep_of_nothing_makes_no_journal(stack: Any) -> None:
    """A lab that was never hurt stays as it is."""
    assert sweep(stack) == []
    assert not stack.journal.exists()


def test_what_cannot_be_undone_is_told_and_stops_nothing(stack: Any) -> None:
    """It stays written down for the next time."""
    left_behind(stack, [Link("rabbit1")], [Restore("rabbit2", "/x", "", "644", "0:0"), Link("rabbit2")])
    stack.hosts["rabbit2"].running = False
    told = sweep(stack)
    assert told[0] == (
        "fault1 on rabbit1, left by a program that was ended: could not be undone: "
        "rabbit2: /x cannot be put back: the host has no power"
    )
    assert told[1].endswith("undone")
    assert stack.log == ["link rabbit2 up", "link rabbit1 up"]
    stack.hosts["rabbit2"].running = True
    stack.hosts["rabbit2"].answers["sh -c set -e"] = ""
    assert sweep(stack) == ["fault1 on rabbit1, left by a program that was ended: undone"]


def test_a_sweep_leaves_faults_of_this_program_alone(stack: Any) -> None:
    """They are somebody's."""
    active = begin(stack, fault("link_down", "rabbit1"))
    assert sweep(stack) == []
    assert not active.over
