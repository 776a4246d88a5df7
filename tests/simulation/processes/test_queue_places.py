"""Where queues are when a scenario begins: as on 3.8.9, 3.10.8, 4.0.5 and 4.3.6 in the lab."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from designs import design

from rmqha_model.scenario import Scenario
from simulation.processes.queue_places import Place, places, policy_of
from simulation.streams import Streams

WORKLOAD = ({"name": "w.q", "type": "quorum"}, {"name": "w.m", "type": "classic"}, {"name": "w.c", "type": "classic"})
MIRRORED = {"name": "ha", "pattern": "^w[.]m$", "definition": {"ha-mode": "all"}}
QUORUM = [{"name": "one", "type": "quorum"}, {"name": "two", "type": "quorum"}]


def placed(release: str, seed: int = 1, workload: tuple[Any, ...] = WORKLOAD, **rabbitmq: Any) -> dict[str, Place]:
    """Give the places of a design's and a workload's queues."""
    topology = design(versions={"rabbitmq": release}, rabbitmq=rabbitmq)
    scenario = Scenario.model_validate({"name": "test", "workload": {"queues": list(workload)}})
    return {place.name: place for place in places(topology, scenario, Streams(seed))}


@pytest.mark.parametrize(
    ("release", "locator", "mirrored", "plain"),
    [
        ("3.10.8", None, "r1", "r1"),  # the article's design
        ("3.8.9", "balanced", "r1", "r2"),
        ("3.10.8", "balanced", "r1", "r2"),
    ],
)
def test_classic_queues_of_a_workload(release: str, locator: str | None, mirrored: str, plain: str) -> None:
    """Where the client is that declares them, or with min-masters where the fewest are."""
    found = placed(release, leader_locator=locator, policies=[MIRRORED])
    assert (found["w.m"].kind, found["w.m"].leader, found["w.c"].kind) == ("mirrored", mirrored, "classic")
    assert (found["w.c"].leader, found["w.c"].members) == (plain, (plain,))
    assert found["w.m"].members == ("r1", "r2", "r3")


def test_mirrors_are_of_the_past() -> None:
    """From 4.0 nothing mirrors a queue, and a classic one is alone."""
    assert {place.kind for place in placed("4.0.5").values()} == {"quorum", "classic"}


def test_the_leader_of_a_quorum_queue_is_where_the_fewest_are() -> None:
    """Of those with as few, the first by name; seen in 40 runs on 3.10.8 and 4.0.5."""
    for seed in range(30):
        found = placed("3.10.8", seed, queues=QUORUM)
        count = Counter({"r1": 0, "r2": 0, "r3": 0}) + Counter(found[name].leader for name in ("one", "two"))
        assert found["w.q"].leader == min(("r1", "r2", "r3"), key=lambda host: (count[host], host))


def test_before_3_10_a_quorum_queue_is_led_where_it_is_declared() -> None:
    """Whatever the locator says; seen on 3.8.9."""
    assert all(placed("3.8.9", seed, queues=QUORUM)["w.q"].leader == "r1" for seed in range(10))


def test_leaders_of_the_designs_queues_are_where_luck_left_them() -> None:
    """Each broker leads a third of the time, and a seed says the same each time."""
    leaders = Counter(placed("3.10.8", seed, queues=QUORUM)["one"].leader for seed in range(300))
    assert set(leaders) == {"r1", "r2", "r3"}
    assert min(leaders.values()) > 70
    assert placed("3.10.8", 7, queues=QUORUM) == placed("3.10.8", 7, queues=QUORUM)


def test_a_quorum_queue_has_as_many_members_as_it_says() -> None:
    """One of them is where it was declared; before 3.8.12 it has one everywhere."""
    small = ({"name": "w.q", "type": "quorum", "initial_group_size": 2},)
    assert placed("3.10.8", workload=small, leader_locator=None)["w.q"].members == ("r1", "r2")
    hosts = {f"r{number}": f"10.0.0.{number}/24" for number in range(1, 6)}
    topology = design(
        versions={"rabbitmq": "3.8.9"}, hosts=hosts, rabbitmq={"nodes": list(hosts), "queues": QUORUM[:1]}
    )
    (one,) = places(topology, Scenario(name="test"), Streams(1))
    assert sorted(one.members) == list(hosts)


def test_mirrors_are_as_many_as_the_policy_says() -> None:
    """On so many brokers, or on those that are named."""
    exactly = {**MIRRORED, "definition": {"ha-mode": "exactly", "ha-params": 2}}
    others = {placed("3.10.8", seed, policies=[exactly])["w.m"].members for seed in range(20)}
    assert others == {("r1", "r2"), ("r1", "r3")}
    named = {**MIRRORED, "definition": {"ha-mode": "nodes", "ha-params": ["rabbit@r2", "rabbit@r3"]}}
    assert placed("3.10.8", policies=[named], leader_locator=None)["w.m"].members == ("r2", "r3")


def test_the_policy_with_the_highest_priority_applies() -> None:
    """And only to what its vhost, its kind and its pattern fit."""
    policies = [
        {"name": "low", "pattern": ".*", "priority": 1, "definition": {"max-length": 1}},
        {"name": "high", "pattern": "^w", "priority": 2, "definition": {"max-length": 2}},
        {
            "name": "exchanges",
            "pattern": "^w",
            "priority": 3,
            "apply_to": "exchanges",
            "definition": {"other": {"x": 1}},
        },
    ]
    topology = design(versions={"rabbitmq": "3.10.8"}, rabbitmq={"policies": policies})
    queues = Scenario.model_validate({"name": "test", "workload": {"queues": [WORKLOAD[0]]}}).workload.queues
    found = policy_of(topology, queues[0])
    assert found is not None
    assert found.name == "high"
