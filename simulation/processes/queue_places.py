"""Where the queues of a design and of a workload are when a scenario begins: leaders, members, mirrors.

Sources: RabbitMQ ``rabbit_queue_location.erl`` v3.10.8 and v4.0.5 (quorum queues; classic ones from 4.0),
``rabbit_queue_location_min_masters.erl`` v3.10.8 (classic ones before), ``rabbit_quorum_queue.erl`` v3.9.29
(``select_quorum_nodes``), ``rabbit_mirror_queue_mode_*.erl`` v3.10.8. The lab's runs on 3.8.9, 3.10.8, 4.0.5 and 4.3.6
agree (leaders before the first fault of 79 timelines).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmqha_model.queues import QUORUM_GROUP_SIZE, ClassicQueue, QuorumQueue, StreamQueue
from rmqha_model.usual import policies
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.queues import Policy, PolicyDefinition, Queue
    from rmqha_model.scenario import Scenario
    from rmqha_model.topology import Topology
    from simulation.streams import Streams

__all__ = ["Place", "places", "policy_of"]

Kind: TypeAlias = Literal["quorum", "mirrored", "classic", "stream"]


@dataclass(frozen=True, slots=True)
class Place:
    """One queue: what it is, and which brokers have it."""

    queue: Queue
    kind: Kind
    leader: str
    members: tuple[str, ...]
    """With the leader, which is first; mirrors from the oldest to the youngest."""
    policy: PolicyDefinition | None = None

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.queue.name


def policy_of(topology: Topology, queue: Queue) -> Policy | None:
    """Give the policy that applies to a queue: of those that match, the one with the highest priority.

    Queues of a measurement have policies of their own (:func:`rmqha_model.usual.policies`).
    """
    kinds = {"all", "queues", {"stream": "streams"}.get(queue.type, f"{queue.type}_queues")}
    matching = [
        policy
        for policy in (*topology.rabbitmq.policies, *policies(topology))
        if policy.vhost == queue.vhost and policy.apply_to in kinds and _matches(policy.pattern, queue.name)
    ]
    return max(matching, key=lambda policy: policy.priority, default=None)


def _matches(pattern: str, name: str) -> bool:
    try:
        return bool(re.search(pattern, name))
    except re.error:
        return False  # Perl's own syntax, which RabbitMQ knows and Python does not


def places(topology: Topology, scenario: Scenario, streams: Streams) -> Iterator[Place]:
    """Give the queues there are, those the workload uses first; of several with one name the workload's own.

    A workload's queues are declared in their order at the design's first broker, just before the scenario begins. The
    design's were declared long ago at its seed: what can lead them has led them by turns, since leaders do not move
    back, and who does now is left to luck; a classic queue without mirrors never moves.
    """
    placing = _Placing(topology, streams)
    found: dict[str, Place] = {}
    for queue in topology.rabbitmq.queues:
        found.setdefault(queue.name, placing.of_design(queue))
    own = {queue.name: placing.of_workload(queue) for queue in scenario.workload.queues}
    used = [publisher.queue for publisher in scenario.workload.publishers.values()]
    for name in dict.fromkeys([*used, *own, *found]):
        if name in own or name in found:
            yield own.get(name) or found[name]


class _Placing:
    """Puts queues one after the other, as each looks at those that are there."""

    def __init__(self, topology: Topology, streams: Streams) -> None:
        self._topology, self._streams = topology, streams
        self._release = Version.parse(topology.versions.rabbitmq)
        self._brokers = tuple(sorted(topology.brokers, key=topology.node_name))  # as Erlang orders them in small maps
        self._leads: dict[str, Counter[str]] = {"quorum": Counter(), "classic": Counter(), "stream": Counter()}
        self._holds: dict[str, Counter[str]] = {"quorum": Counter(), "classic": Counter(), "stream": Counter()}

    def of_workload(self, queue: Queue) -> Place:
        """Put a queue that has just been declared."""
        return self._put(queue, self._topology.brokers[0])

    def of_design(self, queue: Queue) -> Place:
        """Put a queue that has been there for long."""
        place = self._put(queue, self._topology.rabbitmq.seed)
        if len(place.members) == 1:
            return place
        leader = place.members[int(self._luck(queue, "leader") * len(place.members))]
        self._leads[queue.type][place.leader] -= 1
        self._leads[queue.type][leader] += 1
        others = tuple(member for member in place.members if member != leader)
        return Place(queue, place.kind, leader, (leader, *others), place.policy)

    def _luck(self, queue: Queue, *purpose: str) -> float:
        return self._streams.once(queue.vhost, queue.name, *purpose)

    def _put(self, queue: Queue, declared_at: str) -> Place:
        policy = policy_of(self._topology, queue)
        definition = policy.definition if policy else None
        if isinstance(queue, ClassicQueue):
            place = self._classic(queue, definition, declared_at)
        else:
            place = self._replicated(queue, definition, declared_at)
        self._leads[queue.type][place.leader] += 1
        self._holds[queue.type].update(place.members)
        return place

    # -- quorum queues and streams ----------------------------------------------------------------

    def _replicated(self, queue: QuorumQueue | StreamQueue, policy: PolicyDefinition | None, at: str) -> Place:
        members = self._members(queue, self._size(queue), at)
        leader = at
        if self._locator(queue, policy) == "balanced":
            leader = min(sorted(members, key=self._topology.node_name), key=lambda host: self._leads[queue.type][host])
        others = tuple(member for member in members if member != leader)
        return Place(queue, "quorum" if isinstance(queue, QuorumQueue) else "stream", leader, (leader, *others), policy)

    def _size(self, queue: QuorumQueue | StreamQueue) -> int:
        brokers = len(self._brokers)
        if isinstance(queue, StreamQueue):
            return min(queue.initial_cluster_size or brokers, brokers)
        # Before 3.8.12 a quorum queue had a member on every node, unless it said another number itself.
        whole = self._release < Version(3, 8, 12)
        default = brokers if whole else self._topology.rabbitmq.quorum_group_size or QUORUM_GROUP_SIZE
        return min(queue.initial_group_size or default, brokers)

    def _members(self, queue: Queue, size: int, at: str) -> tuple[str, ...]:
        others = [host for host in self._brokers if host != at]
        if size >= len(self._brokers):
            return (at, *others)
        if self._release < Version(3, 10, 0):  # at random
            others.sort(key=lambda host: self._luck(queue, "member", host))
        else:  # those that have the fewest
            others.sort(key=lambda host: self._holds[queue.type][host])
        return (at, *others[: size - 1])

    def _locator(self, queue: QuorumQueue | StreamQueue, policy: PolicyDefinition | None) -> str:
        if not self._topology.versions.can("rabbitmq.balanced_leaders"):
            return "client-local"
        said = (
            (policy and policy.queue_leader_locator) or queue.leader_locator or self._topology.rabbitmq.leader_locator
        )
        return said or "client-local"

    # -- classic queues ---------------------------------------------------------------------------

    def _classic(self, queue: ClassicQueue, policy: PolicyDefinition | None, at: str) -> Place:
        mirrors = self._topology.versions.can("rabbitmq.mirrored_queues")
        mirroring = policy if mirrors and policy and policy.is_mirroring else None
        allowed = self._brokers
        if mirroring and isinstance(mirroring.ha_params, tuple):
            names = {self._topology.node_name(host): host for host in self._brokers}
            allowed = tuple(names[name] for name in mirroring.ha_params if name in names) or self._brokers
        leader = self._home(queue, policy, at, allowed)
        if mirroring is None:
            return Place(queue, "classic", leader, (leader,), policy)
        if leader not in allowed:
            leader = allowed[0]
        others = [host for host in allowed if host != leader]
        if isinstance(mirroring.ha_params, int):
            others.sort(key=lambda host: self._luck(queue, "mirror", host))  # the candidates are shuffled
            others = others[: mirroring.ha_params - 1]
        return Place(queue, "mirrored", leader, (leader, *others), policy)

    def _home(self, queue: ClassicQueue, policy: PolicyDefinition | None, at: str, allowed: tuple[str, ...]) -> str:
        said: str | None = policy.queue_master_locator if policy else None
        if self._release >= Version(4, 0, 0):
            said = (policy.queue_leader_locator if policy else None) or said
        said = str(queue.arguments.get("x-queue-master-locator", "")) or said or self._topology.rabbitmq.leader_locator
        if said in {"balanced", "min-masters", "least-leaders"} or (said == "random" and self._release.major >= 4):
            return min(allowed, key=lambda host: self._leads["classic"][host])
        if said == "random":
            return allowed[int(self._luck(queue, "home") * len(allowed))]
        return at
