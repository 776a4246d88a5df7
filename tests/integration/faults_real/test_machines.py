"""Faults of power and network on real hosts: each does what its sentence says, and is undone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest
from real_faults import await_health, carrier, connects, holders, tell, undone, until

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]


def test_a_host_loses_its_power_and_boots(does: Any, lab: Any) -> None:
    """It does not run, the address is taken over, and it runs when power has returned."""
    active = does("host_power_loss", "@vip_owner")
    (name,) = active.hosts
    assert not lab.hosts[name].running
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    took = until(lambda: holders(lab) == [other], 8, "the address is taken over")
    tell(f"TAKEN OVER {time.monotonic() - active.began:.2f} s after the cut (looked for from {took:.2f} s before)")
    undone(active)
    assert lab.hosts[name].running


def test_a_host_reboots(does: Any, lab: Any) -> None:
    """It is over when the host has booted again."""
    host = lab.hosts["rabbit3"]
    before = host.check("cat", "/proc/sys/kernel/random/boot_id")
    active = does("host_reboot", "rabbit3")
    active.wait(180)
    assert active.over
    tell(f"OVER host_reboot after {active.ended - active.began:.1f} s")
    assert host.check("cat", "/proc/sys/kernel/random/boot_id") != before


def test_a_site_loses_its_power_and_starts_cold(does: Any, lab: Any) -> None:
    """No host runs, and all run in the end, the second one two seconds after the first."""
    active = does("site_power_loss", stagger="2s")
    assert active.hosts == tuple(lab.topology.hosts)
    assert not any(host.running for host in lab.hosts.values())
    called = time.monotonic()
    undone(active)
    assert time.monotonic() - called >= 2 * (len(active.hosts) - 1)
    assert all(host.running for host in lab.hosts.values())
    tell(f"COLD START healthy after {await_health(lab):.1f} s")


def test_a_link_goes_down_and_up(does: Any, lab: Any) -> None:
    """The host sees it, and loses the address to the other one."""
    active = does("link_down", "@vip_owner")
    (name,) = active.hosts
    assert not carrier(lab, name)
    (other,) = {*lab.topology.vrrp_hosts} - {name}
    until(lambda: holders(lab) == [other], 8, "the address is taken over")
    undone(active)
    assert carrier(lab, name)


def test_a_link_flaps(does: Any, lab: Any) -> None:
    """It is over after so many times, and the link is up then."""
    active = does("link_flap", "rabbit3", times=3, down="500ms", up="300ms")
    assert not carrier(lab, "rabbit3")
    active.wait(30)
    assert active.over
    assert active.ended - active.began == pytest.approx(3 * 0.5 + 2 * 0.3, abs=0.15)
    assert carrier(lab, "rabbit3")


def test_a_flapping_link_can_be_stopped(does: Any, lab: Any) -> None:
    """Undone in the middle of it, the link is up and stays so."""
    active = does("link_flap", "rabbit3", times=100, down="200ms", up="200ms")
    time.sleep(0.5)
    undone(active)
    time.sleep(0.5)
    assert carrier(lab, "rabbit3")


def test_a_partition_drops_all_between_two_sets_and_nothing_else(does: Any, lab: Any) -> None:
    """No connection between them, in neither direction, and all others as before."""
    ips = {name: lab.topology.ip(name) for name in lab.topology.hosts}
    active = does("partition", between=[["rabbit3"], ["rabbit1", "@clients"]])
    assert carrier(lab, "rabbit3")
    assert not connects(lab, "rabbit3", ips["rabbit1"], 5672)
    assert not connects(lab, "rabbit1", ips["rabbit3"], 5672)
    assert not connects(lab, None, ips["rabbit3"], 15672)
    assert connects(lab, "rabbit2", ips["rabbit3"], 5672)
    assert connects(lab, None, ips["rabbit1"], 15672)
    undone(active)
    assert connects(lab, "rabbit1", ips["rabbit3"], 5672)
    assert connects(lab, None, ips["rabbit3"], 15672)


def received(lab: Any, sender: str | None, host: str, count: int) -> int:
    """Send *count* datagrams to a port of *host* that nobody has; give how many arrived."""

    def without_port() -> int:
        text = subprocess.run(
            lab.host_command(host, "cat", "/proc/net/snmp"), capture_output=True, text=True, check=True
        ).stdout
        names, values = (line.split() for line in text.splitlines() if line.startswith("Udp:"))
        return int(dict(zip(names, values, strict=True))["NoPorts"])

    program = f"""
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range({count}):
            s.sendto(b"x", ({lab.topology.ip(host)!r}, 9))
    """
    before = without_port()
    command = (sys.executable, "-c", textwrap.dedent(program))
    line = lab.host_command(sender, *command) if sender else lab.client_command(*command)
    subprocess.run(line, check=True)
    time.sleep(0.2)
    return without_port() - before


def test_a_partition_of_one_way_lets_the_other_way_pass(does: Any, lab: Any) -> None:
    """Datagrams arrive in one direction only."""
    connects(lab, "rabbit1", lab.topology.ip("rabbit3"), 5672)
    active = does("partition", between=[["rabbit3"], ["rabbit1"]], one_way=True)
    assert received(lab, "rabbit1", "rabbit3", 20) == 20
    assert received(lab, "rabbit3", "rabbit1", 20) == 0
    undone(active)
    assert received(lab, "rabbit3", "rabbit1", 20) == 20


def test_a_share_of_the_packets_is_lost(does: Any, lab: Any) -> None:
    """Of a thousand about three in ten, and none afterwards."""
    active = does("packet_loss", "rabbit3", share=0.3)
    arrived = received(lab, None, "rabbit3", 1000)
    undone(active)
    tell(f"LOST {1000 - arrived} of 1000")
    assert 620 <= arrived <= 780
    assert received(lab, None, "rabbit3", 200) == 200
