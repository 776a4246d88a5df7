"""What a design is like where faults are concerned: which queues it has, what it survives, who its clients are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generators.runbook.text import Expected, code
from rmqha_model.queues import ClassicQueue, QuorumQueue
from rmqha_model.timers import balancer, client

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = [
    "has_mirrors",
    "has_plain_classic",
    "has_quorum_queues",
    "ips",
    "losable",
    "reconnects",
    "refused_spans",
    "silent_spans",
    "survives",
]


def has_quorum_queues(topology: Topology) -> bool:
    """Whether there are quorum queues, or a queue declared without a type would be one."""
    rabbitmq = topology.rabbitmq
    by_default = rabbitmq.default_queue_type == "quorum" or any(
        vhost.default_queue_type == "quorum" for vhost in rabbitmq.vhosts.values()
    )
    return by_default or any(isinstance(queue, QuorumQueue) for queue in rabbitmq.queues)


def has_mirrors(topology: Topology) -> bool:
    """Whether a policy mirrors classic queues."""
    return any(policy.definition.is_mirroring for policy in topology.rabbitmq.policies)


def has_plain_classic(topology: Topology) -> bool:
    """Whether there are, or may be, classic queues that stand on one node only."""
    rabbitmq = topology.rabbitmq
    classic = any(isinstance(queue, ClassicQueue) for queue in rabbitmq.queues)
    return (classic or rabbitmq.default_queue_type != "quorum") and not has_mirrors(topology)


def losable(members: int) -> int:
    """Give how many of so many may be lost while a majority stays."""
    return (members - 1) // 2


def survives(topology: Topology, lost: int) -> str:
    """Say what the next lost broker costs when *lost* are gone."""
    brokers = len(topology.brokers)
    left = losable(brokers) - lost
    if brokers == 1:
        return "it is the only broker: nothing works without it."
    if left > 0:
        more = "one more broker" if left == 1 else f"{left} more brokers"
        return f"{more} may be lost before there is no majority ({brokers} brokers, {brokers // 2 + 1} needed)."
    if left == 0:
        return f"no further broker may be lost: {brokers // 2 + 1} of {brokers} are needed, and no more are left."
    return f"there is no majority: {brokers // 2 + 1} of {brokers} brokers are needed."


def refused_spans(topology: Topology) -> list[Expected]:
    """Give how soon HAProxy sends nobody to a broker whose port is closed."""
    return [
        Expected(f"HAProxy's {code(name)} sends nobody to it", balancer.refused(topology, listener))
        for name, listener in balancer.amqp_listeners(topology)
    ]


def silent_spans(topology: Topology) -> list[Expected]:
    """Give how soon HAProxy sends nobody to a broker whose host is silent, and to one that is frozen."""
    found = []
    for name, listener in balancer.amqp_listeners(topology):
        found.append(
            Expected(f"cut off: HAProxy's {code(name)} sends nobody to it", balancer.silent(topology, listener))
        )
        found.append(
            Expected(f"frozen: HAProxy's {code(name)} sends nobody to it", balancer.frozen(topology, listener))
        )
    return found


def reconnects(topology: Topology) -> list[Expected]:
    """Give how long clients wait before they connect again."""
    return [
        Expected(f"client {code(name)} tries again", client.reconnect(settings))
        for name, settings in topology.clients.items()
    ]


def ips(topology: Topology) -> str:
    """Give the virtual addresses as code."""
    return ", ".join(map(code, topology.virtual_ips))
