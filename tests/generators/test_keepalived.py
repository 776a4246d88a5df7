"""keepalived.conf and its check scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from designs import design, secrets_of

from generators import keepalived
from rmqha_model.document import load
from rmqha_model.topology import Topology


def files(topology: Topology, host: str = "lb1") -> dict[str, str]:
    """What keepalived gets on a host: path to text."""
    return {a.path: a.content for a in keepalived.artefacts(topology, secrets_of(topology)) if a.host == host}


def config(topology: Topology, host: str = "lb1") -> list[str]:
    """The lines of keepalived.conf without comments."""
    lines = files(topology, host)["/etc/keepalived/keepalived.conf"].splitlines()
    return [line.strip() for line in lines if line and not line.startswith("#")]


def test_article_to_the_letter(root: Path) -> None:
    """The tutorial's two keepalived.conf come out with their values, line by line."""
    article = load(root / "examples/article.yaml", Topology)
    master = [
        *("global_defs {", "router_id node1", "}"),
        *("vrrp_script chk_haproxy {", 'script "/etc/keepalived/haproxy_check.sh"', "interval 5", "weight 10", "}"),
        *("vrrp_instance VI_1 {", "state MASTER", "interface ens33", "virtual_router_id 1", "priority 100"),
        *("advert_int 1", "authentication {", "auth_type PASS", "auth_pass 123456", "}"),
        *("track_script {", "chk_haproxy", "}", "virtual_ipaddress {", "172.16.2.200", "}", "}"),
    ]
    assert config(article, "rabbit1") == master
    changed = {"router_id node1": "router_id node2", "state MASTER": "state BACKUP", "priority 100": "priority 50"}
    assert config(article, "rabbit2") == [changed.get(line, line) for line in master]
    assert files(article, "rabbit3") == {}


def test_defaults_are_sound() -> None:
    """A design that says nothing gets unicast, BACKUP everywhere, no preemption, and a script that ends in FAULT."""
    one, two = config(design(), "lb1"), config(design(), "lb2")
    assert one[one.index("unicast_peer {") + 1] == "10.0.0.15"
    assert two[two.index("unicast_peer {") + 1] == "10.0.0.14"
    for lines in (one, two):
        assert "state BACKUP" in lines
        assert "nopreempt" in lines
        assert "enable_script_security" in lines
        assert not any(line.startswith("weight") for line in lines)
    assert "priority 150" in one
    assert "priority 140" in two


def test_a_password_makes_the_file_private() -> None:
    """With a VRRP password the file is for root only."""
    login = {"instances": {"VI": {"authentication": {"password": {"secret": "vrrp"}}}}}
    topology = design(keepalived=login)
    made = next(iter(keepalived.artefacts(topology, secrets_of(topology))))
    assert (made.secret, made.mode) == (True, 0o600)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"advert_int": "250ms", "version": 3}, "advert_int 0.25"),
        ({"preempt": True, "preempt_delay": "90s"}, "preempt_delay 90"),
        ({"track_interfaces": [{"interface": "eth9", "weight": -20}]}, "eth9 weight -20"),
        ({"garp": {"master_delay": 10}}, "garp_master_delay 10"),
        ({"notify": {"any": "/usr/local/bin/tell"}}, 'notify "/usr/local/bin/tell"'),
        (
            {"virtual_addresses": [{"address": "10.0.0.9/32", "interface": "eth1", "label": "eth1:v"}]},
            "10.0.0.9 dev eth1 label eth1:v",
        ),
        ({"down_timer_adverts": 5}, "down_timer_adverts 5"),
    ],
)
def test_settings_are_written(changes: dict[str, Any], line: str) -> None:
    """Each setting of an instance becomes keepalived's own line."""
    assert line in config(design(keepalived={"instances": {"VI": changes}}))


def test_self_healing_script_is_the_articles(root: Path) -> None:
    """The tutorial's script starts HAProxy, always waits 3 s, and stops keepalived if there still is none."""
    script = files(load(root / "examples/article.yaml", Topology), "rabbit1")["/etc/keepalived/haproxy_check.sh"]
    start, wait, stop = (
        script.index(text)
        for text in ("haproxy -f /etc/haproxy/haproxy.cfg", "\nsleep 3\n", "systemctl stop keepalived")
    )
    assert start < wait < stop
