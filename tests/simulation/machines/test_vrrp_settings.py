"""Settings of VRRP instances: timers, what a design says, and which adverts are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vrrp_wire import ONE, S

from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.machines.vrrp_settings import LINK, VrrpSettings, identity_from_design, vrrp_from_design
from simulation.machines.vrrp_words import VrrpIdentity, refusal


@pytest.mark.parametrize(
    ("priority", "skew", "master_down"),
    [(50, 804_687, 3_804_687), (60, 765_625, 3_765_625), (100, 609_375, 3_609_375), (110, 570_312, 3_570_312)],
)
def test_timers(priority: int, skew: int, master_down: int) -> None:
    """Skew and master-down of version 2, an advert a second, in whole microseconds."""
    told = VrrpSettings(source=ONE)
    assert (told.skew(priority, S)[0], told.master_down(priority, S)[0]) == (skew, master_down)
    assert VrrpSettings(source=ONE, advert_us=5 * S).skew(priority, 5 * S)[0] == skew
    assert VrrpSettings(source=ONE, version=3).skew(priority, 200_000)[0] == (256 - priority) * 200_000 // 256


def test_refused_adverts_are_silence() -> None:
    """What the other's adverts must have in common with one's own, in the words of the reason."""
    mine = VrrpIdentity(51, 2, S, ("172.16.2.200",), authentication=("PASS", "12345678x"))
    assert refusal(mine, mine) is None
    changes: dict[str, dict[str, Any]] = {
        "virtual router 52, not 51": {"router_id": 52},
        "VRRP version 3, not 2": {"version": 3},
        "another authentication": {"authentication": ("PASS", "1234567")},
        "advert_int 2 s, not 1 s": {"advert_us": 2 * S},
        "2 virtual addresses, not 1": {"addresses": ("172.16.2.200", "172.16.2.201")},
        "other virtual addresses": {"addresses": ("172.16.2.201",)},
        "unicast where multicast is expected": {"unicast": True},
    }
    for words, change in changes.items():
        assert refusal(mine, replace(mine, **change)) == words
    # Eight characters are compared.
    assert refusal(mine, replace(mine, authentication=("PASS", "12345678y"))) is None


def test_settings_of_a_design(root: Path) -> None:
    """The article's state MASTER keeps preempt on; a design without it has nopreempt."""
    article = vrrp_from_design(load(root / "examples/article.yaml", Topology), "VI_1", "rabbit1")
    assert (article.priority, article.preempt, article.owner, article.weights) == (
        100,
        True,
        False,
        {LINK: 0, "chk_haproxy": 10},
    )
    design = load(root / "examples/article-fixed.yaml", Topology)
    fixed = vrrp_from_design(design, "VI_1", "rabbit2")
    assert (fixed.priority, fixed.preempt, fixed.garp_refresh_s, fixed.weights["check_haproxy"]) == (140, False, 60, 0)
    assert fixed.source > vrrp_from_design(design, "VI_1", "rabbit1").source
    assert refusal(identity_from_design(design, "VI_1"), identity_from_design(design, "VI_1")) is None
