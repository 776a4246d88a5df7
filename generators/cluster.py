"""The scripts that turn started brokers into the design's cluster: join, users, policies, queues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators import quoting
from generators.bundle import Artefact
from generators.definitions import binding_object, exchange_object, limits_of, queue_object
from generators.header import header
from generators.rabbitmq import USERS
from generators.render import render
from rmqha_model.errors import GenerationError
from rmqha_model.queues import QUORUM_GROUP_SIZE, QuorumQueue
from rmqha_model.versions import Version, supports

if TYPE_CHECKING:
    from rmqha_model.queues import Policy, Queue
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["JOIN", "POLICIES", "QUEUES", "USERS_SCRIPT", "artefacts"]

JOIN = "/usr/local/sbin/rmqha-join-cluster"
USERS_SCRIPT = "/usr/local/sbin/rmqha-apply-users"
POLICIES = "/usr/local/sbin/rmqha-apply-policies"
QUEUES = "/usr/local/sbin/rmqha-apply-queues"


@dataclass(frozen=True, slots=True)
class _Setting:
    """A policy, or the limits of a vhost, as words of a command."""

    what: str
    vhost: str
    value: str = ""
    name: str = ""
    pattern: str = ""
    apply_to: str = ""
    priority: int = 0
    definition: str = ""

    @property
    def vhost_option(self) -> str:
        """The option in one word, so that a vhost that begins with a hyphen is no option."""
        return f"--vhost={self.vhost}"


@dataclass(frozen=True, slots=True)
class _Queue:
    """A queue as the script looks for it."""

    vhost: str
    name: str
    type: str
    members: int
    definition: str


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:  # noqa: ARG001 - no script holds a secret
    """Give the scripts; they are the same on every broker.

    Raises:
        GenerationError: the release cannot import definitions.
    """
    if not supports(topology.versions, "rabbitmq.import_definitions"):
        raise GenerationError(
            f"versions.rabbitmq: found {topology.versions.rabbitmq}, whose rabbitmqctl cannot import definitions; "
            "allowed: 3.8.2 or newer"
        )
    scripts = {USERS_SCRIPT: _users(topology), POLICIES: _policies(topology), QUEUES: _queues(topology)}
    if topology.rabbitmq.joins_by_script:
        scripts[JOIN] = _join(topology)
    for host in topology.brokers:
        for path, content in scripts.items():
            yield Artefact(host, path, content, 0o755)


def _join(topology: Topology) -> str:
    rabbitmq = topology.rabbitmq
    ram = [topology.node_name(host) for host, node in rabbitmq.nodes.items() if node.type == "ram"]
    return render(
        "rmqha-join-cluster.j2",
        header=header(topology, "Makes the RabbitMQ node of this host a member of the cluster."),
        seed=topology.node_name(rabbitmq.seed),
        limit_s=rabbitmq.formation.seed_timeout.whole_s,
        nodes=[topology.node_name(host) for host in topology.brokers],
        ram_nodes=ram,
        has_ram=bool(ram),
        vhosts=["/", *(name for name in rabbitmq.vhosts if name != "/")],
        users=["guest", *(name for name in rabbitmq.users if name != "guest")],
        queues=rabbitmq.queues,
        alone=supports(topology.versions, "rabbitmq.join_cluster_alone"),
    )


def _users(topology: Topology) -> str:
    return render(
        "rmqha-apply-users.j2",
        header=header(topology, "Brings the vhosts, users and permissions of the design into the cluster."),
        definitions=USERS,
        users=list(topology.rabbitmq.users),
        delete_guest=topology.rabbitmq.delete_guest,
    )


def _policies(topology: Topology) -> str:
    rabbitmq = topology.rabbitmq
    return render(
        "rmqha-apply-policies.j2",
        header=header(topology, "Sets the policies and vhost limits of the design."),
        vhosts=list(rabbitmq.vhosts),
        limits=[
            _Setting(f"the limits of vhost {name}", name, quoting.json(value))
            for name in rabbitmq.vhosts
            if (value := limits_of(topology, name))
        ],
        policies=[_policy("policy", policy) for policy in rabbitmq.policies],
        operator_policies=[_policy("operator policy", policy) for policy in rabbitmq.operator_policies],
    )


def _policy(what: str, policy: Policy) -> _Setting:
    return _Setting(
        f"{what} {policy.name} of vhost {policy.vhost}",
        policy.vhost,
        name=policy.name,
        pattern=policy.pattern,
        apply_to=policy.apply_to,
        priority=policy.priority,
        definition=quoting.json(policy.definition.as_json()),
    )


def _queues(topology: Topology) -> str:
    rabbitmq = topology.rabbitmq
    flags = ""
    if rabbitmq.enable_feature_flags:
        flags = "all" if supports(topology.versions, "rabbitmq.enable_all_feature_flags") else "each"
    return render(
        "rmqha-apply-queues.j2",
        header=header(topology, "Declares the exchanges, queues and bindings of the design."),
        node_count=len(topology.brokers),
        limit_s=rabbitmq.formation.seed_timeout.whole_s,
        vhosts=list(rabbitmq.vhosts),
        queues=[_queue(topology, queue) for queue in rabbitmq.queues],
        exchanges=[quoting.json(exchange_object(exchange)) for exchange in rabbitmq.exchanges],
        bindings=[quoting.json(binding_object(binding)) for binding in rabbitmq.bindings],
        flags=flags,
        # list_queues_command.ex: the column is there from 3.9.0 (seen: 3.8.9 refuses it).
        lists_members=Version.parse(topology.versions.rabbitmq).series >= (3, 9),
    )


def _queue(topology: Topology, queue: Queue) -> _Queue:
    members = 0
    if isinstance(queue, QuorumQueue):
        whole = Version.parse(topology.versions.rabbitmq) < Version(3, 8, 12)
        default = len(topology.brokers) if whole else topology.rabbitmq.quorum_group_size or QUORUM_GROUP_SIZE
        members = min(queue.initial_group_size or default, len(topology.brokers))
    definition = quoting.json(queue_object(topology, queue))
    return _Queue(queue.vhost, queue.name, queue.type, members, definition)
