"""Whether each queue of the design is replicated as designed: members of quorum queues and streams, mirrors in step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from integration.diagnose import api
from integration.diagnose.finding import Finding
from rmqha_model.queues import QUORUM_GROUP_SIZE, ClassicQueue, QuorumQueue
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.queues import Policy, Queue

__all__ = ["Copies", "leaders", "look", "members_wanted", "mirrors_wanted", "of_cluster", "of_queue"]


@dataclass(frozen=True, slots=True)
class Copies:
    """Where a queue is: its leader (a classic queue's home), its members, and those that are up and in step."""

    type: str
    state: str
    leader: str
    members: tuple[str, ...]
    in_step: tuple[str, ...]


def look(stack: Stack, vhosts: Iterable[str] | None = None) -> dict[tuple[str, str], Copies] | None:
    """Give the queues of the design's vhosts; nothing where the design has no user who may ask the API for them."""
    user = api.user_with(stack, "administrator", "monitoring")
    if user is None:
        return None
    found: dict[tuple[str, str], Copies] = {}
    for vhost in stack.topology.rabbitmq.vhosts if vhosts is None else vhosts:
        for host in stack.topology.brokers:
            if stack.hosts[host].running:
                answer = api.get(stack, host, "/api/queues/{}", user, vhost)
                if answer.ok:
                    found |= {(vhost, queue["name"]): _copies(queue) for queue in answer.content}
                    break
    return found


def _copies(queue: dict[str, Any]) -> Copies:
    kind = queue.get("type", "classic")
    leader = queue.get("leader") or queue.get("node") or ""
    if kind == "classic":
        mirrors = (leader, *(queue.get("slave_nodes") or ()))
        in_step = (leader, *(queue.get("synchronised_slave_nodes") or ()))
    else:
        mirrors, in_step = tuple(queue.get("members") or ()), tuple(queue.get("online") or ())
    return Copies(kind, queue.get("state", ""), leader, mirrors, in_step)


def members_wanted(stack: Stack, queue: Queue) -> int:
    """Give how many brokers must hold *queue*, a quorum queue or a stream."""
    topology = stack.topology
    brokers = len(topology.brokers)
    if isinstance(queue, QuorumQueue):
        # Before 3.8.12 a quorum queue had a member on every node.
        whole = Version.parse(topology.versions.rabbitmq) < Version(3, 8, 12)
        default = brokers if whole else topology.rabbitmq.quorum_group_size or QUORUM_GROUP_SIZE
        return min(queue.initial_group_size or default, brokers)
    size = getattr(queue, "initial_cluster_size", None)
    return min(size or brokers, brokers)


def policy_of(stack: Stack, queue: Queue) -> Policy | None:
    """Give the policy that applies to *queue*: of those that match, the one with the highest priority."""
    matching = [
        policy
        for policy in stack.topology.rabbitmq.policies
        if policy.vhost == queue.vhost
        and policy.apply_to in {"all", "queues", f"{queue.type}_queues"}
        and re.search(policy.pattern, queue.name)
    ]
    return max(matching, key=lambda policy: policy.priority, default=None)


def mirrors_wanted(stack: Stack, queue: Queue) -> int:
    """Give how many brokers must hold *queue*, a classic one: 1 where nothing mirrors it."""
    policy = policy_of(stack, queue)
    if policy is None or not policy.definition.is_mirroring:
        return 1
    brokers, params = len(stack.topology.brokers), policy.definition.ha_params
    if isinstance(params, int):
        return min(params, brokers)
    return len(params) if isinstance(params, tuple) else brokers


def of_cluster(stack: Stack) -> Iterator[Finding]:
    """Give what is wrong with the replication of the design's queues."""
    if not stack.topology.rabbitmq.queues:
        return
    found = look(stack)
    for queue in stack.topology.rabbitmq.queues if found is not None else ():
        yield from of_queue(stack, queue, (found or {}).get((queue.vhost, queue.name)))


def of_queue(stack: Stack, queue: Queue, copies: Copies | None) -> Iterator[Finding]:
    """Give what is wrong with one queue."""
    where = f"queue {queue.name} of vhost {queue.vhost}"
    if copies is None:
        todo = "/usr/local/sbin/rmqha-apply-queues on a broker"
        yield Finding("queue", where, "no such queue", "it to be declared", todo)
        return
    if copies.type != queue.type:
        todo = "delete it once it is empty, then rmqha-apply-queues"
        yield Finding("queue", where, f"a {copies.type} queue", f"a {queue.type} queue", todo)
        return
    classic = isinstance(queue, ClassicQueue)
    wanted = mirrors_wanted(stack, queue) if classic else members_wanted(stack, queue)
    word = "copies" if classic else "members"
    names = ", ".join(copies.members)
    if len(copies.members) != wanted:
        mend = (
            "look at its policy" if classic else f"rabbitmq-queues add_member --vhost {queue.vhost} {queue.name} NODE"
        )
        yield Finding("queue", where, f"{len(copies.members)} {word} ({names})", f"{wanted} {word}", mend)
    behind = sorted(set(copies.members) - set(copies.in_step))
    if behind:
        lagging = "not in step" if classic else "not online"
        mend = (
            f"rabbitmqctl sync_queue -p {queue.vhost} {queue.name}" if classic else "start the brokers that hold them"
        )
        found = f"{word} {lagging} on {', '.join(behind)}"
        yield Finding("queue", where, found, f"all {wanted} {'in step' if classic else 'online'}", mend)


def leaders(copies: Iterable[Copies]) -> dict[str, int]:
    """Give how many queues each node leads."""
    return dict(sorted(Counter(queue.leader for queue in copies).items()))
