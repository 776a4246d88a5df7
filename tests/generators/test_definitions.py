"""definitions.json: what the broker holds, with hashes in the place of passwords."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from designs import design, secrets_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import hostile, topologies

from generators.definitions import Definitions, password_hash

if TYPE_CHECKING:
    from rmqha_model.topology import Topology


def matches(password: str, digest: str) -> bool:
    """Judge a hash as RabbitMQ does (`rabbit_password.erl`): the first four bytes are the salt."""
    raw = base64.b64decode(digest, validate=True)
    return hashlib.sha256(raw[:4] + password.encode()).digest() == raw[4:]


def whole(topology: Topology) -> dict[str, Any]:
    """The definitions of a design, read back."""
    document: dict[str, Any] = json.loads(Definitions(topology, secrets_of(topology)).whole())
    return document


def test_judge_knows_rabbitmqs_own_example() -> None:
    """The hash in RabbitMQ's guide ("Computing password hashes", for test12) passes these tests' judge."""
    assert matches("test12", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")
    assert not matches("test13", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")


@given(password=hostile(), user=st.text(max_size=20), design_name=st.sampled_from(["a", "b"]))
def test_hash_is_rabbitmqs(password: str, user: str, design_name: str) -> None:
    """Any password hashes to what RabbitMQ accepts for it, the same each time."""
    digest = password_hash(password, design_name, user)
    assert matches(password, digest)
    assert digest == password_hash(password, design_name, user)


def test_salt_differs_by_user_and_design() -> None:
    """Equal passwords do not show as equal hashes."""
    assert len({password_hash("same", d, u) for d in ("d1", "d2") for u in ("u1", "u2")}) == 4


def test_no_password_in_clear() -> None:
    """The files hold hashes of all users and none of the secrets."""
    topology = design()
    secrets = secrets_of(topology)
    definitions = Definitions(topology, secrets)
    for text in (definitions.whole(), definitions.users_only()):
        assert not [value for value in secrets.values() if value in text]
        for user in json.loads(text)["users"]:
            assert matches(secrets[topology.password_of(user["name"])], user["password_hash"])
            assert user["hashing_algorithm"] == "rabbit_password_hashing_sha256"


def test_everything_is_there() -> None:
    """Vhosts, permissions, policies, operator policies, limits, exchanges, queues and bindings stand in it."""
    topology = design(
        rabbitmq={
            "vhosts": {"/": {}, "orders": {"description": "Orders", "max_connections": 100, "max_queues": 0}},
            "users": {
                "admin": {"tags": ["administrator", "monitoring"]},
                "app": {"permissions": {"orders": {"configure": "^$", "write": "^in$", "read": "^out$"}}},
            },
            "policies": [
                {"name": "p", "vhost": "orders", "pattern": "^q", "priority": 5, "definition": {"message-ttl": "5m"}}
            ],
            "operator_policies": [{"name": "o", "pattern": "", "definition": {"max-length-bytes": "1GiB"}}],
            "exchanges": [{"name": "in", "vhost": "orders", "type": "topic"}],
            "queues": [
                {"name": "q", "vhost": "orders", "type": "quorum", "delivery_limit": 5},
                {"name": "c", "vhost": "orders", "type": "classic", "durable": False, "auto_delete": True},
                {"name": "s", "vhost": "orders", "type": "stream", "max_age": "7D"},
            ],
            "bindings": [{"source": "in", "destination": "q", "vhost": "orders", "routing_key": "a.#"}],
        },
        clients={"app": {"vhost": "orders"}},
    )
    found = whole(topology)
    assert found["vhosts"] == [{"name": "/"}, {"name": "orders", "description": "Orders"}]
    assert [user["tags"] for user in found["users"]] == ["administrator,monitoring", ""]
    assert {"user": "app", "vhost": "orders", "configure": "^$", "write": "^in$", "read": "^out$"} in found[
        "permissions"
    ]
    assert found["policies"] == [
        {
            "name": "p",
            "vhost": "orders",
            "pattern": "^q",
            "apply-to": "queues",
            "priority": 5,
            "definition": {"message-ttl": 300_000},
        }
    ]
    limits, operator = found["parameters"]
    assert limits == {
        "component": "vhost-limits",
        "name": "limits",
        "vhost": "orders",
        "value": {"max-connections": 100, "max-queues": 0},
    }
    assert operator == {
        "component": "operator_policy",
        "name": "o",
        "vhost": "/",
        "value": {"pattern": "", "apply-to": "queues", "priority": 0, "definition": {"max-length-bytes": 2**30}},
    }
    assert [(e["name"], e["type"], e["internal"]) for e in found["exchanges"]] == [("in", "topic", False)]
    quorum, classic, stream = found["queues"]
    assert quorum["arguments"] == {"x-queue-type": "quorum", "x-delivery-limit": 5}
    assert (classic["durable"], classic["auto_delete"]) == (False, True)
    assert stream["arguments"] == {"x-queue-type": "stream", "x-max-age": "7D"}
    assert found["bindings"][0]["routing_key"] == "a.#"


@pytest.mark.parametrize(
    ("release", "rabbitmq", "named"),
    [
        ("3.9.5", {}, False),
        ("3.9.5", {"default_queue_type": None}, False),
        ("4.0.5", {"default_queue_type": None}, False),
        ("4.0.5", {"default_queue_type": "classic"}, False),
        ("4.0.5", {"default_queue_type": "quorum"}, True),
        ("4.0.5", {"default_queue_type": None, "vhosts": {"/": {"default_queue_type": "quorum"}}}, True),
        ("4.0.5", {"default_queue_type": "quorum", "vhosts": {"/": {"default_queue_type": "classic"}}}, False),
    ],
)
def test_classic_queue_names_its_type_where_another_is_the_default(
    release: str, rabbitmq: dict[str, Any], *, named: bool
) -> None:
    """A client that declares a classic queue without naming a type finds one with the same arguments."""
    queues = [{"name": "q", "type": "classic"}]
    topology = design(versions={"rabbitmq": release}, rabbitmq={**rabbitmq, "queues": queues})
    assert ("x-queue-type" in whole(topology)["queues"][0]["arguments"]) is named


def test_default_type_of_vhost_stands_in_its_metadata() -> None:
    """Where RabbitMQ looks for it: beside the name it is ignored."""
    vhosts = {"/": {"default_queue_type": "quorum", "description": "main"}}
    found = whole(design(versions={"rabbitmq": "3.13.7"}, rabbitmq={"vhosts": vhosts}))["vhosts"]
    assert found == [
        {"name": "/", "description": "main", "metadata": {"description": "main", "default_queue_type": "quorum"}}
    ]


def test_users_alone_bring_what_their_permissions_need() -> None:
    """What the user script imports holds vhosts, users and permissions, and nothing that needs a whole cluster."""
    topology = design(rabbitmq={"queues": [{"name": "q", "type": "quorum"}]})
    found = json.loads(Definitions(topology, secrets_of(topology)).users_only())
    assert list(found) == ["vhosts", "users", "permissions"]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(topology=topologies(text=hostile()))
def test_any_name_comes_back_as_it_was(topology: Topology) -> None:
    """Whatever names a design has, JSON gives them back."""
    found = whole(topology)
    assert {user["name"] for user in found["users"]} == set(topology.rabbitmq.users)
    assert [queue["name"] for queue in found["queues"]] == [queue.name for queue in topology.rabbitmq.queues]
    assert [policy["pattern"] for policy in found["policies"]] == [p.pattern for p in topology.rabbitmq.policies]
    assert [b["routing_key"] for b in found["bindings"]] == [b.routing_key for b in topology.rabbitmq.bindings]
