"""Rolling restarts on real hosts: each host is another run, and the next begins when the one before serves."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from real_faults import tell

from integration.faults import daemons, guest

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]


@pytest.mark.parametrize("layer", ["brokers", "haproxy", "keepalived"])
def test_a_layer_is_restarted_host_after_host(does: Any, lab: Any, layer: str) -> None:
    """Each is another run, in the design's order, and the next begins when the one before serves."""
    unit = {"brokers": daemons.BROKER, "haproxy": daemons.HAPROXY, "keepalived": daemons.KEEPALIVED}[layer]
    hosts = lab.topology.brokers if layer == "brokers" else lab.topology.vrrp_hosts
    before = {name: guest.unit(lab.hosts[name], unit) for name in hosts}
    active = does("rolling_restart", layer=layer, pause="2s")
    assert active.hosts == hosts
    active.wait(600)
    assert active.over
    tell(f"OVER rolling_restart of {layer} after {active.ended - active.began:.1f} s")
    after = {name: guest.unit(lab.hosts[name], unit) for name in hosts}
    assert all(after[name].invocation != before[name].invocation for name in hosts)
    since = [after[name].since_us for name in hosts]
    assert all(later - earlier >= 2e6 for earlier, later in itertools.pairwise(since))
