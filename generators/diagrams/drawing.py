"""What a diagram shows, whatever language it is written in: boxes within boxes, what stands in them, and arrows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmqha_model.haproxy import AmqpListener, AmqpsListener, ManagementListener
from rmqha_model.timers import vrrp

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.haproxy import Listener
    from rmqha_model.topology import Topology

__all__ = ["Arrow", "Box", "Drawing", "Kind", "Thing", "drawn", "ports_behind"]

Kind: TypeAlias = Literal["client", "address", "balancer", "broker", "other"]


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is reached: a kind of client, a virtual address, a daemon; *label* may have several lines."""

    name: str
    kind: Kind
    label: str


@dataclass(slots=True)
class Box:
    """A failure domain or a host, and what is in it."""

    label: str
    boxes: dict[str, Box] = field(default_factory=dict)
    things: list[Thing] = field(default_factory=list)
    is_host: bool = False

    def folded(self) -> Box:
        """Give the box with those levels made one that hold nothing but another level: ``power p1, rack a``."""
        inner = {name: box.folded() for name, box in self.boxes.items()}
        only = next(iter(inner.values())) if len(inner) == 1 else None
        if only is not None and not self.things and not self.is_host and not only.is_host and self.label:
            return Box(f"{self.label}, {only.label}", only.boxes, only.things)
        return Box(self.label, inner, self.things, self.is_host)


@dataclass(frozen=True, slots=True)
class Arrow:
    """The way of a connection; a *stand_in* is used when the usual one is gone."""

    source: str
    target: str
    label: str = ""
    stand_in: bool = False


@dataclass(slots=True)
class Drawing:
    """A diagram: *outside* are clients and virtual addresses, which stand on no host of the design."""

    title: str
    outside: list[Thing] = field(default_factory=list)
    top: Box = field(default_factory=lambda: Box(""))
    arrows: list[Arrow] = field(default_factory=list)


def drawn(topology: Topology) -> Drawing:
    """Draw each host with its daemons, in its failure domains."""
    drawing = Drawing(_title(topology))
    brokers = {host: f"rabbit{number}" for number, host in enumerate(topology.brokers)}
    balancers = {host: f"balancer{number}" for number, host in enumerate(topology.load_balancers)}
    broker_ports, listeners = _broker_ports(topology), "\n".join(_listeners(topology))
    for number, (name, host) in enumerate(topology.hosts.items()):
        box = drawing.top
        for kind, domain in host.domain.items():
            box = box.boxes.setdefault(f"{kind} {domain}", Box(f"{kind} {domain}"))
        own = box.boxes.setdefault(f"host {name}", Box(f"{name}\n{host.ip}", is_host=True))
        if name in balancers:
            own.things.append(Thing(balancers[name], "balancer", f"HAProxy\n{listeners}"))
        if name in brokers:
            own.things.append(Thing(brokers[name], "broker", f"RabbitMQ\n{topology.node_name(name)}\n{broker_ports}"))
        if not own.things:
            own.things.append(Thing(f"other{number}", "other", "nothing of this design"))
    drawing.top = drawing.top.folded()
    places = _addresses(topology, drawing, balancers)
    for number, (name, client) in enumerate(topology.clients.items()):
        drawing.outside.append(Thing(f"client{number}", "client", f"{name}\n{client.kind}, {_count(client)}"))
        drawing.arrows += _entries(topology, f"client{number}", client, {**brokers, **places}, balancers)
    for source in balancers.values():
        drawing.arrows += [Arrow(source, brokers[host]) for host in ports_behind(topology)]
    return drawing


def _title(topology: Topology) -> str:
    return f"{topology.name}: {topology.description}" if topology.description else topology.name


def _count(client: Client) -> str:
    return f"{client.connections} connection{'s' * (client.connections != 1)}"


def _broker_ports(topology: Topology) -> str:
    ports, tls = topology.rabbitmq.ports, topology.rabbitmq.tls
    found = [f"amqp :{ports.amqp}"] if ports.amqp else []
    found += [f"amqps :{ports.amqps}"] if tls.clients else []
    if "rabbitmq_management" in topology.rabbitmq.plugins:
        found.append(f"management :{ports.management_tls if tls.management else ports.management}")
    return "\n".join(found)


def _listeners(topology: Topology) -> Iterator[str]:
    """Say where HAProxy listens, and which port of the brokers that leads to."""
    for name, listener in (topology.haproxy.listeners if topology.haproxy else {}).items():
        port = _server_port(topology, listener)
        yield f"{name} :{listener.port}" + (f" \N{RIGHTWARDS ARROW} :{port}" if port else "")


def _server_port(topology: Topology, listener: Listener) -> int | None:
    """Give the port of the brokers that *listener* leads to; ``None`` for HAProxy's own pages."""
    ports, tls = topology.rabbitmq.ports, topology.rabbitmq.tls
    if isinstance(listener, ManagementListener):
        return ports.management_tls if tls.management else ports.management
    if isinstance(listener, AmqpsListener) and listener.mode == "pass_through":
        return ports.amqps
    return ports.amqp or ports.amqps if isinstance(listener, AmqpListener | AmqpsListener) else None


def _addresses(topology: Topology, drawing: Drawing, balancers: dict[str, str]) -> dict[str, str]:
    """Draw the virtual addresses and who owns them; give their things' names by address."""
    places: dict[str, str] = {}
    for name, instance in (topology.keepalived.instances if topology.keepalived else {}).items():
        assert topology.keepalived is not None
        members = topology.keepalived.members(name)
        order = sorted(members, key=lambda host: -vrrp.effective_priority(topology, name, host))
        for ip in instance.ips:
            places[ip] = f"address{len(places)}"
            label = f"{ip}\nKeepalived {name}, VRID {instance.virtual_router_id}"
            drawing.outside.append(Thing(places[ip], "address", label))
            for host in order:
                if host in balancers:
                    # Sorted is stable: of equal priorities the first is as good as any.
                    text = f"priority {vrrp.effective_priority(topology, name, host)}"
                    drawing.arrows.append(Arrow(places[ip], balancers[host], text, stand_in=host != order[0]))
    return places


def _entries(
    topology: Topology, source: str, client: Client, places: dict[str, str], balancers: dict[str, str]
) -> Iterator[Arrow]:
    """Give the arrows from a client to where it connects, those of the same port together."""
    hosts = {topology.ip(host): host for host in topology.hosts}
    amqp = {topology.rabbitmq.ports.amqp, topology.rabbitmq.ports.amqps}
    for ip, port in topology.endpoints_of(client):
        if ip in places:
            target = places[ip]
        else:
            host = hosts[ip]
            broker = host in places and (port in amqp or host not in balancers)
            target = places[host] if broker else balancers.get(host, "")
        if target:
            yield Arrow(source, target, f":{port}")


def ports_behind(topology: Topology) -> dict[str, str]:
    """Give the ports of each broker that load balancers connect to: ``:5672, :15672``."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for listener in (topology.haproxy.listeners if topology.haproxy else {}).values():
        if isinstance(listener, AmqpListener | AmqpsListener | ManagementListener):
            for host in listener.servers or topology.brokers:
                found[host][f":{_server_port(topology, listener)}"] = None
    return {host: ", ".join(ports) for host, ports in found.items()}
