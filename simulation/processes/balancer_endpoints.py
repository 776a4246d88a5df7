"""What a client's endpoint is in a design: an HAProxy's port, a broker's, or one on which nobody listens."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Literal, NamedTuple

from rmqha_model.haproxy import AmqpListener, AmqpsListener

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from rmqha_model.workload import Consumer, Probe, Publisher
    from simulation.streams import Streams

__all__ = ["Endpoint", "endpoints", "source"]


class Endpoint(NamedTuple):
    """An address and a port as a client is given them, and what is there."""

    text: str
    kind: Literal["balancer", "broker", "closed"]
    address: str
    """A virtual address, or the name of a host."""
    proxy: str = ""


def endpoints(topology: Topology, part: Probe | Publisher | Consumer) -> tuple[Endpoint, ...]:
    """Give where a client of a workload connects."""
    client = topology.clients[part.client or next(iter(topology.clients))]
    if part.via is not None:
        client = client.model_copy(update={"endpoints": part.via})
    return tuple(_endpoint(topology, ip, port) for ip, port in topology.endpoints_of(client))


def _endpoint(topology: Topology, ip: str, port: int) -> Endpoint:
    text = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
    host = next((name for name in topology.hosts if topology.ip(name) == ip), None)
    virtual = ip in topology.virtual_ips
    if virtual or host in topology.load_balancers:
        for name, listener in (topology.haproxy.listeners if topology.haproxy else {}).items():
            if isinstance(listener, AmqpListener | AmqpsListener) and listener.port == port:
                bound = listener.bind
                here = {"any", "vip" if virtual else "host"}
                if bound in here or (isinstance(bound, tuple) and ip in map(str, bound)):
                    return Endpoint(text, "balancer", ip if virtual else str(host), name)
    ports = topology.rabbitmq.ports
    if host in topology.brokers and port in {ports.amqp, ports.amqps}:
        return Endpoint(text, "broker", str(host))
    return Endpoint(text, "closed", ip if virtual else str(host))


def source(topology: Topology, streams: Streams) -> str:
    """Draw the address that clients come from: any of the network of the first host, which nobody has."""
    network = next(iter(topology.hosts.values())).address.network
    taken = {topology.ip(host) for host in topology.hosts} | set(topology.virtual_ips)
    draw = streams.stream("clients", "address")
    for _ in range(100):
        found = str(network.network_address + 1 + int(draw() * min(network.num_addresses - 2, 1 << 32)))
        if found not in taken:
            break
    return str(ipaddress.ip_address(found))
