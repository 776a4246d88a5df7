"""What each host's observer is told, by the design."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from integration.observe.spec import Api, HaproxySource, ObserveSpec
from rmqha_model.haproxy import AmqpListener, AmqpsListener, ManagementListener, StatsListener

if TYPE_CHECKING:
    from rmqha_model.haproxy import Listener
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["not_seen", "observers"]


def observers(topology: Topology, secrets: Secrets, queues: tuple[tuple[str, str], ...]) -> dict[str, ObserveSpec]:
    """Give the observer of each host; *queues* are those that are looked at."""
    return {
        host: ObserveSpec(
            host,
            topology.virtual_ips if host in topology.vrrp_hosts else (),
            topology.rabbitmq.ports.amqp or topology.rabbitmq.ports.amqps if host in topology.brokers else None,
            _haproxy_port(topology, host) if host in topology.load_balancers else None,
            _source(topology, secrets, host) if host in topology.load_balancers else None,
            _api(topology, secrets, host, queues) if host in topology.brokers else None,
        )
        for host in topology.hosts
    }


def not_seen(topology: Topology) -> Iterator[str]:
    """Say what is not observed of this design."""
    if topology.haproxy and _source(topology, None, topology.load_balancers[0]) is None:
        yield "servers as HAProxy sees them: the design has neither a runtime socket nor a statistics page"
    if _watcher(topology) is None:
        yield "members, leaders and alarms: the design has no management API, or no user with a tag for it"


def _listeners(topology: Topology, *kinds: type[Listener]) -> dict[str, Listener]:
    listeners = topology.haproxy.listeners if topology.haproxy else {}
    return {name: listener for name, listener in listeners.items() if isinstance(listener, kinds)}


def _haproxy_port(topology: Topology, host: str) -> int | None:
    """Give a port on which HAProxy alone listens on *host*: one for clients, if there is such a one."""
    brokers = topology.rabbitmq.ports.model_dump().values() if host in topology.brokers else ()
    taken = {port for port in brokers if isinstance(port, int)}
    every = topology.haproxy.listeners.values() if topology.haproxy else ()
    ordered = [*_listeners(topology, AmqpListener, AmqpsListener).values(), *every]
    return next((listener.port for listener in ordered if listener.port not in taken), None)


def _source(topology: Topology, secrets: Secrets | None, host: str) -> HaproxySource | None:
    haproxy = topology.haproxy
    proxies = tuple(_listeners(topology, AmqpListener, AmqpsListener, ManagementListener))
    if haproxy is None or not proxies:
        return None
    if haproxy.global_.stats_socket:
        return HaproxySource(proxies, haproxy.global_.stats_socket)
    for page in haproxy.listeners.values():
        if not isinstance(page, StatsListener) or page.bind == "vip":
            continue
        address = {"any": "127.0.0.1", "host": topology.ip(host)}.get(str(page.bind)) or str(page.bind[0])
        password = secrets[page.auth.password] if page.auth and secrets else ""
        login = f"{page.auth.user}:{password}" if page.auth else ""
        return HaproxySource(proxies, "", address, page.port, page.uri, login)
    return None


def _watcher(topology: Topology) -> str | None:
    """Give a user who may ask the management API for everything."""
    if "rabbitmq_management" not in topology.rabbitmq.plugins:
        return None
    for wanted in ("monitoring", "administrator"):
        for name, user in topology.rabbitmq.users.items():
            if wanted in user.tags:
                return name
    return None


def _api(topology: Topology, secrets: Secrets, host: str, queues: tuple[tuple[str, str], ...]) -> Api | None:
    user = _watcher(topology)
    if user is None:
        return None
    ports, tls = topology.rabbitmq.ports, topology.rabbitmq.tls.management is not None
    return Api(
        topology.ip(host),
        ports.management_tls if tls else ports.management,
        f"{user}:{secrets[topology.password_of(user)]}",
        tls,
        tuple((topology.node_name(broker), broker) for broker in topology.brokers),
        queues,
    )
