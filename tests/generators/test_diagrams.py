"""Pictures: everything is in its place, arrows lead from what is drawn to what is drawn, and Graphviz draws it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from designs import design, secrets_of
from hypothesis import HealthCheck, given, settings
from strategies import hostile, topologies

from generators import diagrams
from generators.diagrams.condensed import MOST_GROUPS, condensed
from generators.diagrams.drawing import Arrow, Box, Drawing, drawn
from rmqha_model.document import load
from rmqha_model.topology import Topology

EXAMPLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))


def pictures(topology: Topology) -> dict[str, str]:
    """Both pictures by file name."""
    return {a.path: a.content for a in diagrams.artefacts(topology, secrets_of(topology))}


def things(box: Box) -> list[str]:
    """The names of all that stands in a box, however deep."""
    return [thing.name for thing in box.things] + [name for inner in box.boxes.values() for name in things(inner)]


def labels(box: Box) -> list[Any]:
    """The labels of the boxes within a box, each with those within it."""
    return [(inner.label.split("\n")[0], labels(inner)) for inner in box.boxes.values()]


def large(hosts: int, zones: int = 4, racks: int = 50, instances: int = 1, clients: int = 1) -> Topology:
    """Many hosts: ten load balancers, then brokers."""
    names = [f"h{number}" for number in range(hosts)]
    domains = [{"zone": f"z{n % zones}", "rack": f"r{n % racks}"} for n in range(hosts)]
    addresses = [f"10.{n // 250}.{n % 250}.1/8" for n in range(hosts)]
    return Topology.model_validate(
        {
            "name": "large",
            "hosts": {
                name: {"address": address, "domain": domain}
                for name, address, domain in zip(names, addresses, domains, strict=True)
            },
            "rabbitmq": {"nodes": names[10:]},
            "haproxy": {"hosts": names[:10]},
            "keepalived": {
                "hosts": names[:10],
                "instances": {
                    f"V{n}": {"virtual_router_id": n, "virtual_addresses": [f"10.99.0.{n}/8"]}
                    for n in range(1, instances + 1)
                },
            },
            "clients": {f"c{n}": {} for n in range(clients)},
        }
    )


def whole(drawing: Drawing) -> None:
    """Check that names are unique and arrows lead from a thing to a thing."""
    names = [thing.name for thing in drawing.outside] + things(drawing.top)
    assert len(names) == len(set(names))
    for arrow in drawing.arrows:
        assert {arrow.source, arrow.target} <= set(names), arrow
    assert len(drawing.arrows) == len(set(drawing.arrows))


def test_hosts_stand_in_their_domains() -> None:
    """Zone, power, rack, hypervisor, host: widest outside; levels with nothing else in them are one."""
    topology = design(
        hosts={
            "r1": {"address": "10.0.0.11/24", "domain": {"zone": "z", "power": "p", "rack": "a"}},
            "r2": {"address": "10.0.0.12/24", "domain": {"zone": "z", "rack": "b"}},
        }
    )
    assert labels(drawn(topology).top) == [
        ("zone z", [("power p, rack a", [("r1", [])]), ("rack b", [("r2", [])])]),
        ("r3", []),
        ("lb1", []),
        ("lb2", []),
    ]


def test_ways_of_connections() -> None:
    """Client to address, address to its owner and to who stands in, load balancers to all brokers."""
    drawing = drawn(design())
    assert drawing.arrows == [
        Arrow("address0", "balancer0", "priority 150"),
        Arrow("address0", "balancer1", "priority 140", stand_in=True),
        Arrow("client0", "address0", ":5672"),
        *(Arrow(f"balancer{b}", f"rabbit{r}") for b in range(2) for r in range(3)),
    ]
    assert [thing.label for thing in drawing.outside] == [
        "10.0.0.100\nKeepalived VI, VRID 7",
        "app\npika, 10 connections",
    ]


def test_ports_are_told() -> None:
    """A load balancer says where it listens and where that leads, a broker where it listens."""
    listeners = {
        "amqps": {"kind": "amqps", "mode": "terminate", "certificate": "/c.pem"},
        "ui": {"kind": "management"},
        "stats": {"kind": "stats"},
    }
    tls = {"certificate": "/c.pem", "key": "/k.pem", "ca": "/a.pem"}
    topology = design(
        haproxy={"listeners": listeners},
        rabbitmq={"tls": {"clients": tls, "management": tls}},
        clients={"app": {"tls": True}},
    )
    found = [thing.label for box in drawn(topology).top.boxes.values() for thing in box.things]
    assert found[3] == "HAProxy\namqps :5671 \u2192 :5672\nui :15672 \u2192 :15671\nstats :8404"
    assert found[0] == "RabbitMQ\nrabbit@r1\namqp :5672\namqps :5671\nmanagement :15671"


def test_clients_without_load_balancers() -> None:
    """Clients that hold a list lead to each entry of it."""
    lists = {"app": {"endpoints": [{"host": "r1", "port": 5672}, {"host": "lb1", "port": 5672}]}, "all": {}}
    assert [arrow.target for arrow in drawn(design(clients=lists)).arrows if arrow.source == "client0"] == [
        "rabbit0",
        "balancer0",
    ]
    alone = drawn(design(haproxy=None, keepalived=None))
    assert [arrow.target for arrow in alone.arrows] == ["rabbit0", "rabbit1", "rabbit2"]
    assert labels(alone.top)[-1][0] == "lb2"  # a host of the design, though nothing runs on it


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_whole(path: Path) -> None:
    """Names are unique and arrows end at what is drawn; files are the same in each run."""
    topology = load(path, Topology)
    whole(drawn(topology))
    assert pictures(topology) == pictures(topology)
    for text in pictures(topology).values():
        assert "Generated by rmqha from the design" in text.splitlines()[1]


@given(topology=topologies(text=hostile()))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_any_design_is_whole(topology: Topology) -> None:
    """So is whatever design there is; no secret is drawn."""
    whole(drawn(topology))
    whole(condensed(topology))
    for text in pictures(topology).values():
        assert not [value for value in secrets_of(topology).values() if value in text]


@pytest.mark.parametrize(
    "topology",
    [large(41), large(60, zones=2, racks=3, instances=12, clients=9), large(300, zones=30)],
    ids=["just-large", "many-of-all", "many-domains"],
)
def test_large_designs_are_condensed(topology: Topology) -> None:
    """Many hosts are groups that fit on a screen, and count all of them."""
    drawing = condensed(topology)
    whole(drawing)
    found = things(drawing.top)
    assert len(found) <= MOST_GROUPS
    assert len(drawing.outside) <= 13
    assert len(drawing.arrows) < 60
    counted = re.findall(r'"(\d+) (?:broker|load balancer)', pictures(topology)["topology.dot"])
    assert sum(map(int, counted)) == len(topology.hosts)


def test_forty_hosts_are_drawn_one_by_one() -> None:
    """Up to forty hosts each has its own box."""
    assert pictures(large(40))["topology.mmd"].count("subgraph host") == 40
    assert pictures(large(41))["topology.mmd"].count("subgraph host") == 0


def test_mermaid_is_balanced() -> None:
    """Each subgraph is closed, and each arrow stands after what it joins."""
    lines = [line.strip() for line in pictures(design())["topology.mmd"].splitlines()]
    assert sum(line.startswith("subgraph ") for line in lines) == lines.count("end") == 5
    assert lines[3] == "flowchart TB"
    assert 'address0 -.->|"priority 140"| balancer1' in lines


@pytest.mark.slow
@pytest.mark.needs("dot")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_graphviz_draws_every_example(path: Path) -> None:
    """Graphviz draws it without a word of complaint, with each host in the picture."""
    topology = load(path, Topology)
    assert not [host for host in topology.hosts if f">{host} " not in svg(topology)]


@pytest.mark.slow
@pytest.mark.needs("dot")
@given(topology=topologies(text=hostile()))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_graphviz_draws_any_design(topology: Topology) -> None:
    """Whatever the design, Graphviz draws it."""
    assert "</svg>" in svg(topology)


def svg(topology: Topology) -> str:
    """The picture as Graphviz draws it."""
    text = pictures(topology)["topology.dot"]
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.replace("&#45;", "-").replace("&#160;", " ")
