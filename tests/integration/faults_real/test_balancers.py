"""Faults of HAProxy on real hosts: each does what its sentence says, and is undone."""

from __future__ import annotations

from typing import Any

import pytest
from real_faults import CONFIG, connects, gone, holders, state_of, undone, until

from integration.faults import daemons, guest

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]


def test_an_haproxy_is_killed_and_is_there_again(does: Any, lab: Any) -> None:
    """Master and worker are gone when the fault has begun, and there are others when it is undone."""
    host = lab.hosts["rabbit1"]
    before = daemons.haproxy_all(host)
    assert len(before) == 2
    active = does("haproxy_kill", "rabbit1")
    assert gone(host, *before)
    undone(active)
    assert guest.unit(host, daemons.HAPROXY).active == "active"
    assert not {*daemons.haproxy_all(host)} & {*before}


def test_an_haproxy_is_stopped_and_started(does: Any, lab: Any) -> None:
    """It does not listen, and its host loses the address."""
    active = does("haproxy_stop", "@vip_owner")
    (name,) = active.hosts
    host = lab.hosts[name]
    until(lambda: guest.unit(host, daemons.HAPROXY).active == "inactive", 10, "haproxy stops")
    assert not daemons.ports(lab) & guest.listening(host)
    until(lambda: name not in holders(lab), 15, "the address moves")
    undone(active)
    assert daemons.ports(lab) <= guest.listening(host)


def test_an_haproxy_hangs_and_goes_on(does: Any, lab: Any) -> None:
    """All of its processes are stopped, and its kernel accepts connections."""
    host = lab.hosts["rabbit1"]
    before = daemons.haproxy_all(host)
    active = does("haproxy_hang", "rabbit1")
    assert {state_of(host, pid) for pid in before} == {"T"}
    assert connects(lab, None, lab.topology.ip("rabbit1"), min(daemons.ports(lab)))
    undone(active)
    assert not {state_of(host, pid) for pid in before} & {"T", ""}


def test_an_haproxy_cannot_start_until_its_configuration_is_back(does: Any, lab: Any) -> None:
    """HAProxy refuses it, and it is as it was when the fault is undone, to the byte, with owner and mode."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    before = guest.read_file(host, CONFIG)
    active = does("haproxy_cannot_start", "@vip_owner")
    until(lambda: guest.unit(host, daemons.HAPROXY).active == "inactive", 10, "haproxy stops")
    assert host.run("haproxy", "-c", "-f", CONFIG).status
    # HAProxy 3.2 tells systemd that it is ready before it has read its configuration, so the status says nothing.
    host.run("systemctl", "start", "haproxy")
    assert not daemons.ports(lab) & guest.listening(host)
    assert (guest.read_file(host, CONFIG).mode, guest.read_file(host, CONFIG).owner) == (before.mode, before.owner)
    until(lambda: name not in holders(lab), 15, "the address moves")
    undone(active)
    assert guest.read_file(host, CONFIG) == before
    assert guest.unit(host, daemons.HAPROXY).active == "active"
    assert guest.unit(host, daemons.KEEPALIVED).active == "active"
