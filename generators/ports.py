"""The port matrix: who may reach which port of a host, and what for; worked out once, for every kind of firewall."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rmqha_model.haproxy import (
    AmqpListener,
    AmqpsListener,
    ManagementListener,
    PrometheusListener,
    StatsListener,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rmqha_model.topology import Topology

__all__ = ["Addresses", "Guard", "Matrix", "Opening", "Ports", "Vrrp"]

Addresses: TypeAlias = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
"""Who: networks without overlaps, single hosts among them as /32 and /128; IPv4 first, each family in order."""

CLI_PORTS = (10_000, 10_010)
"""Where command-line tools listen, counted from the distribution port: 35672-35682 ("Port Access" in RabbitMQ's
networking guide, 3.8 to 4.3)."""

LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")
"""Where VRRP's multicast comes from with IPv6, whatever other addresses a member has (RFC 5798 5.1.2.1)."""

Ports: TypeAlias = tuple[int, int]
PROXIES = (AmqpListener, AmqpsListener, ManagementListener)


@dataclass(frozen=True, slots=True)
class Opening:
    """Ports of a host that one group may reach, each with its purpose in a word."""

    group: str
    ports: tuple[Ports, ...]
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vrrp:
    """Whose adverts a host hears. *anybody* on the multicast group may send where no address of a sender is known."""

    sources: Addresses
    instances: tuple[str, ...]
    authenticated: bool = False
    anybody: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """All that is guarded on a host; equal for hosts with equal parts in the design.

    *ports* are all that the stack listens on, those that nobody needs among them.
    """

    ports: tuple[Ports, ...] = ()
    openings: tuple[Opening, ...] = ()
    vrrp: tuple[Vrrp, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ports or self.vrrp)


class Matrix:
    """The port matrix of a design. *groups* says who stands behind each name of an opening's group."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        firewall = topology.firewall
        clients = firewall.clients if firewall.clients is not None else topology.networks()
        operators = firewall.operators if firewall.operators is not None else clients
        monitoring = firewall.monitoring if firewall.monitoring is not None else operators
        self.groups: dict[str, Addresses] = {
            "brokers": self._of_hosts(topology.brokers),
            "load_balancers": self._of_hosts(topology.load_balancers),
            "clients": merged(clients),
            "operators": merged(operators),
            "monitoring": merged(monitoring),
        }
        self._brokers, self._balancers = set(topology.brokers), set(topology.load_balancers)
        self._everywhere = self._node_exporter()
        self._listening = self._broker_listens()
        self._of_broker = self._broker_ports()
        self._of_balancer = self._listener_ports()
        self._backends = self._backend_ports()
        self._direct = self._direct_clients()
        keepalived = topology.keepalived
        self._instances = (
            {name: (instance, keepalived.members(name)) for name, instance in keepalived.instances.items()}
            if keepalived
            else {}
        )
        self._vrrp: dict[tuple[str, ...], tuple[Vrrp, ...]] = {}

    def guard(self, host: str) -> Guard:
        """Give what is guarded on *host*."""
        wanted: dict[str, dict[Ports, str]] = defaultdict(dict)
        for group, ports, purpose in self._wanted(host):
            wanted[group].setdefault(ports, purpose)
        openings = tuple(
            Opening(group, _joined(found), tuple(dict.fromkeys(found[key] for key in sorted(found))))
            for group in self.groups
            if (found := wanted.get(group))
        )
        guarded = {ports for group in wanted.values() for ports in group}
        if host in self._brokers:
            guarded |= self._listening
        own = tuple(name for name, (_, members) in self._instances.items() if host in members)
        if own not in self._vrrp:
            self._vrrp[own] = tuple(self._adverts(own))
        return Guard(_joined(guarded), openings, self._vrrp[own])

    def _wanted(self, host: str) -> Iterator[tuple[str, Ports, str]]:
        if host in self._brokers:
            yield from self._of_broker
            for port, purpose in self._backends[host].items():
                yield "load_balancers", (port, port), purpose
            for port in sorted(self._direct[host]):
                yield "clients", (port, port), "AMQP"
        if host in self._balancers:
            yield from self._of_balancer
        yield from self._everywhere

    def _of_hosts(self, hosts: Iterable[str]) -> Addresses:
        found = (self._topology.hosts[name] for name in hosts)
        return merged(ipaddress.ip_network(a.ip) for host in found for a in (host.address, *host.addresses))

    def _node_exporter(self) -> tuple[tuple[str, Ports, str], ...]:
        port = self._topology.monitoring.node_exporter
        return (("monitoring", (port, port), "node_exporter"),) if port else ()

    def _broker_ports(self) -> tuple[tuple[str, Ports, str], ...]:
        rabbitmq = self._topology.rabbitmq
        ports = rabbitmq.ports
        first = min(ports.distribution + CLI_PORTS[0], 65535)
        found = [
            ("brokers", (ports.epmd, ports.epmd), "epmd"),
            ("brokers", (ports.distribution, ports.distribution), "distribution"),
            ("brokers", (first, min(ports.distribution + CLI_PORTS[1], 65535)), "command-line tools"),
        ]
        if "rabbitmq_management" in rabbitmq.plugins:
            port = ports.management_tls if rabbitmq.tls.management else ports.management
            found.append(("operators", (port, port), "management"))
        if "rabbitmq_prometheus" in rabbitmq.plugins:
            found.append(("monitoring", (ports.prometheus, ports.prometheus), "metrics of RabbitMQ"))
        return tuple(found)

    def _broker_listens(self) -> set[Ports]:
        rabbitmq = self._topology.rabbitmq
        ports = {rabbitmq.ports.amqp, rabbitmq.ports.amqps if rabbitmq.tls.clients else None}
        if "rabbitmq_management" in rabbitmq.plugins:
            ports |= {rabbitmq.ports.management, rabbitmq.ports.management_tls if rabbitmq.tls.management else None}
        return {(port, port) for port in ports if port is not None}

    def _listener_ports(self) -> tuple[tuple[str, Ports, str], ...]:
        haproxy = self._topology.haproxy
        found = []
        for name, listener in (haproxy.listeners if haproxy else {}).items():
            group = "clients"
            if isinstance(listener, ManagementListener | StatsListener):
                group = "operators"
            elif isinstance(listener, PrometheusListener):
                group = "monitoring"
            found.append((group, (listener.port, listener.port), f"listener {name}"))
        return tuple(found)

    def _backend_ports(self) -> dict[str, dict[int, str]]:
        """Give the ports of each broker that load balancers connect to, for clients and for checks."""
        topology, haproxy = self._topology, self._topology.haproxy
        found: dict[str, dict[int, str]] = defaultdict(dict)
        for name, listener in (haproxy.listeners if haproxy else {}).items():
            if not isinstance(listener, PROXIES):
                continue
            server, checked = topology.server_port(listener)[0], topology.check_port(listener)[0]
            for host in listener.servers or topology.brokers:
                found[host].setdefault(server, f"servers of {name}")
                found[host].setdefault(checked, f"checks of {name}")
        return found

    def _direct_clients(self) -> dict[str, set[int]]:
        """Give the AMQP ports of each broker that clients connect to without a load balancer."""
        topology = self._topology
        ports = topology.rabbitmq.ports
        amqp = {ports.amqp, ports.amqps if topology.rabbitmq.tls.clients else None} - {None}
        by_ip = {topology.ip(host): host for host in topology.brokers}
        found: dict[str, set[int]] = defaultdict(set)
        for client in topology.clients.values():
            for ip, port in topology.endpoints_of(client):
                if ip in by_ip and port in amqp:
                    found[by_ip[ip]].add(port)
        return found

    def _adverts(self, instances: tuple[str, ...]) -> Iterator[Vrrp]:
        """Give whom a member of *instances* hears, those that authenticate apart: they come in another protocol."""
        for authenticated in (False, True):
            sources: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
            names: list[str] = []
            anybody = False
            for name in instances:
                authentication = self._instances[name][0].authentication
                if (authentication is not None and authentication.type == "AH") == authenticated:
                    found = self._senders(name)
                    names.append(name)
                    sources += found or ()
                    anybody = anybody or found is None
            if names:
                yield Vrrp(merged(sources), tuple(names), authenticated, anybody)

    def _senders(self, name: str) -> Addresses | None:
        """Give where the adverts of an instance come from; ``None`` where an interface's address is not known."""
        instance, members = self._instances[name]
        version = instance.virtual_addresses[0].address.version
        if not instance.unicast:
            if version == 6:
                return (LINK_LOCAL,)
            if any(m.interface not in (None, self._topology.hosts[host].interface) for host, m in members.items()):
                return None
        return tuple(network for network in self._of_hosts(members) if network.version == version)


def merged(networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> Addresses:
    """Give *networks* in order, those left out that lie within another: sets of a firewall take no overlaps."""
    kept: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for network in sorted(set(networks), key=lambda n: (n.version, int(n.network_address), n.prefixlen)):
        last = kept[-1] if kept else None
        if (
            last is None
            or last.version != network.version
            or int(network.network_address) > int(last.broadcast_address)
        ):
            kept.append(network)
    return tuple(kept)


def _joined(ports: Iterable[Ports]) -> tuple[Ports, ...]:
    """Give *ports* in order, overlapping ranges as one."""
    kept: list[Ports] = []
    for first, last in sorted(ports):
        if kept and first <= kept[-1][1]:
            kept[-1] = (kept[-1][0], max(last, kept[-1][1]))
        else:
            kept.append((first, last))
    return tuple(kept)
