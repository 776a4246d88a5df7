"""Faults of keepalived on real hosts: each does what its sentence says, and is undone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from real_faults import gone, holders, state_of, tell, undone, until

from integration.faults import daemons, guest

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]


def test_a_keepalived_is_stopped_and_started(does: Any, lab: Any) -> None:
    """The address moves at once."""
    active = does("keepalived_stop", "@vip_owner")
    (name,) = active.hosts
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    until(lambda: holders(lab) == [other], 3, "the address moves")
    tell(f"MOVED {time.monotonic() - active.began:.2f} s after the order")
    undone(active)
    assert guest.unit(lab.hosts[name], daemons.KEEPALIVED).active == "active"


def test_a_parent_that_is_killed_takes_its_child_along_in_order(does: Any, lab: Any) -> None:
    """The child gives the address up, so that it moves at once."""
    (name,) = holders(lab)
    parent, child = daemons.vrrp(lab.hosts[name])
    active = does("keepalived_kill", name, process="parent")
    assert gone(lab.hosts[name], parent)
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    until(lambda: holders(lab) == [other], 2.5, "the address moves before adverts are missed")
    tell(f"MOVED {time.monotonic() - active.began:.2f} s after the kill")
    until(lambda: not state_of(lab.hosts[name], child), 3, "the child ends")
    undone(active)
    assert guest.unit(lab.hosts[name], daemons.KEEPALIVED).active == "active"


def test_a_child_that_is_killed_is_replaced_by_its_parent(does: Any, lab: Any) -> None:
    """The parent stays, with another child."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    parent, child = daemons.vrrp(host)
    active = does("keepalived_kill", name, process="child")
    assert gone(host, child)
    until(lambda: daemons.vrrp(host)[1] != child, 5, "there is another child")
    assert daemons.vrrp(host)[0] == parent
    undone(active)
    until(lambda: len(holders(lab)) == 1, 10, "one has the address")


def test_a_keepalived_that_is_killed_leaves_its_address_behind(does: Any, lab: Any) -> None:
    """Both processes are gone, and the address is still there."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    before = daemons.vrrp(host)
    active = does("keepalived_kill", name)
    assert gone(host, *before)
    assert holders(lab) == [name]
    undone(active)
    assert guest.unit(host, daemons.KEEPALIVED).active == "active"
    assert not {*daemons.vrrp(host)} & {*before}


def test_a_keepalived_that_hangs_leaves_two_owners(does: Any, lab: Any) -> None:
    """Both processes are stopped, the other host takes the address, and one yields when it goes on."""
    (name,) = holders(lab)
    host = lab.hosts[name]
    before = daemons.vrrp(host)
    active = does("keepalived_hang", "@vip_owner")
    assert active.hosts == (name,)
    assert {state_of(host, pid) for pid in before} == {"T"}
    until(lambda: sorted(holders(lab)) == sorted(lab.topology.vrrp_hosts), 6, "both have the address")
    undone(active)
    until(lambda: len(holders(lab)) == 1, 5, "one yields")
    assert daemons.vrrp(host) == before


@pytest.mark.parametrize("name", ["check_script_fail", "check_script_hang"])
def test_a_check_script_that_says_no_moves_the_address(does: Any, lab: Any, name: str) -> None:
    """The address moves although HAProxy is well; the script is back to the byte when the fault is undone."""
    (owner,) = holders(lab)
    host = lab.hosts[owner]
    path = next(iter(lab.topology.keepalived.scripts.values())).path
    before = guest.read_file(host, path)
    active = does(name, "@vip_owner")
    replaced = guest.read_file(host, path)
    assert replaced.content != before.content
    assert (replaced.mode, replaced.owner) == (before.mode, before.owner)
    until(lambda: holders(lab) and owner not in holders(lab), 20, "the address moves")
    tell(f"MOVED {time.monotonic() - active.began:.2f} s after the replacement")
    undone(active)
    assert guest.read_file(host, path) == before
    said = host.check("journalctl", "--no-pager", "--unit", "keepalived", "--since", "-60s").lower()
    assert "security violation" not in said
