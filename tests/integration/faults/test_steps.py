"""The steps that undo faults, each on hosts that run nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from idle_stack import UNIT

from integration.errors import FaultError
from integration.faults.steps import Boot, Continue, Evaluate, PowerOn, Start


def test_a_service_is_started_if_it_was_left_dead(stack: Any) -> None:
    """One that systemd will restart by itself is left to it."""
    host = stack.hosts["rabbit1"]
    for state, started in (("active", False), ("activating", False), ("failed", True), ("inactive", True)):
        host.answers["systemctl show --property ActiveState"] = UNIT.format(state, 0, "a")
        stack.log.clear()
        Start("rabbit1", "u", if_left=True).order(stack)
        assert bool(stack.told("--no-block start u")) is started, state


def test_a_service_that_dies_again_is_given_up_at_last(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failures are forgotten before each try, or systemd would refuse."""
    monkeypatch.setattr("integration.faults.steps._PAUSE_S", 0)
    host = stack.hosts["rabbit1"]
    host.answers["systemctl show --property ActiveState"] = UNIT.format("failed", 0, "a")
    with pytest.raises(FaultError, match=r"rabbit1: u was started and is failed \(x\)"):
        Start("rabbit1", "u").settle(stack)
    assert len(stack.told("reset-failed u")) == len(stack.told("start u")) == 3


def test_a_broker_that_was_restarted_knows_nothing_to_undo(stack: Any) -> None:
    """Another run of it has its settings from its configuration."""
    Evaluate("rabbit1", "ok", "another").order(stack)
    assert not stack.told("rabbitmqctl")
    stack.hosts["rabbit1"].answers["rabbitmqctl"] = "{rmqha,1,ok}"
    Evaluate("rabbit1", "ok", "a").order(stack)
    assert len(stack.told("rabbitmqctl -q eval")) == 1


def test_only_processes_that_still_are_the_service_s_go_on(stack: Any) -> None:
    """A number may be somebody else's by now."""
    Continue("rabbit1", "u", (11, 99)).order(stack)
    assert stack.log[-1].endswith("sh CONT 11")
    stack.log.clear()
    Continue("rabbit1", "u", (99,)).order(stack)
    assert not stack.told("CONT")


def test_power_returns_to_those_that_have_none(stack: Any) -> None:
    """In one go, or one after the other."""
    for stagger_s, told in ((0.0, ["power on rabbit1 rabbit3"]), (0.01, ["power on rabbit1", "power on rabbit3"])):
        stack.log.clear()
        stack.hosts["rabbit1"].running = stack.hosts["rabbit3"].running = False
        PowerOn(("rabbit1", "rabbit2", "rabbit3"), stagger_s).order(stack)
        assert stack.log == told


def test_a_host_that_turned_itself_off_to_reboot_is_turned_on(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is over when it has booted, which its kernel's mark shows."""
    host = stack.hosts["rabbit1"]
    host.running = False
    on = stack.power_on

    def boots(hosts: Sequence[str]) -> None:
        on(hosts)
        host.answers["cat /proc/sys/kernel/random/boot_id"] = "2"

    monkeypatch.setattr(stack, "power_on", boots)
    Boot("rabbit1", "1").order(stack)
    assert stack.told("power on") == ["power on rabbit1"]


def test_a_host_that_was_never_told_to_reboot_is_left_alone(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would have told it was killed before."""
    monkeypatch.setattr("integration.faults.steps._PAUSE_S", 0)
    Boot("rabbit1", "1").order(stack)
    assert not stack.told("power on")
