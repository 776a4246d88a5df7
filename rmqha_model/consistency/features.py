"""What a design asks for that not every release can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rmqha_model.consistency.balancing import PROXIES
from rmqha_model.errors import Path, Problem
from rmqha_model.haproxy import HttpCheck
from rmqha_model.queues import QuorumQueue, StreamQueue

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["releases"]


def releases(topology: Topology) -> Iterator[Problem]:
    """The releases can do what the design asks."""
    for path, feature in _uses(topology):
        refusal = topology.versions.refusal(feature)
        if refusal:
            yield Problem(path, *refusal)


def _uses(topology: Topology) -> Iterator[tuple[Path, str]]:
    """Give what the design asks for that not every release can do: where, and the feature's name in `versions`."""
    yield from _uses_broker(topology)
    yield from _uses_resources(topology)
    yield from _uses_haproxy(topology)
    for name, instance in (topology.keepalived.instances if topology.keepalived else {}).items():
        if instance.down_timer_adverts is not None:
            yield ("keepalived", "instances", name, "down_timer_adverts"), "keepalived.down_timer_adverts"


def _uses_broker(topology: Topology) -> Iterator[tuple[Path, str]]:
    rabbitmq = topology.rabbitmq
    for name, node in rabbitmq.nodes.items():
        if node.type == "ram":
            yield ("rabbitmq", "nodes", name, "type"), "rabbitmq.ram_nodes"
    for field in ("partition_handling", "permit_deprecated", "consumer_timeout"):
        if getattr(rabbitmq, field):
            yield ("rabbitmq", field), f"rabbitmq.{field}"
    for field in ("heartbeat_interval", "scaling_factor", "detection_threshold"):
        if getattr(rabbitmq.raft_detector, field) is not None:
            yield ("rabbitmq", "raft_detector", field), "rabbitmq.raft_detector_tuning"


def _uses_resources(topology: Topology) -> Iterator[tuple[Path, str]]:
    rabbitmq = topology.rabbitmq
    for name, vhost in rabbitmq.vhosts.items():
        if vhost.default_queue_type:
            yield ("rabbitmq", "vhosts", name, "default_queue_type"), "rabbitmq.vhost_default_queue_type"
    for index, queue in enumerate(rabbitmq.queues):
        if isinstance(queue, StreamQueue):
            yield ("rabbitmq", "queues", index, "type"), "rabbitmq.streams"
        if isinstance(queue, QuorumQueue) and queue.dead_letter_strategy == "at-least-once":
            yield ("rabbitmq", "queues", index, "dead_letter_strategy"), "rabbitmq.at_least_once_dead_lettering"
    for field in ("policies", "operator_policies"):
        for index, policy in enumerate(getattr(rabbitmq, field)):
            if policy.definition.is_mirroring:
                yield ("rabbitmq", field, index, "definition", "ha-mode"), "rabbitmq.mirrored_queues"
            if policy.apply_to in {"classic_queues", "quorum_queues", "streams"}:
                yield ("rabbitmq", field, index, "apply_to"), "rabbitmq.policy_by_queue_type"


def _uses_haproxy(topology: Topology) -> Iterator[tuple[Path, str]]:
    if topology.haproxy is None:
        return
    for side in ("client_keepalive", "server_keepalive"):
        keepalive = getattr(topology.haproxy.defaults, side)
        for name in ("idle", "interval", "count"):
            if keepalive and getattr(keepalive, name) is not None:
                yield ("haproxy", "defaults", side, name), "haproxy.keepalive_times"
    for name, listener in topology.haproxy.listeners.items():
        at: Path = ("haproxy", "listeners", name)
        if isinstance(listener, PROXIES):
            if listener.server.init_state:
                yield (*at, "server", "init_state"), "haproxy.init_state"
            if isinstance(listener.check, HttpCheck) and listener.check.path.endswith("/ready-to-serve-clients"):
                yield (*at, "check", "path"), "rabbitmq.ready_to_serve_clients"
