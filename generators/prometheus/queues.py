"""Alerts on quorum queues: how many of their members live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.prometheus.rule import Example, Rule, Watched, any_of, whole
from generators.prometheus.scrape import QUEUES, RABBITMQ, queue_metric
from generators.quoting import promql
from rmqha_model.queues import QUORUM_GROUP_SIZE, QuorumQueue
from rmqha_model.timers import broker
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["default_members", "members_of", "rules"]

BOUNDED = Version(3, 8, 12)
"""From here there is such a number; before, every node is a member."""

EVIDENCE = "by vhost and queue, one row a live member (3.10.8, 4.0.5, 4.3.6), name by release"


def default_members(topology: Topology) -> int:
    """Give how many members a quorum queue has that says nothing itself."""
    brokers = len(topology.brokers)
    if Version.parse(topology.versions.rabbitmq) < BOUNDED:
        return brokers
    return min(topology.rabbitmq.quorum_group_size or QUORUM_GROUP_SIZE, brokers)


def members_of(topology: Topology, queue: QuorumQueue) -> int:
    """Give how many members *queue* has."""
    return min(queue.initial_group_size or default_members(topology), len(topology.brokers))


def rules(watched: Watched) -> Iterator[Rule]:
    """Give the alerts on quorum queues, for each number of members they have in the design."""
    metric = queue_metric(watched.topology)
    if QUEUES not in watched or metric is None:
        return
    for members, rows, name in _groups(watched, metric):
        if members > 1:
            yield _majority(watched, metric, members, rows, name)
            yield _missing(watched, metric, members, rows, name)


def _groups(watched: Watched, metric: str) -> Iterator[tuple[int, str, tuple[str, str]]]:
    """Give number of members, the metric's rows of their queues, and one of those queues (vhost and name)."""
    topology = watched.topology
    usual = default_members(topology)
    special: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for queue in topology.rabbitmq.queues:
        if isinstance(queue, QuorumQueue) and (members := members_of(topology, queue)) != usual:
            special[members][queue.vhost].append(queue.name)
    # The rows of other Raft groups, such as the metadata store, have no queue.
    rest = metric + watched.select(QUEUES, 'queue!=""')
    for members, vhosts in sorted(special.items()):
        rows = " or ".join(
            metric + watched.select(QUEUES, f"vhost={promql(vhost)}", f"queue=~{any_of(names)}")
            for vhost, names in vhosts.items()
        )
        rest += f" unless ({rows})"
        vhost, names = next(iter(vhosts.items()))
        yield members, rows, (vhost, names[0])
    yield usual, rest, ("/", "any")


def _series(watched: Watched, metric: str, live: int, name: tuple[str, str]) -> dict[str, str]:
    vhost, queue = name
    return {watched.series(metric, QUEUES, number, vhost=vhost, queue=queue): "1xN" for number in range(live)}


def _majority(watched: Watched, metric: str, members: int, rows: str, name: tuple[str, str]) -> Rule:
    silence = broker.election_after_silence(watched.topology)
    hold = whole(silence.max_s + watched.interval_s)
    few = members // 2
    return Rule(
        "RabbitMQQuorumQueueWithoutMajority",
        f"count by (vhost, queue) ({rows}) <= {few}",
        hold,
        "critical",
        "Queue {{ $labels.queue }} in vhost {{ $labels.vhost }} has no majority of its members",
        f"At most {few} of {members} members live for {hold} s. Nothing is confirmed or delivered until {few + 1} of "
        f"them run; then it has a leader after {silence} at the latest ({silence.formula}). Nothing that was "
        "confirmed is lost.",
        titles.QUEUE_MAJORITY,
        f"{metric} {EVIDENCE}",
        Example(_series(watched, metric, few, name), {"vhost": name[0], "queue": name[1]}),
        {"members": str(members)},
    )


def _missing(watched: Watched, metric: str, members: int, rows: str, name: tuple[str, str]) -> Rule:
    brokers = watched.count(RABBITMQ)
    live = members - 1
    hold = watched.scrapes(4)
    up = {watched.series("up", RABBITMQ, number): "1xN" for number in range(brokers)}
    return Rule(
        "RabbitMQQuorumQueueMembersMissing",
        f"count by (vhost, queue) ({rows}) < {members} and on () count(up{watched.select(RABBITMQ)} == 1) == {brokers}",
        hold,
        "warning",
        "Queue {{ $labels.queue }} in vhost {{ $labels.vhost }} has fewer members than the design gives it",
        f"All {brokers} brokers run, and fewer than {members} members of it live. It was declared while brokers were "
        "absent, with another group size, or lost a member; the next broker that goes may take its majority.",
        titles.QUEUE_MEMBERS,
        f"{metric} {EVIDENCE}",
        Example(_series(watched, metric, live, name) | up, {"vhost": name[0], "queue": name[1]}),
        {"members": str(members)},
    )
