"""Which addresses and routes the lab's machines get: hosts those of the design, clients free ones beside them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["client_addresses", "client_routes", "host_routes"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_addresses(topology: Topology) -> tuple[Interface, ...]:
    """Give the clients' addresses: one in each network they may come from, near its upper end, that nobody has."""
    found: dict[Network, Interface] = {}
    taken = _taken(topology)
    for network in _clients_networks(topology):
        free = _highest_free(network, taken)
        if free is not None:
            taken.add(free)
            found[network] = ipaddress.ip_interface(f"{free}/{network.prefixlen}")
    return tuple(found.values())


def client_routes(topology: Topology) -> Iterator[str]:
    """Give the clients' routes to what their addresses do not already lead to."""
    addresses = client_addresses(topology)
    for network in _everything(topology):
        if not any(network.subnet_of(a.network) for a in addresses if a.version == network.version):  # type: ignore[arg-type]
            source = next((a.ip for a in addresses if a.version == network.version), None)
            if source is not None:
                yield f"{network} dev DEV scope link src {source}"


def host_routes(topology: Topology, host: str) -> Iterator[str]:
    """Give the routes of *host* to the networks it has no address in: all are on the same cable."""
    settings = topology.hosts[host]
    own = [address.network for address in (settings.address, *settings.addresses)]
    for network in _everything(topology):
        mine = [each for each in own if each.version == network.version]
        if mine and not any(network.subnet_of(each) for each in mine):  # type: ignore[arg-type]
            yield f"{network} dev DEV scope link" if network.version == 4 else f"{network} dev DEV"


def _clients_networks(topology: Topology) -> tuple[Network, ...]:
    """Give the networks clients come from: the design's own, less what its packet filter keeps out."""
    allowed = topology.firewall.clients
    if allowed is None:
        return topology.networks()
    inside = [n for n in topology.networks() if any(_overlaps(n, each) for each in allowed)]
    # Of two networks that overlap the smaller one is inside the other.
    narrowed = [max((n, *(a for a in allowed if _overlaps(n, a))), key=lambda each: each.prefixlen) for n in inside]
    others = [each for each in allowed if not any(_overlaps(each, n) for n in topology.networks())]
    return tuple(dict.fromkeys((*narrowed, *others)))


def _everything(topology: Topology) -> tuple[Network, ...]:
    virtual = [ipaddress.ip_network(ip) for ip in topology.virtual_ips]
    beyond = [v for v in virtual if not any(_overlaps(v, n) for n in topology.networks())]
    return tuple(dict.fromkeys((*topology.networks(), *_clients_networks(topology), *beyond)))


def _overlaps(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _taken(topology: Topology) -> set[Address]:
    hosts = (a.ip for host in topology.hosts.values() for a in (host.address, *host.addresses))
    return {*hosts, *(ipaddress.ip_address(ip) for ip in topology.virtual_ips)}


def _highest_free(network: Network, taken: Iterable[Address]) -> Address | None:
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.num_addresses > 2:
        first, last = first + 1, last - 1
    used = {int(address) for address in taken if address.version == network.version}
    # Gateways like the highest address; there is none here, but whoever reads an address should not wonder.
    number = next((n for n in range(last - (last - first > 8), first - 1, -1) if n not in used), None)
    return None if number is None else type(network.network_address)(number)
