"""Faults of brokers on real hosts: each does what its sentence says, and is undone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from real_faults import alarms, connects, gone, state_of, tell, undone, until

from integration.faults import daemons, guest

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]


def test_a_broker_is_killed_and_is_there_again(does: Any, lab: Any) -> None:
    """Its VM is gone when the fault has begun, and it is active when it is undone."""
    host = lab.hosts["rabbit2"]
    (pid,) = daemons.broker_vm(host)
    active = does("broker_kill", "rabbit2")
    assert gone(host, pid)
    until(lambda: guest.unit(host, daemons.BROKER).sub == "auto-restart", 5, "systemd means to restart it")
    undone(active)
    assert guest.unit(host, daemons.BROKER).active == "active"
    assert daemons.broker_vm(host) != (pid,)


def test_a_broker_is_stopped_in_order_and_started(does: Any, lab: Any) -> None:
    """Its service is inactive, and active again."""
    host = lab.hosts["rabbit2"]
    active = does("broker_stop", "rabbit2")
    until(lambda: guest.unit(host, daemons.BROKER).active == "inactive", 60, "the broker stops")
    undone(active)
    assert guest.unit(host, daemons.BROKER).active == "active"


def test_the_application_stops_and_the_vm_goes_on(does: Any, lab: Any) -> None:
    """No listener is left, and the VM is the same."""
    host = lab.hosts["rabbit2"]
    before = daemons.broker_vm(host)
    active = does("broker_stop_app", "rabbit2")
    assert 5672 not in guest.listening(host)
    assert daemons.broker_vm(host) == before
    undone(active)
    assert 5672 in guest.listening(host)
    assert daemons.broker_vm(host) == before


def test_a_broker_hangs_and_goes_on(does: Any, lab: Any) -> None:
    """Its VM is stopped, epmd is not, and connections are still accepted."""
    host = lab.hosts["rabbit2"]
    (pid,) = daemons.broker_vm(host)
    active = does("broker_hang", "rabbit2")
    assert state_of(host, pid) == "T"
    others = {each.pid for each in guest.processes(host, daemons.BROKER)[1] if each.comm == "epmd"}
    assert all(state_of(host, other) != "T" for other in others)
    assert connects(lab, "rabbit1", lab.topology.ip("rabbit2"), 5672)
    undone(active)
    assert state_of(host, pid) not in {"T", ""}


def test_a_broker_is_restarted(does: Any, lab: Any) -> None:
    """It is over when it is active again, in another run."""
    host = lab.hosts["rabbit2"]
    before = guest.unit(host, daemons.BROKER)
    active = does("broker_restart", "rabbit2")
    active.wait(180)
    assert active.over
    assert active.ended is not None
    assert active.began < active.ended <= time.monotonic()
    tell(f"OVER broker_restart after {active.ended - active.began:.1f} s")
    assert guest.unit(host, daemons.BROKER).invocation != before.invocation


@pytest.mark.parametrize(
    ("name", "resource", "question"),
    [
        ("memory_alarm", "memory", "vm_memory_monitor:get_vm_memory_high_watermark()"),
        ("disk_alarm", "disk", "rabbit_disk_monitor:get_disk_free_limit()"),
    ],
)
def test_a_broker_has_an_alarm_and_has_it_no_more(does: Any, lab: Any, name: str, resource: str, question: str) -> None:
    """The alarm is on when the fault has begun, and what it was set to is as before when it is undone."""
    host = lab.hosts["rabbit2"]
    before, _ = guest.evaluate(host, question)
    active = does(name, "rabbit2")
    assert resource in alarms(lab, "rabbit2")
    undone(active)
    assert guest.evaluate(host, question)[0] == before
    assert resource not in alarms(lab, "rabbit2")
