"""What a design asks for that not every release can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from rmqha_model.consistency.balancing import PROXIES
from rmqha_model.errors import Path, Problem
from rmqha_model.haproxy import HttpCheck
from rmqha_model.queues import ClassicQueue, QuorumQueue, StreamQueue

if TYPE_CHECKING:
    from rmqha_model.queues import PolicyDefinition, Queue
    from rmqha_model.topology import Topology

__all__ = ["releases"]

Use: TypeAlias = tuple[Path, str]
"""Where a design asks for something, and the name it has in `rmqha_model.versions`."""

_BROKER = {
    "partition_handling": "rabbitmq.partition_handling",
    "permit_deprecated": "rabbitmq.permit_deprecated",
    "consumer_timeout": "rabbitmq.consumer_timeout",
}
_POLICY = {
    "ha_mode": "rabbitmq.mirrored_queues",
    "consumer_timeout": "rabbitmq.consumer_timeout_policy",
    "target_group_size": "rabbitmq.target_group_size",
    "queue_leader_locator": "rabbitmq.queue_leader_locator",
    "queue_master_locator": "rabbitmq.queue_master_locator",
}
_HEALTH = {
    "/ready-to-serve-clients": "rabbitmq.ready_to_serve_clients",
    "/is-in-service": "rabbitmq.is_in_service",
    "/below-node-connection-limit": "rabbitmq.below_node_connection_limit",
    "/metadata-store/initialized": "rabbitmq.metadata_store_initialized",
}
"""Endpoints by the end of their path; what follows is the feature that brought them."""


def releases(topology: Topology) -> Iterator[Problem]:
    """The releases can do what the design asks."""
    for path, feature in _uses(topology):
        refusal = topology.versions.refusal(feature)
        if refusal:
            found, allowed, hint = refusal
            yield Problem(path, f"found {found}", allowed, hint)


def _uses(topology: Topology) -> Iterator[Use]:
    yield from _uses_broker(topology)
    yield from _uses_resources(topology)
    yield from _uses_haproxy(topology)
    for name, instance in (topology.keepalived.instances if topology.keepalived else {}).items():
        if instance.down_timer_adverts is not None:
            yield ("keepalived", "instances", name, "down_timer_adverts"), "keepalived.down_timer_adverts"


def _uses_broker(topology: Topology) -> Iterator[Use]:
    rabbitmq = topology.rabbitmq
    for name, node in rabbitmq.nodes.items():
        if node.type == "ram":
            yield ("rabbitmq", "nodes", name, "type"), "rabbitmq.ram_nodes"
    for field, feature in _BROKER.items():
        if getattr(rabbitmq, field):
            yield ("rabbitmq", field), feature


def _uses_resources(topology: Topology) -> Iterator[Use]:
    rabbitmq = topology.rabbitmq
    for name, vhost in rabbitmq.vhosts.items():
        if vhost.default_queue_type:
            yield ("rabbitmq", "vhosts", name, "default_queue_type"), "rabbitmq.vhost_default_queue_type"
    for index, queue in enumerate(rabbitmq.queues):
        for field, feature in _uses_queue(queue):
            yield ("rabbitmq", "queues", index, field), feature
    for kind in ("policies", "operator_policies"):
        for index, policy in enumerate(getattr(rabbitmq, kind)):
            if policy.apply_to in {"classic_queues", "quorum_queues", "streams"}:
                yield ("rabbitmq", kind, index, "apply_to"), "rabbitmq.policy_by_queue_type"
            for field, feature in _uses_policy(policy.definition):
                yield ("rabbitmq", kind, index, "definition", field.replace("_", "-")), feature


def _uses_queue(queue: Queue) -> Iterator[tuple[str, str]]:
    if isinstance(queue, StreamQueue):
        yield "type", "rabbitmq.streams"
    if isinstance(queue, QuorumQueue) and queue.dead_letter_strategy == "at-least-once":
        yield "dead_letter_strategy", "rabbitmq.at_least_once_dead_lettering"
    if isinstance(queue, QuorumQueue) and queue.message_ttl is not None:
        yield "message_ttl", "rabbitmq.quorum_message_ttl"
    if isinstance(queue, ClassicQueue) and not queue.durable:
        yield "durable", "rabbitmq.transient_queues"
    if isinstance(queue, ClassicQueue) and queue.mode:
        yield "mode", "rabbitmq.queue_mode_argument"
    elif not isinstance(queue, ClassicQueue) and queue.leader_locator:
        balanced = queue.leader_locator == "balanced"
        yield "leader_locator", "rabbitmq.balanced_leaders" if balanced else "rabbitmq.queue_leader_locator"


def _uses_policy(definition: PolicyDefinition) -> Iterator[tuple[str, str]]:
    for field, feature in _POLICY.items():
        if getattr(definition, field) is not None:
            yield field, feature
    if definition.dead_letter_strategy == "at-least-once":
        yield "dead_letter_strategy", "rabbitmq.at_least_once_dead_lettering"
    if definition.queue_version == 1:
        yield "queue_version", "rabbitmq.classic_queues_v1"


def _uses_haproxy(topology: Topology) -> Iterator[Use]:
    if topology.haproxy is None:
        return
    for side in ("client_keepalive", "server_keepalive"):
        keepalive = getattr(topology.haproxy.defaults, side)
        for name in ("idle", "interval", "count"):
            if keepalive and getattr(keepalive, name) is not None:
                yield ("haproxy", "defaults", side, name), "haproxy.keepalive_times"
    for name, listener in topology.haproxy.listeners.items():
        if not isinstance(listener, PROXIES):
            continue
        at: Path = ("haproxy", "listeners", name)
        if listener.server.init_state:
            yield (*at, "server", "init_state"), "haproxy.init_state"
        if isinstance(listener.check, HttpCheck):
            asked = (feature for end, feature in _HEALTH.items() if listener.check.path.endswith(end))
            if listener.check.path.startswith("/api/health/checks/"):
                yield (*at, "check", "path"), next(asked, "rabbitmq.health_checks")
