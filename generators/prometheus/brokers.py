"""Alerts on the brokers: down, apart, in alarm, out of descriptors, unevenly used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.prometheus.rule import Example, Rule, Watched, whole
from generators.prometheus.scrape import RABBITMQ
from generators.quoting import promql, regex
from rmqha_model.timers import Span, balancer, broker
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["majority_lost_at", "noticed", "rules"]

FEW = 0.25
"""Which share of the mean makes a broker nearly empty."""

PREFETCH_SHARE = 0.5
"""Which share of all that consumers may hold is a sign that they work no more."""
UNLIMITED = 10_000
"""What counts as many unacknowledged messages where a prefetch of 0 sets no limit."""


def rules(watched: Watched) -> Iterator[Rule]:
    """Give the alerts on the brokers of a design whose metrics are read."""
    if RABBITMQ not in watched:
        return
    yield _down(watched)
    if watched.count(RABBITMQ) > 1:
        yield _majority_lost(watched)
        yield _apart(watched)
    if any(client.ack == "manual" for client in watched.topology.clients.values()):
        yield _unacknowledged(watched)
    yield _unroutable(watched)
    if watched.count(RABBITMQ) > 1:
        yield _unbalanced(watched)


def noticed(topology: Topology) -> Span:
    """How soon a silent broker is one that no client is sent to any more; without HAProxy, one that leads no queue."""
    spans = [balancer.silent(topology, listener) for _, listener in balancer.amqp_listeners(topology)]
    spans = [span for span in spans if span.is_bounded]
    return max(spans, key=lambda span: span.max_s, default=broker.election_after_silence(topology))


def majority_lost_at(brokers: int) -> int:
    """Give how many live brokers are no majority any more."""
    return brokers // 2


def _down(watched: Watched) -> Rule:
    topology = watched.topology
    silent = noticed(topology)
    hold = whole(silent.max_s + watched.interval_s)
    times = []
    for name, listener in balancer.amqp_listeners(topology):
        quick, slow = balancer.refused(topology, listener), balancer.silent(topology, listener)
        if quick.is_never:
            times.append(f"{name} has no health check: it goes on sending clients there.")
            continue
        times.append(
            f"Clients behind {name} are sent elsewhere after {quick} where its port refuses ({quick.formula}), after "
            f"{slow} where its host is silent ({slow.formula})."
        )
    crash, silence = broker.election_after_crash(topology), broker.election_after_silence(topology)
    times.append(f"Quorum queues it led have a new leader after {crash}, silent host {silence} ({silence.formula}).")
    return Rule(
        "RabbitMQBrokerDown",
        f"up{watched.select(RABBITMQ)} == 0",
        hold,
        "warning" if watched.count(RABBITMQ) > 2 else "critical",
        "RabbitMQ on {{ $labels.host }} gives no metrics",
        f"For {hold} s: longer than others need to go on without it. {' '.join(times)} A node that pauses, boots or is "
        "stopped looks the same.",
        titles.BROKER_DOWN,
        "up: Prometheus's own; a stopped app closes the plugin's port (3.8.9, 3.10.8, 4.0.5, 4.3.6)",
        Example({watched.series("up", RABBITMQ): "0xN"}, watched.labels(RABBITMQ)),
    )


def _majority_lost(watched: Watched) -> Rule:
    brokers = watched.count(RABBITMQ)
    few = majority_lost_at(brokers)
    hold = watched.scrapes(2)
    return Rule(
        "RabbitMQMajorityLost",
        f"(count(up{watched.select(RABBITMQ)} == 1) or vector(0)) <= {few}",
        hold,
        "critical",
        f"{{{{ $value }}}} of {brokers} brokers of {watched.topology.name} are left, which is no majority",
        f"Quorum queues{_majority_only(watched.topology)} until a majority is back. It ends by itself when {few + 1} "
        "brokers run, within seconds of the last one's boot.",
        titles.MAJORITY_LOST,
        "up: Prometheus's own",
        Example({watched.series("up", RABBITMQ): "0xN"}, value="0"),
    )


def _apart(watched: Watched) -> Rule:
    topology = watched.topology
    tick = broker.net_tick(topology)
    hold = watched.scrapes(2)
    up = f"up{watched.select(RABBITMQ)} == 1"
    # Command-line tools are peers as well, under other names.
    nodes = f"peer=~{promql(regex(topology.rabbitmq.node_prefix) + '@.+')}"
    linked = f"count by (host) (erlang_vm_dist_node_state{watched.select(RABBITMQ, nodes)} == 3)"
    return Rule(
        "RabbitMQBrokersApart",
        # Without any peer a node has no such metric: 0 stands in.
        f"({linked} or sum by (host) (0 * ({up}))) < scalar(count({up})) - 1",
        hold,
        "critical",
        "RabbitMQ on {{ $labels.host }} is not connected to every broker that runs",
        "Prometheus reaches brokers that do not reach each other: a partition, in part or in whole. Erlang sees a "
        f"silent link after {tick} ({tick.formula}), so it is at least that old. {_strategy(topology)} Quorum queues "
        "go on where a majority of their members is.",
        titles.BROKERS_APART,
        "erlang_vm_dist_node_state, 3 is up, no row for a lost peer (3.8.9, 3.10.8, 4.0.5, 4.3.6)",
        Example(_apart_series(watched), {"host": watched.jobs[RABBITMQ].targets[0].labels["host"]}),
    )


def _majority_only(topology: Topology) -> str:
    handling = topology.partition_handling()
    if handling is None:
        return " and everything that is declared, bound or permitted stand still"
    stopped = ", and the brokers that are left have paused (pause_minority: no listener, no connection)"
    return " stand still" + (stopped if handling.strategy == "pause_minority" else "")


def _strategy(topology: Topology) -> str:
    handling = topology.partition_handling()
    if handling is None:
        return "Raft decides: nobody pauses, and a minority declares and confirms nothing."
    return f"cluster_partition_handling is {handling.strategy}, and has acted by now."


def _apart_series(watched: Watched) -> dict[str, str]:
    """Give two brokers that run, of which the first knows of no other."""
    second = watched.jobs[RABBITMQ].targets[1].labels
    first = watched.jobs[RABBITMQ].targets[0].labels
    return {
        watched.series("up", RABBITMQ, 0): "1xN",
        watched.series("up", RABBITMQ, 1): "1xN",
        watched.series("erlang_vm_dist_node_state", RABBITMQ, 0, peer="rabbitmqcli-1@" + second["host"]): "3xN",
        watched.series("erlang_vm_dist_node_state", RABBITMQ, 1, peer=first["node"]): "3xN",
    }


def _unacknowledged(watched: Watched) -> Rule:
    manual = [client for client in watched.topology.clients.values() if client.ack == "manual"]
    if all(client.prefetch for client in manual):
        most = sum(client.prefetch * client.channels * client.connections for client in manual)
        limit = max(int(most * PREFETCH_SHARE), 1)
        why = f"half of the {most} that the design's consumers may hold (prefetch x channels x connections)"
    else:
        limit, why = UNLIMITED, "and a prefetch of 0 sets no limit"
    unacked = f"rabbitmq_queue_messages_unacked{watched.select(RABBITMQ)}"
    hold = 600
    return Rule(
        "RabbitMQUnacknowledgedGrowing",
        f"sum(rabbitmq_queue_messages_unacked{watched.select(RABBITMQ)}) > {limit} and sum(deriv({unacked}[10m])) > 0",
        hold,
        "warning",
        f"Consumers of {watched.topology.name} hold {{{{ $value }}}} messages and acknowledge too few",
        f"More than {limit}, {why}, and still growing after {hold} s. Consumers hang or are too slow; a delivery "
        f"that is not acknowledged in time closes its channel ({_consumer_timeout(watched.topology)}).",
        titles.NOT_ACKNOWLEDGED,
        "rabbitmq_queue_messages_unacked (3.8.9, 3.10.8, 4.0.5, 4.3.6)",
        Example(
            {watched.series("rabbitmq_queue_messages_unacked", RABBITMQ): f"{limit + 1}+1xN"},
            value=str(limit + 2 + whole(hold / watched.interval_s)),
            warm_up=1,
        ),
    )


def _consumer_timeout(topology: Topology) -> str:
    if topology.rabbitmq.consumer_timeout is not None:
        return f"consumer_timeout {topology.rabbitmq.consumer_timeout}"
    version = Version.parse(topology.versions.rabbitmq)
    # Release notes of 3.8.15 (15 min), 3.8.17 (30 min) and 4.3.0 (quorum queues only).
    if version < Version(3, 8, 15):
        return "never, before 3.8.15"
    if version < Version(3, 8, 17):
        return "after 15 min"
    return "after 30 min, quorum queues only" if version.series >= (4, 3) else "after 30 min"


def _unroutable(watched: Watched) -> Rule:
    metric = "rabbitmq_channel_messages_unroutable_dropped_total"
    return Rule(
        "RabbitMQMessagesDropped",
        f"increase({metric}{watched.select(RABBITMQ)}[5m]) > 0",
        0,
        "warning",
        "RabbitMQ on {{ $labels.host }} drops messages that no queue is bound for",
        "They were published without `mandatory` and confirmed all the same, so the publisher does not know. A "
        "binding is missing, or before 3.11 the node of a classic queue is down.",
        titles.UNROUTABLE,
        f"{metric} (3.8.9, 3.10.8, 4.0.5, 4.3.6)",
        Example({watched.series(metric, RABBITMQ): "0+1xN"}, watched.labels(RABBITMQ), warm_up=1),
    )


def _unbalanced(watched: Watched) -> Rule:
    topology = watched.topology
    connections = f"rabbitmq_connections{watched.select(RABBITMQ)}"
    expected = sum(client.connections for client in topology.clients.values())
    least = max(4 * watched.count(RABBITMQ), expected // 2)
    algorithms = {listener.balance for _, listener in balancer.amqp_listeners(topology)}
    if "leastconn" in algorithms:
        cure = "leastconn gives it the next connections, so it fills as clients reconnect."
    elif algorithms:
        cure = f"{', '.join(sorted(algorithms))} gives it no more than its share of new connections, so it stays so."
    else:
        cure = "Clients choose their broker themselves, and stay where they are."
    hold = 900
    return Rule(
        "RabbitMQConnectionsUneven",
        f"{connections} < {FEW} * scalar(avg({connections})) and on () sum({connections}) >= {least}",
        hold,
        "info",
        "RabbitMQ on {{ $labels.host }} has far fewer connections than the others",
        f"Less than {FEW:.0%} of the mean for {hold} s, usual after it came back: AMQP connections live long. {cure} "
        "Until then the others carry its load, and its loss would move nobody.",
        titles.UNBALANCED,
        "rabbitmq_connections (3.8.9, 3.10.8, 4.0.5, 4.3.6)",
        Example(
            {
                watched.series("rabbitmq_connections", RABBITMQ, 0): "0xN",
                watched.series("rabbitmq_connections", RABBITMQ, 1): f"{least}xN",
            },
            watched.labels(RABBITMQ),
        ),
    )
