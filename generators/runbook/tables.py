"""What the design is, at a glance: hosts, addresses, clients, and how long things take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.quoting import Quoted, markdown
from generators.runbook import about
from generators.runbook.text import Expected, code, prose, table
from rmqha_model.timers import Span, balancer, broker, client, vrrp

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.topology import Topology

__all__ = ["addresses", "clients", "expected", "hosts", "listeners", "times"]


def hosts(topology: Topology) -> Iterator[Quoted]:
    """Give the table of hosts."""
    brokers, balancers, owners = set(topology.brokers), set(topology.load_balancers), set(topology.vrrp_hosts)
    seed = topology.rabbitmq.seed
    rows = []
    for name, host in topology.hosts.items():
        runs = []
        if name in brokers:
            runs.append(f"RabbitMQ {code(topology.node_name(name))}{', the seed' if name == seed else ''}")
        runs += ["HAProxy"] * (name in balancers) + ["Keepalived"] * (name in owners)
        domain = ", ".join(f"{kind} {label}" for kind, label in host.domain.items())
        rows.append((code(name), code(host.ip), markdown(host.interface), markdown(domain), ", ".join(runs)))
    yield from table(("Host", "Address", "Interface", "Stands in", "Runs"), rows)


def addresses(topology: Topology) -> Iterator[Quoted]:
    """Give the table of virtual addresses; nothing without."""
    rows = []
    for name, instance in (topology.keepalived.instances if topology.keepalived else {}).items():
        assert topology.keepalived is not None
        members = sorted(
            topology.keepalived.members(name), key=lambda host: -vrrp.effective_priority(topology, name, host)
        )
        order = ", then ".join(f"{host} ({vrrp.effective_priority(topology, name, host)})" for host in members)
        stays = "comes back to the first" if instance.preempt else "stays where it is"
        rows.append((", ".join(map(code, instance.ips)), code(name), str(instance.virtual_router_id), order, stays))
    if rows:
        yield from table(
            ("Virtual address", "Instance", "VRID", "Owner, by priority while all is well", "After a failure"), rows
        )


def listeners(topology: Topology) -> Iterator[Quoted]:
    """Give the table of HAProxy's listeners; nothing without."""
    proxies = dict(balancer.proxies(topology))
    rows = []
    for name, listener in (topology.haproxy.listeners if topology.haproxy else {}).items():
        leads, check = "its own page", ""
        if name in proxies:
            proxy = proxies[name]
            leads, check = f"{len(proxy.servers or topology.brokers)} brokers, {proxy.balance}", proxy.check.kind
        rows.append((code(name), str(listener.port), leads, check))
    if rows:
        yield from table(("HAProxy listens", "Port", "Leads to", "Health check"), rows)


def clients(topology: Topology) -> Iterator[Quoted]:
    """Give the table of clients."""
    rows = []
    for name, settings in topology.clients.items():
        entries = topology.endpoints_of(settings)
        shown = ", ".join(code(_endpoint(ip, port)) for ip, port in entries[:6])
        if len(entries) > 6:
            shown += f" and {len(entries) - 6} more"
        rows.append(
            (code(name), settings.kind, shown, code(topology.vhost_of(settings)), _promises(topology, settings))
        )
    yield from table(("Client", "Library", "Connects to", "Vhost", "Settings that matter here"), rows)


def _endpoint(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _promises(topology: Topology, settings: Client) -> str:
    words = [f"heartbeat {client.heartbeat_s(topology, settings)} s"]
    words.append("confirms" if settings.confirms else "**no confirms: a crash loses messages silently**")
    words.append("manual acks" if settings.ack == "manual" else "**automatic acks: a crash loses deliveries**")
    return ", ".join(words)


def expected(topology: Topology) -> Iterator[Expected]:
    """Give every time that follows from the design."""
    for name, listener in balancer.amqp_listeners(topology):
        yield Expected(f"HAProxy {code(name)}: broker refuses, DOWN", balancer.refused(topology, listener))
        yield Expected(f"HAProxy {code(name)}: broker silent, DOWN", balancer.silent(topology, listener))
        yield Expected(f"HAProxy {code(name)}: broker frozen, DOWN", balancer.frozen(topology, listener))
        yield Expected(f"HAProxy {code(name)}: broker answers again, UP", balancer.back_up(topology, listener))
    for name in topology.keepalived.instances if topology.keepalived else ():
        owner = vrrp.preferred(topology, name)
        yield Expected(f"{code(name)}: {owner} lost", vrrp.takeover_silent(topology, name, owner))
        yield Expected(f"{code(name)}: keepalived of {owner} stopped", vrrp.takeover_graceful(topology, name, owner))
        yield Expected(f"{code(name)}: HAProxy of {owner} dead for good", vrrp.haproxy_failover(topology, name, owner))
        frozen = vrrp.haproxy_failover(topology, name, owner, frozen=True)
        yield Expected(f"{code(name)}: HAProxy of {owner} frozen", frozen)
        yield Expected(f"{code(name)}: back to {owner}", vrrp.failback(topology, name, owner))
    if about.has_quorum_queues(topology):
        yield Expected("quorum queue without leader: broker crashed", broker.election_after_crash(topology))
        yield Expected("quorum queue without leader: broker stopped", broker.election_after_stop(topology))
        yield Expected("quorum queue without leader: broker silent", broker.election_after_silence(topology))
    yield Expected("brokers call a silent one down", broker.net_tick(topology))
    yield Expected("brokers call a frozen one down", broker.hung(topology))
    for name, settings in topology.clients.items():
        yield Expected(f"client {code(name)} notices a silent peer", client.client_notices(topology, settings))
        yield Expected(f"brokers notice a silent {code(name)}", client.broker_notices(topology, settings))
        yield Expected(f"client {code(name)} connects again", client.reconnect(settings))


def times(topology: Topology) -> Iterator[Quoted]:
    """Give the table of times with where they are known from."""
    rows = [
        (one.what, f"**{markdown(str(one.span))}**", markdown(one.span.formula), markdown(one.span.source))
        for one in expected(topology)
    ]
    yield from table(("What", "Expect", "Because, in seconds", "Known from"), rows)
    versions = dict.fromkeys(_known(one.span) for one in expected(topology) if one.span.versions)
    yield from prose(f"They hold for {'; '.join(versions)}.", "")


def _known(span: Span) -> str:
    return "any client" if span.versions == "all" else span.versions
