"""Hosts, brokers and what lives in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rmqha_model.consistency.words import missing, unknown
from rmqha_model.errors import Path, Problem
from rmqha_model.queues import QuorumQueue

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["broker_ports", "hosts", "nodes", "queue_rules", "resources"]


def hosts(topology: Topology) -> Iterator[Problem]:
    """Addresses and names that must be each host's own."""
    owner: dict[str, str] = {}
    short: dict[str, str] = {}
    for name, host in topology.hosts.items():
        for index, address in enumerate((host.address, *host.addresses)):
            at: Path = ("hosts", name, "addresses", index - 1) if index else ("hosts", name, "address")
            first = owner.setdefault(str(address.ip), name)
            if first != name:
                yield Problem(at, f"found {address.ip}, which host {first} has", "an address of its own")
            elif index and address.ip in (other.ip for other in (host.address, *host.addresses[: index - 1])):
                yield Problem(at, f"found {address.ip} a second time", "each address once")
        first = short.setdefault(name.partition(".")[0], name)
        if first != name:
            yield Problem(
                ("hosts", name),
                f"found the same first label as host {first}",
                "hosts that differ before the first dot",
                "it is what each host calls itself, and part of its node's name",
            )


def nodes(topology: Topology) -> Iterator[Problem]:
    """Brokers stand on hosts, and one of them is there to be joined."""
    rabbitmq = topology.rabbitmq
    for name in rabbitmq.nodes:
        if name not in topology.hosts:
            yield unknown(("rabbitmq", "nodes", name), "host", name, topology.hosts)
    bare = [name for name in rabbitmq.nodes if name in topology.hosts and "." not in topology.full_name(name)]
    if rabbitmq.long_names and bare:
        yield Problem(
            ("rabbitmq", "long_names"),
            f"found long node names and host {bare[0]} without a domain",
            "`domain` for the design, or host names with dots",
        )
    if not rabbitmq.nodes:
        yield Problem(("rabbitmq", "nodes"), "found no nodes", "at least one host")
        return
    if all(node.type == "ram" for node in rabbitmq.nodes.values()):
        yield Problem(
            ("rabbitmq", "nodes"),
            "found RAM nodes only",
            "at least one disc node",
            "definitions are lost when all stop",
        )
    seed = rabbitmq.formation.seed
    if seed is not None and seed not in rabbitmq.nodes:
        yield unknown(("rabbitmq", "formation", "seed"), "node", seed, rabbitmq.nodes)
    elif rabbitmq.joins_by_script and rabbitmq.nodes[rabbitmq.seed].type == "ram":
        yield Problem(("rabbitmq", "formation", "seed"), f"found RAM node {rabbitmq.seed} as seed", "a disc node")
    if rabbitmq.partition_handling:
        path = ("rabbitmq", "partition_handling", "nodes")
        yield from missing(path, "node", rabbitmq.partition_handling.nodes, rabbitmq.nodes)


def broker_ports(topology: Topology) -> Iterator[Problem]:
    """Each port of the broker serves one purpose, and clients find one open."""
    rabbitmq, ports = topology.rabbitmq, topology.rabbitmq.ports
    seen: dict[int, str] = {}
    for name in type(ports).model_fields:
        port = getattr(ports, name)
        if port is None:
            continue
        first = seen.setdefault(port, name)
        if first != name:
            yield Problem(
                ("rabbitmq", "ports", name), f"found {port}, which is the port of {first} too", "another port"
            )
    if ports.amqp is None and rabbitmq.tls.clients is None:
        yield Problem(
            ("rabbitmq", "ports", "amqp"), "found no AMQP listener at all", "a port, or `rabbitmq.tls.clients`"
        )


def resources(topology: Topology) -> Iterator[Problem]:
    """Vhosts, exchanges and queues that are referred to exist, and none exists twice."""
    rabbitmq = topology.rabbitmq
    top: Path = ("rabbitmq",)
    if not rabbitmq.vhosts:
        yield Problem((*top, "vhosts"), "found no vhost", "at least one, such as /")
    if not rabbitmq.users:
        yield Problem((*top, "users"), "found no user", "at least one", "with guest deleted nobody could log in")
    for name, user in rabbitmq.users.items():
        if name == "guest" and rabbitmq.delete_guest:
            yield Problem((*top, "users", "guest"), "found user guest while delete_guest is on", "another user")
        for vhost in user.permissions or ():
            if rabbitmq.vhosts and vhost not in rabbitmq.vhosts:
                yield unknown((*top, "users", name, "permissions", vhost), "vhost", vhost, rabbitmq.vhosts)
    for field in ("exchanges", "queues", "policies", "operator_policies"):
        seen: set[tuple[str, str]] = set()
        for index, item in enumerate(getattr(rabbitmq, field)):
            if rabbitmq.vhosts and item.vhost not in rabbitmq.vhosts:
                yield unknown((*top, field, index, "vhost"), "vhost", item.vhost, rabbitmq.vhosts)
            if (item.vhost, item.name) in seen:
                yield Problem(
                    (*top, field, index, "name"),
                    f"found {item.name!r} a second time in vhost {item.vhost!r}",
                    "each once",
                )
            seen.add((item.vhost, item.name))
    yield from _bindings(topology)


def _bindings(topology: Topology) -> Iterator[Problem]:
    rabbitmq = topology.rabbitmq
    for index, binding in enumerate(rabbitmq.bindings):
        at: Path = ("rabbitmq", "bindings", index)
        if binding.vhost not in rabbitmq.vhosts:
            if rabbitmq.vhosts:
                yield unknown((*at, "vhost"), "vhost", binding.vhost, rabbitmq.vhosts)
            continue
        exchanges = [x.name for x in rabbitmq.exchanges if x.vhost == binding.vhost]
        queues = [q.name for q in rabbitmq.queues if q.vhost == binding.vhost]
        if binding.source not in exchanges and not binding.source.startswith("amq."):
            yield unknown((*at, "source"), "exchange", binding.source, exchanges)
        known = queues if binding.destination_type == "queue" else exchanges
        if binding.destination not in known and not binding.destination.startswith("amq."):
            yield unknown((*at, "destination"), binding.destination_type, binding.destination, known)


def queue_rules(topology: Topology) -> Iterator[Problem]:
    """What a queue's type refuses when it is declared."""
    for index, queue in enumerate(topology.rabbitmq.queues):
        at: Path = ("rabbitmq", "queues", index)
        if queue.name.startswith("amq."):
            yield Problem(
                (*at, "name"), f"found {queue.name!r}", "names that do not begin with amq., which is RabbitMQ's"
            )
        if isinstance(queue, QuorumQueue) and queue.overflow == "reject-publish-dlx":
            yield Problem((*at, "overflow"), "found reject-publish-dlx on a quorum queue", "drop-head, reject-publish")
        size = getattr(queue, "initial_group_size", None) or getattr(queue, "initial_cluster_size", None)
        if size and size > len(topology.brokers):
            field = "initial_group_size" if isinstance(queue, QuorumQueue) else "initial_cluster_size"
            yield Problem(
                (*at, field), f"found {size} members on {len(topology.brokers)} nodes", "at most as many as nodes"
            )
