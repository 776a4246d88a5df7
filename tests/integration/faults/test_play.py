"""Faults that go on by themselves: flaps and rolling restarts."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from idle_stack import UNIT, fault

from integration.errors import FaultError
from integration.faults import begin, guest
from integration.faults.play import Play


def test_a_flap_is_over_after_its_last_time(stack: Any) -> None:
    """With the cable in."""
    active = begin(stack, fault("link_flap", "rabbit1", times=2, down="5ms", up="1ms"))
    active.wait(5)
    assert active.over
    assert stack.log == ["link rabbit1 down", "link rabbit1 up"] * 2


def test_a_flap_can_be_stopped(stack: Any) -> None:
    """It ends with the cable in, whenever that is."""
    active = begin(stack, fault("link_flap", "rabbit1", times=100, down="10s", up="10s"))
    with pytest.raises(FaultError, match="link_flap on rabbit1: not over after 0 s"):
        active.wait(0)
    active.undo()
    assert active.over
    assert stack.log == ["link rabbit1 down", "link rabbit1 up"]


def test_what_goes_wrong_in_a_thread_is_told_to_who_waits() -> None:
    """And to nobody else."""

    def fail(_: threading.Event) -> None:
        raise FaultError("rabbit2 does not serve")

    play = Play(fail)
    play.start()
    with pytest.raises(FaultError, match="rabbit2 does not serve"):
        play.over(5)
    play.stop()


def test_a_rolling_restart_waits_for_each(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is restarted when the one before is another run and listens."""
    ports = (5670, 8100)
    lines = "".join(f"  0: 00000000:{port:04X} 00000000:0000 0A x\n" for port in ports)
    for host in stack.hosts.values():
        host.answers["sh -c cat /proc/net/tcp"] = lines
    restarted: list[str] = []

    def order(host: Any, verb: str, name: str) -> float:
        restarted.append(f"{host.name} {verb} {name}")
        host.answers["systemctl show --property ActiveState"] = UNIT.format("active", 11, "b")
        return time.monotonic()

    monkeypatch.setattr(guest, "order", order)
    active = begin(stack, fault("rolling_restart", layer="haproxy", pause="1ms"))
    active.wait(5)
    assert restarted == ["rabbit1 restart haproxy.service", "rabbit2 restart haproxy.service"]
    assert active.over
