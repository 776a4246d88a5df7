"""What the diagnosis makes of the copies that queues have."""

from __future__ import annotations

from pathlib import Path

from fake_stack import FakeStack, told

from integration.diagnose.queues import Copies, members_wanted, mirrors_wanted, of_queue
from rmqha_model.document import load
from rmqha_model.queues import ClassicQueue, QuorumQueue
from rmqha_model.topology import Topology

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def test_replicas_are_counted(stack: FakeStack) -> None:
    """A quorum queue with too few members, and one whose member is not online."""
    queue = stack.topology.rabbitmq.queues[0]
    nodes = tuple(stack.topology.node_name(host) for host in stack.topology.brokers)
    assert members_wanted(stack, queue) == 3
    assert list(of_queue(stack, queue, Copies("quorum", "running", nodes[0], nodes, nodes))) == []
    assert "found 2 members" in told(of_queue(stack, queue, Copies("quorum", "", nodes[0], nodes[:2], nodes[:2])))
    lagging = told(of_queue(stack, queue, Copies("quorum", "", nodes[0], nodes, nodes[:2])))
    assert "members not online on rabbit@rabbit3" in lagging
    assert "a classic queue" in told(of_queue(stack, queue, Copies("classic", "", nodes[0], nodes[:1], nodes[:1])))
    assert "no such queue" in told(of_queue(stack, queue, None))


def test_mirrors_follow_from_the_policy_that_wins() -> None:
    """Of several policies that match, the one with the highest priority says how many mirrors there are."""
    stack = FakeStack(load(EXAMPLES / "article.yaml", Topology))
    assert mirrors_wanted(stack, ClassicQueue(name="any", type="classic")) == 3
    assert members_wanted(stack, QuorumQueue(name="any")) == 3
