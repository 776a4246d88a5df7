"""What the diagnosis makes of what brokers say of their cluster."""

from __future__ import annotations

import json

import pytest
from fake_stack import FakeStack, told

from integration.diagnose import brokers


def status(**changes: object) -> str:
    """What rabbitmqctl says of a healthy cluster, with some of it otherwise."""
    nodes = [f"rabbit@rabbit{number}" for number in (1, 2, 3)]
    healthy = {"disk_nodes": nodes, "ram_nodes": [], "running_nodes": nodes, "partitions": {}, "alarms": []}
    return json.dumps(healthy | changes)


def test_whole_cluster_is_no_finding(stack: FakeStack) -> None:
    """Three brokers that see each other are not mentioned."""
    for host in stack.hosts.values():
        host.answers["cluster_status"] = status()
    assert list(brokers.of_cluster(stack)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"disk_nodes": ["rabbit@rabbit1"], "running_nodes": ["rabbit@rabbit1"]},
            "a broker that is a cluster of its own",
        ),
        ({"running_nodes": ["rabbit@rabbit1", "rabbit@rabbit3"]}, "rabbit@rabbit2 not running, or not reached"),
        ({"partitions": {"rabbit@rabbit1": ["rabbit@rabbit2"]}}, "a partition: it and rabbit@rabbit2"),
        ({"alarms": [{"resource": "memory", "node": "rabbit@rabbit2"}]}, "memory alarm of rabbit@rabbit2"),
    ],
)
def test_ill_cluster_is_told(stack: FakeStack, changes: dict[str, object], words: str) -> None:
    """Not joined, not seen, partitioned, or with an alarm: each in words of its own."""
    stack.hosts["rabbit1"].answers["cluster_status"] = status(**changes)
    assert words in told(brokers.of_view(stack, brokers.view(stack, "rabbit1")))


@pytest.mark.parametrize(
    ("said", "topic", "words"),
    [
        ("* Authentication failed (rejected by the remote node), please check the Erlang cookie", "cookie", "cookie"),
        ("* epmd reports node 'rabbit' not running at all", "node", "it is not running"),
        ("* unable to connect to epmd (port 4369) on rabbit1: nxdomain (non-existing domain)", "name", "no address"),
        (
            "* unable to connect to epmd (port 4369) on rabbit1: address (cannot connect to host/port)",
            "node",
            "no epmd",
        ),
    ],
)
def test_broker_that_does_not_answer_is_told_why(stack: FakeStack, said: str, topic: str, words: str) -> None:
    """What rabbitmqctl says when it reaches nobody is translated, and quoted."""
    stack.hosts["rabbit1"].answers["cluster_status"] = (69, "", f"Error: unable to perform an operation\n{said}\n")
    (finding,) = brokers.of_view(stack, brokers.view(stack, "rabbit1"))
    assert (finding.topic, words in finding.found) == (topic, True)
    assert said in finding.found


def test_node_under_another_name_is_told(stack: FakeStack) -> None:
    """A broker that runs as another node than the design's."""
    host = stack.hosts["rabbit1"]
    host.answers["cluster_status"] = (69, "", "* epmd reports node 'rabbit' not running at all")
    host.answers["pidof"] = "/var/log/rabbitmq/hare@rabbit1.log\n/dev/null\n"
    (finding,) = brokers.of_view(stack, brokers.view(stack, "rabbit1"))
    assert finding.topic == "name"
    assert "a node that runs as hare@rabbit1" in finding.found
