"""What the diagnosis makes of definitions that are not the design's."""

from __future__ import annotations

import json
from pathlib import Path

from fake_stack import FakeStack, told

from integration.diagnose import definitions
from rmqha_model.document import load
from rmqha_model.topology import Topology

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def test_definitions_are_compared(stack: FakeStack) -> None:
    """What is missing, other or too much is told; what newer releases add to arguments is not."""
    there = json.loads(stack.bundle.find("rabbit1", "/etc/rabbitmq/definitions.json").content)
    assert list(definitions.differences(stack, there)) == []
    there["queues"][0]["arguments"]["x-queue-leader-locator"] = "balanced"
    there["users"][0]["tags"] = ["management"]
    there["permissions"][0]["write"] = "^a"
    del there["queues"][1]
    there["users"].append({"name": "guest", "tags": "administrator"})
    there["policies"].append({"vhost": "/", "name": "stranger"})
    text = told(definitions.differences(stack, there))
    for words in (
        "user admin: found tags",
        'write "^a"',
        "queue / worker_order.dead: found nothing of that name",
        "user guest: found the well-known account",
        "policy / stranger: found a policy that the design does not have",
    ):
        assert words in text
    assert text.count("found") == 5


def test_exports_of_other_shapes_say_the_same() -> None:
    """A rabbitmqctl that writes nested values as pairs, and leaves out what is false, says what the design says."""
    stack = FakeStack(load(EXAMPLES / "five-brokers-two-vips.yaml", Topology))
    there = json.loads(stack.bundle.find("rabbit1", "/etc/rabbitmq/definitions.json").content)
    policy = next(each for each in there["parameters"] if each["component"] == "operator_policy")
    policy["value"]["definition"] = [["max-length", 5000000]]
    del there["exchanges"][0]["internal"]
    assert list(definitions.differences(stack, there)) == []
    policy["value"]["definition"] = [["max-length", 1]]
    assert "parameter orders operator_policy bounds" in told(definitions.differences(stack, there))
