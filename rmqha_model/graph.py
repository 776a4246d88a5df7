"""The design as a graph: who reaches what, which single thing is fatal, and which sets of things are.

Nodes are everything that can be lost: failure domains, hosts, and the daemons on them. A daemon is up when it,
its host and its host's domains are. What can be lost on the way from a client to a queue follows from three
questions: is there a way in, does it lead to a live broker, and can the brokers that are left confirm a message.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx

from rmqha_model.haproxy import AmqpListener, AmqpsListener
from rmqha_model.queues import QUORUM_GROUP_SIZE, ClassicQueue, QuorumQueue, StreamQueue

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.queues import Policy, Queue
    from rmqha_model.topology import Topology

__all__ = [
    "Element",
    "graph",
    "losable",
    "minimal_cut_sets",
    "narrowest",
    "reachable_queues",
    "serves",
    "single_points_of_failure",
]


@dataclass(frozen=True, slots=True, order=True)
class Element:
    """Something that can be lost: its kind (``zone``, ``host``, ``rabbitmq``, ...) and its name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def graph(topology: Topology) -> nx.DiGraph[Element]:
    """Give the design as a directed graph.

    An edge ``carries`` leads from a domain to its hosts and from a host to its daemons; an edge ``sends`` leads the
    way of a message: client, virtual address or load balancer, broker, queue.
    """
    made: nx.DiGraph[Element] = nx.DiGraph(name=topology.name)
    for name, host in topology.hosts.items():
        made.add_node(Element("host", name))
        for kind, domain in host.domain.items():
            made.add_edge(Element(kind, domain), Element("host", name), role="carries")
    for daemon, hosts in _daemons(topology):
        for carrier in hosts:
            made.add_edge(Element("host", carrier), Element(daemon, carrier), role="carries")
    for name, client in topology.clients.items():
        source = Element("client", name)
        made.add_node(source)
        for entry in _entries(topology, client):
            made.add_edge(source, entry, role="sends")
            if entry.kind == "vip":
                for owner in _owners(topology, entry.name):
                    made.add_edge(entry, Element("keepalived", owner), role="sends")
                    made.add_edge(Element("keepalived", owner), Element("haproxy", owner), role="sends")
        for balancer in topology.load_balancers:
            if Element("haproxy", balancer) in made:
                for broker in _behind(topology, client):
                    made.add_edge(Element("haproxy", balancer), Element("rabbitmq", broker), role="sends")
    for queue in topology.rabbitmq.queues:
        for broker in topology.brokers:
            made.add_edge(Element("rabbitmq", broker), _queue(queue), role="sends")
    return made


def _daemons(topology: Topology) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "rabbitmq", topology.brokers
    yield "haproxy", topology.load_balancers
    yield "keepalived", topology.vrrp_hosts


def _queue(queue: Queue) -> Element:
    return Element("queue", queue.name if queue.vhost == "/" else f"{queue.vhost}/{queue.name}")


def _entries(topology: Topology, client: Client) -> list[Element]:
    """Where a client connects to, whichever of its endpoints answers."""
    if isinstance(client.endpoints, tuple):
        found: list[Element] = []
        for endpoint in client.endpoints:
            ports = topology.rabbitmq.ports
            broker = endpoint.host in topology.brokers and endpoint.port in (ports.amqp, ports.amqps)
            found.append(Element("rabbitmq" if broker else "haproxy", endpoint.host))
        return found
    via = topology.way_of(client)
    if via == "vip":
        return [Element("vip", address) for address, _ in topology.endpoints_of(client)]
    if via == "load_balancers":
        return [Element("haproxy", host) for host in topology.load_balancers]
    return [Element("rabbitmq", host) for host in topology.brokers]


def _owners(topology: Topology, address: str) -> tuple[str, ...]:
    assert topology.keepalived is not None
    for name, instance in topology.keepalived.instances.items():
        if address in instance.ips:
            return tuple(topology.keepalived.members(name))
    return ()


def _behind(topology: Topology, client: Client) -> tuple[str, ...]:
    if topology.haproxy is None:
        return ()
    listener = topology.haproxy.listeners[topology.listener_of(client)]
    chosen = listener.servers if isinstance(listener, AmqpListener | AmqpsListener) else {}
    return tuple(chosen) or topology.brokers


# -- what still works when some are lost --------------------------------------------------------------


def _alive(topology: Topology, lost: frozenset[Element]) -> set[Element]:
    """Give the daemons that are up when *lost* are gone."""
    up: set[Element] = set()
    for daemon, hosts in _daemons(topology):
        for host in hosts:
            carriers = {Element("host", host), Element(daemon, host)}
            carriers |= {Element(kind, name) for kind, name in topology.hosts[host].domain.items()}
            if not carriers & lost:
                up.add(Element(daemon, host))
    return up


def _brokers_reached(topology: Topology, client: Client, up: set[Element]) -> set[str]:
    """Give the brokers that a new connection of *client* can end at."""
    reached: set[str] = set()
    live = {broker for broker in _behind(topology, client) if Element("rabbitmq", broker) in up}
    for entry in _entries(topology, client):
        if entry.kind == "rabbitmq":
            reached |= {entry.name} if entry in up else set()
        elif entry.kind == "haproxy":
            reached |= live if entry in up else set()
        elif (owner := _owner(topology, entry.name, up)) and Element("haproxy", owner) in up:
            reached |= live
    return reached


def _owner(topology: Topology, address: str, up: set[Element]) -> str | None:
    """Give who owns a virtual address in the end, by the effective priorities of keepalived.conf(5).

    In the worst case where the past decides: without preemption a member that was the best one stays it while it
    sends adverts at all.
    """
    keepalived = topology.keepalived
    assert keepalived is not None
    name = next(name for name, instance in keepalived.instances.items() if address in instance.ips)
    instance = keepalived.instances[name]
    scripts = keepalived.scripts if instance.track_scripts is None else instance.track_scripts
    processes = keepalived.processes if instance.track_processes is None else instance.track_processes
    weights = [keepalived.scripts[script].weight for script in scripts]
    # The self-healing script stops keepalived, whatever its weight.
    stops = any(keepalived.scripts[script].kind == "self_healing" for script in scripts)
    weights += [keepalived.processes[process].weight for process in processes]
    ranks: dict[str, int] = {}
    sick: list[str] = []
    for host, member in keepalived.members(name).items():
        healthy = Element("haproxy", host) in up
        faulty = not healthy and (stops or any(not weight for weight in weights))
        if Element("keepalived", host) not in up or faulty:
            continue
        changes = (weight for weight in weights if weight and (weight > 0) == healthy)
        # The owner of the address, 255, is not judged by weights.
        owner = member.priority == 255
        ranks[host] = 255 if owner else min(max(member.priority + sum(changes), 1), 254)
        if not healthy:
            sick.append(host)
    if sick and not instance.preempt:
        return sick[0]
    return max(ranks, key=lambda host: (ranks[host], topology.hosts[host].ip), default=None)


def _matches(pattern: str, name: str) -> bool:
    try:
        return bool(re.search(pattern, name))
    except re.error:
        # Perl's own syntax, which RabbitMQ knows and Python does not: the worst case is that it does not match.
        return False


def _policy_of(topology: Topology, queue: Queue) -> Policy | None:
    matching = [p for p in topology.rabbitmq.policies if p.vhost == queue.vhost and p.apply_to != "exchanges"]
    matching = [p for p in matching if _matches(p.pattern, queue.name)]
    return max(matching, key=lambda policy: policy.priority, default=None)


def _members(topology: Topology, queue: Queue) -> int:
    brokers = len(topology.brokers)
    if isinstance(queue, QuorumQueue):
        return min(queue.initial_group_size or topology.rabbitmq.quorum_group_size or QUORUM_GROUP_SIZE, brokers)
    if isinstance(queue, StreamQueue):
        return min(queue.initial_cluster_size or brokers, brokers)
    policy = _policy_of(topology, queue)
    if policy is None or not policy.definition.is_mirroring:
        return 1
    params = policy.definition.ha_params
    wanted = brokers if params is None else len(params) if isinstance(params, tuple) else params
    return min(wanted, brokers)


def _confirms(topology: Topology, queue: Queue | None, up_brokers: set[str]) -> bool:
    """Whether a message to *queue* can be confirmed in the worst placement of its members."""
    lost = len(topology.brokers) - len(up_brokers)
    if not up_brokers:
        return False
    handling = topology.partition_handling()
    majority_only = handling is None or handling.strategy == "pause_minority"
    if majority_only and 2 * len(up_brokers) <= len(topology.brokers):
        return False
    if queue is None:
        # Whatever is declared without a type.
        if topology.default_queue_type() != "quorum":
            return True
        queue = QuorumQueue(name="any")
    members = _members(topology, queue)
    if isinstance(queue, ClassicQueue):
        return lost < members
    return 2 * (members - min(lost, members)) > members


def serves(topology: Topology, lost: Iterable[Element] = ()) -> dict[tuple[str, str], bool]:
    """Tell for each client and queue whether publishing is confirmed when *lost* are gone for good.

    Keys are (client, queue); a design without queues has the queue ``*``: any queue on a broker that is up. Members
    of a queue count as placed in the worst way.
    """
    gone = frozenset(lost)
    up = _alive(topology, gone)
    brokers = {element.name for element in up if element.kind == "rabbitmq"}
    result: dict[tuple[str, str], bool] = {}
    for name, client in topology.clients.items():
        reached = _brokers_reached(topology, client, up)
        queues: list[Queue | None] = [q for q in topology.rabbitmq.queues if q.vhost == topology.vhost_of(client)]
        for queue in queues or [None]:
            label = "*" if queue is None else _queue(queue).name
            result[name, label] = bool(reached) and _confirms(topology, queue, brokers)
    return result


def reachable_queues(topology: Topology, client: str, lost: Iterable[Element] = ()) -> set[str]:
    """Give the queues that *client* can publish to when *lost* are gone."""
    return {queue for (name, queue), works in serves(topology, lost).items() if name == client and works}


def losable(topology: Topology) -> list[Element]:
    """Give everything that can be lost: domains, hosts, daemons; widest first."""
    domains = {Element(kind, name) for host in topology.hosts.values() for kind, name in host.domain.items()}
    order = ("zone", "power", "rack", "hypervisor")
    found = sorted(domains, key=lambda element: (order.index(element.kind), element.name))
    found += [Element("host", name) for name in topology.hosts]
    found += [Element(daemon, host) for daemon, hosts in _daemons(topology) for host in hosts]
    return found


def _closure(topology: Topology, cut: Iterable[Element]) -> frozenset[Element]:
    """Give all that is lost with *cut*: hosts go with their domains, daemons with their hosts."""
    lost = set(cut)
    for name, host in topology.hosts.items():
        if lost & {Element(kind, domain) for kind, domain in host.domain.items()}:
            lost.add(Element("host", name))
    for daemon, hosts in _daemons(topology):
        lost |= {Element(daemon, host) for host in hosts if Element("host", host) in lost}
    return frozenset(lost)


def narrowest(
    topology: Topology, cuts: dict[tuple[Element, ...], tuple[tuple[str, str], ...]]
) -> dict[tuple[Element, ...], tuple[tuple[str, str], ...]]:
    """Leave out of *cuts* those that only add losses to a set of the same size that already does the harm.

    Two dead HAProxys stop the clients; that their two hosts do so too needs no saying.
    """
    closures = {cut: _closure(topology, cut) for cut in cuts}
    return {
        cut: stopped
        for cut, stopped in cuts.items()
        if not any(
            len(other) == len(cut) and set(stopped) <= set(cuts[other]) and closures[other] < closures[cut]
            for other in cuts
        )
    }


def single_points_of_failure(topology: Topology) -> dict[Element, tuple[tuple[str, str], ...]]:
    """Give each element whose loss alone stops some client from some queue, with what it stops."""
    return {cut[0]: stopped for cut, stopped in minimal_cut_sets(topology, largest=1).items()}


def minimal_cut_sets(topology: Topology, *, largest: int = 2) -> dict[tuple[Element, ...], tuple[tuple[str, str], ...]]:
    """Give the smallest sets of elements, of at most *largest*, whose loss stops a (client, queue) pair.

    A set is left out where a part of it already stops the same pair, or where a wider element in it carries a
    narrower one.
    """
    pairs = [pair for pair, works in serves(topology).items() if works]
    cuts: dict[tuple[Element, ...], tuple[tuple[str, str], ...]] = {}
    by_pair: dict[tuple[str, str], list[frozenset[Element]]] = {pair: [] for pair in pairs}
    elements = losable(topology)
    for size in range(1, largest + 1):
        for chosen in itertools.combinations(elements, size):
            lost = frozenset(chosen)
            open_pairs = [pair for pair in pairs if not any(cut <= lost for cut in by_pair[pair])]
            if not open_pairs:
                continue
            works = serves(topology, lost)
            stopped = tuple(pair for pair in open_pairs if not works[pair])
            if stopped:
                cuts[chosen] = stopped
                for pair in stopped:
                    by_pair[pair].append(lost)
    return cuts
