"""What a design cannot lose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from rmqha_model.document import load
from rmqha_model.graph import (
    Element,
    graph,
    minimal_cut_sets,
    narrowest,
    reachable_queues,
    serves,
    single_points_of_failure,
)
from rmqha_model.patterns import PATTERNS
from rmqha_model.topology import Topology


def design(**changes: Any) -> Topology:
    """Three brokers, two load balancers, a VIP; *changes* replace parts."""
    hosts = {name: f"10.0.0.{n}/24" for n, name in enumerate(("r1", "r2", "r3", "lb1", "lb2"), 11)}
    base: dict[str, Any] = {
        "hosts": hosts,
        "rabbitmq": {"nodes": ["r1", "r2", "r3"], "queues": [{"name": "q", "type": "quorum"}]},
        "haproxy": {"hosts": ["lb1", "lb2"]},
        "keepalived": {
            "hosts": ["lb1", "lb2"],
            "instances": {"i": {"virtual_router_id": 7, "virtual_addresses": ["10.0.0.100/24"]}},
        },
    }
    return Topology.model_validate(base | changes)


def lost(*names: str) -> list[Element]:
    """Elements written as ``host r1``."""
    return [Element(*name.split()) for name in names]


def test_a_sound_design_has_no_single_point_of_failure() -> None:
    """No single loss stops the sound designs, and two of three brokers or both load balancers do."""
    assert single_points_of_failure(design()) == {}
    cuts = {frozenset(map(str, cut)) for cut in narrowest(design(), minimal_cut_sets(design()))}
    assert {"rabbitmq r1", "rabbitmq r2"} in cuts
    assert {"haproxy lb1", "haproxy lb2"} in cuts
    assert {"haproxy lb1", "keepalived lb2"} in cuts
    assert not any("host" in name for cut in cuts for name in cut)


def test_a_shared_rack_is_a_single_point_of_failure() -> None:
    """Two of three brokers in a rack: the rack alone stops everything."""
    hosts: dict[str, Any] = {
        name: {"address": f"10.0.0.{n}/24"} for n, name in enumerate(("r1", "r2", "r3", "lb1", "lb2"), 1)
    }
    for name in ("r1", "r2"):
        hosts[name]["domain"] = {"rack": "a"}
    assert list(single_points_of_failure(design(hosts=hosts))) == lost("rack a")


def test_a_vip_without_a_check_dies_with_haproxy() -> None:
    """Without a script the VIP stays where HAProxy is dead."""
    keepalived = {
        "hosts": ["lb1", "lb2"],
        "scripts": {},
        "instances": {"i": {"virtual_router_id": 7, "virtual_addresses": ["10.0.0.100/24"]}},
    }
    assert Element("haproxy", "lb1") in single_points_of_failure(design(keepalived=keepalived))


@pytest.mark.parametrize(("weight", "fatal"), [(10, True), (60, False), (-10, True), (-60, False), (0, False)])
def test_a_weight_must_turn_the_order_round(weight: int, fatal: bool) -> None:  # noqa: FBT001
    """A weight that does not reach over the gap of 50 leaves the VIP on a dead HAProxy."""
    keepalived = {
        "hosts": ["lb1", "lb2"],
        "scripts": {"c": {"kind": "observe", "weight": weight}},
        "instances": {
            "i": {
                "virtual_router_id": 7,
                "virtual_addresses": ["10.0.0.100/24"],
                "members": {"lb1": 150, "lb2": 100},
                "preempt": True,
            }
        },
    }
    assert (Element("haproxy", "lb1") in single_points_of_failure(design(keepalived=keepalived))) is fatal


def test_a_plain_queue_dies_with_its_node() -> None:
    """A classic queue without a policy stands on one node, and any node may be it."""
    rabbitmq = {"nodes": ["r1", "r2", "r3"], "queues": [{"name": "plain", "type": "classic"}]}
    points = single_points_of_failure(design(rabbitmq=rabbitmq))
    assert {str(element) for element in points} >= {"rabbitmq r1", "rabbitmq r2", "rabbitmq r3"}


def test_a_mirrored_queue_outlives_all_but_one(root: Path) -> None:
    """The article's mirrored queue survives two brokers, its load balancers do not survive two losses."""
    article = load(root / "examples/article.yaml", Topology)
    assert serves(article, lost("rabbitmq rabbit2", "rabbitmq rabbit3")) == {("worker", "worker_order"): True}
    assert serves(article, lost("host rabbit1", "host rabbit2")) == {("worker", "worker_order"): False}


def test_half_of_an_even_cluster_is_no_majority() -> None:
    """Two nodes with quorum queues tolerate nothing."""
    two = design(rabbitmq={"nodes": ["r1", "r2"], "queues": [{"name": "q", "type": "quorum"}]})
    assert reachable_queues(two, "app") == {"q"}
    assert reachable_queues(two, "app", lost("rabbitmq r1")) == set()


def test_graph_leads_from_clients_to_queues(root: Path) -> None:
    """In the graph every queue can be reached from every client, and a host carries its daemons."""
    for path in sorted((root / "examples").glob("*.yaml")):
        topology = load(path, Topology)
        made = graph(topology)
        sends = nx.DiGraph((a, b) for a, b, role in made.edges(data="role") if role == "sends")
        for client in topology.clients:
            for queue in (element for element in made if element.kind == "queue"):
                assert nx.has_path(sends, Element("client", client), queue), (path.name, client, queue)
        for host in topology.brokers:
            assert made.edges[Element("host", host), Element("rabbitmq", host)]["role"] == "carries"


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_have_no_single_point_of_failure(name: str, tmp_path: Path) -> None:
    """What `init` writes loads as it is and survives any single loss."""
    file = tmp_path / "topology.yaml"
    file.write_text(PATTERNS[name].text)
    assert single_points_of_failure(load(file, Topology)) == {}


def test_two_brokers_with_quorum_queues_by_default_survive_nothing() -> None:
    """Where queues are quorum queues unless said otherwise, either of two brokers is a single point of failure."""
    two = design(versions={"rabbitmq": "4.0.5"}, rabbitmq={"nodes": ["r1", "r2"]})
    assert {str(element) for element in single_points_of_failure(two)} >= {"rabbitmq r1", "rabbitmq r2"}
    old = design(versions={"rabbitmq": "3.10.8"}, rabbitmq={"nodes": ["r1", "r2"]})
    assert reachable_queues(old, "app", lost("rabbitmq r1")) == {"*"}


def test_addresses_without_load_balancers_lead_nowhere() -> None:
    """With keepalived alone clients use the brokers, as their programs do."""
    keepalived = {
        "hosts": ["lb1", "lb2"],
        "scripts": {},
        "instances": {"i": {"virtual_router_id": 7, "virtual_addresses": ["10.0.0.100/24"]}},
    }
    bare = design(haproxy=None, keepalived=keepalived)
    assert single_points_of_failure(bare) == {}
    assert reachable_queues(bare, "app", lost("rabbitmq r1", "rabbitmq r2")) == set()
