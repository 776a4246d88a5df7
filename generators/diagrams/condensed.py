"""A diagram of many hosts: one thing for all hosts of a role in a failure domain."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from generators.diagrams.drawing import Arrow, Box, Drawing, Kind, Thing, ports_behind

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["condensed"]

MOST_GROUPS = 12
"""So many groups can be taken in at a glance."""

MOST_ARROWS = 16
"""So many arrows between load balancers and brokers can be followed; more are led through one point."""

MOST_OUTSIDE = 6
"""So many clients, or addresses, are drawn one by one."""

Group: TypeAlias = tuple[tuple[str, ...], str]
"""The failure domains of a host, widest first, and what it runs."""

ROLES: dict[str, tuple[Kind, str, str]] = {
    "broker": ("broker", "broker", "brokers"),
    "balancer": ("balancer", "load balancer", "load balancers"),
    "both": ("balancer", "load balancer with a broker", "load balancers with a broker each"),
    "other": ("other", "other host", "other hosts"),
}
"""How the hosts of a role are drawn, and what one and several of them are called."""


def condensed(topology: Topology) -> Drawing:
    """Draw hosts in groups by role and failure domain, the domains as fine as fits."""
    drawing = Drawing(f"{topology.name}: {len(topology.hosts)} hosts in groups")
    groups = _groups(topology)
    names = {group: f"group{number}" for number, group in enumerate(dict.fromkeys(groups.values()))}
    sizes = Counter(groups.values())
    for (path, role), name in names.items():
        box = drawing.top
        for level in path:
            box = box.boxes.setdefault(level, Box(level))
        kind, one, several = ROLES[role]
        size = sizes[path, role]
        box.things.append(Thing(name, kind, f"{size} {one if size == 1 else several}"))
    drawing.top = drawing.top.folded()
    in_group = {host: names[group] for host, group in groups.items()}
    _ways_in(topology, drawing, in_group)
    _ways_on(topology, drawing, in_group)
    return drawing


def _groups(topology: Topology) -> dict[str, Group]:
    """Give the group of each host."""
    brokers, balancers = set(topology.brokers), set(topology.load_balancers)
    roles = {}
    for host in topology.hosts:
        broker, balancer = host in brokers, host in balancers
        roles[host] = "both" if broker and balancer else "broker" if broker else "balancer" if balancer else "other"
    paths = {
        name: tuple(f"{kind} {domain}" for kind, domain in host.domain.items()) for name, host in topology.hosts.items()
    }
    depth = max(map(len, paths.values()))
    while depth and len({(paths[host][:depth], roles[host]) for host in roles}) > MOST_GROUPS:
        depth -= 1
    return {host: (paths[host][:depth], roles[host]) for host in topology.hosts}


def _ways_in(topology: Topology, drawing: Drawing, in_group: dict[str, str]) -> None:
    """Draw clients and virtual addresses, each or all at once, and where they lead."""
    places = {topology.ip(host): name for host, name in in_group.items()}
    virtual: dict[str, str] = {}
    owners: dict[str, dict[str, None]] = {}
    instances = topology.keepalived.instances if topology.keepalived else {}
    for instance, settings in instances.items():
        assert topology.keepalived is not None
        for ip in settings.ips:
            virtual[ip] = f"address{len(virtual) if len(topology.virtual_ips) <= MOST_OUTSIDE else 0}"
            targets = owners.setdefault(virtual[ip], {})
            targets |= {in_group[host]: None for host in topology.keepalived.members(instance)}
    if len(virtual) <= MOST_OUTSIDE:
        drawing.outside += [Thing(name, "address", ip) for ip, name in virtual.items()]
    else:
        drawing.outside.append(Thing("address0", "address", f"{len(virtual)} virtual addresses"))
    drawing.arrows += [Arrow(name, target) for name, targets in owners.items() for target in targets]
    clients = topology.clients
    if len(clients) > MOST_OUTSIDE:
        connections = sum(client.connections for client in clients.values())
        label = f"{len(clients)} kinds of clients\n{connections} connections"
        drawing.outside.append(Thing("client0", "client", label))
    ways: dict[Arrow, None] = {}
    for number, (name, client) in enumerate(clients.items()):
        source = f"client{number}" if len(clients) <= MOST_OUTSIDE else "client0"
        if len(clients) <= MOST_OUTSIDE:
            label = f"{name}\n{client.kind}, {client.connections} connection{'s' * (client.connections != 1)}"
            drawing.outside.append(Thing(source, "client", label))
        for ip, port in topology.endpoints_of(client):
            ways[Arrow(source, virtual.get(ip) or places[ip], f":{port}")] = None
    drawing.arrows += ways


def _ways_on(topology: Topology, drawing: Drawing, in_group: dict[str, str]) -> None:
    """Draw the way from load balancers to brokers; through one point where it would be too many arrows."""
    behind = ports_behind(topology)
    sources = dict.fromkeys(in_group[host] for host in topology.load_balancers)
    targets = {in_group[host]: ports for host, ports in behind.items()}
    if len(sources) * len(targets) <= MOST_ARROWS:
        drawing.arrows += [Arrow(source, target, ports) for source in sources for target, ports in targets.items()]
        return
    drawing.outside.append(
        Thing("servers", "other", f"HAProxy's servers\n{', '.join(dict.fromkeys(targets.values()))}")
    )
    drawing.arrows += [Arrow(source, "servers") for source in sources]
    drawing.arrows += [Arrow("servers", target) for target in targets]
