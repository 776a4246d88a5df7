"""Load balancers: what they lead to, and where they listen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rmqha_model.consistency.words import missing, repeated, unknown
from rmqha_model.errors import Path, Problem
from rmqha_model.haproxy import AmqpListener, AmqpsListener, HttpCheck, ManagementListener, NoCheck

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["PROXIES", "Proxy", "load_balancers", "ports_in_use"]

Proxy = AmqpListener | AmqpsListener | ManagementListener
PROXIES = (AmqpListener, AmqpsListener, ManagementListener)


def load_balancers(topology: Topology) -> Iterator[Problem]:
    """HAProxy stands on hosts, and each listener leads to brokers that speak its protocol."""
    haproxy = topology.haproxy
    if haproxy is None:
        return
    yield from missing(("haproxy", "hosts"), "host", haproxy.hosts, topology.hosts)
    yield from repeated(("haproxy", "hosts"), haproxy.hosts)
    for name, listener in haproxy.listeners.items():
        at: Path = ("haproxy", "listeners", name)
        if listener.bind == "vip" and topology.keepalived is None:
            yield Problem(
                (*at, "bind"), "found bind vip without keepalived", "any, host, or `keepalived` with an instance"
            )
        if isinstance(listener, PROXIES):
            for host in listener.servers:
                if host not in topology.rabbitmq.nodes:
                    yield unknown((*at, "servers", host), "broker", host, topology.rabbitmq.nodes)
            yield from _backend(topology, at, listener)


def _backend(topology: Topology, at: Path, listener: Proxy) -> Iterator[Problem]:
    rabbitmq = topology.rabbitmq
    managed = "rabbitmq_management" in rabbitmq.plugins
    if isinstance(listener, AmqpsListener) and listener.mode == "pass_through" and rabbitmq.tls.clients is None:
        yield Problem(
            (*at, "mode"), "found pass_through to brokers without TLS", "`rabbitmq.tls.clients`, or `mode: terminate`"
        )
    elif rabbitmq.ports.amqp is None and isinstance(listener, AmqpListener):
        yield Problem((*at, "kind"), "found amqp, which the brokers do not speak", "amqps, or `rabbitmq.ports.amqp`")
    elif rabbitmq.ports.amqp is None and isinstance(listener, AmqpsListener) and listener.mode == "terminate":
        yield Problem(
            (*at, "mode"),
            "found terminate, which needs brokers that speak plain AMQP",
            "pass_through, or `rabbitmq.ports.amqp`",
        )
    if isinstance(listener, ManagementListener) and not managed:
        yield Problem(
            (*at, "kind"),
            "found management, which the brokers do not serve",
            "rabbitmq_management in `rabbitmq.plugins`",
        )
    check = listener.check
    if isinstance(check, HttpCheck):
        if not managed:
            yield Problem(
                (*at, "check", "kind"),
                "found http, which the brokers do not serve",
                "another kind, or rabbitmq_management in `rabbitmq.plugins`",
            )
        if check.user is not None and check.user not in rabbitmq.users:
            yield unknown((*at, "check", "user"), "user", check.user, rabbitmq.users)
        if check.user is None and not check.path.endswith("/ready-to-serve-clients"):
            yield Problem((*at, "check", "user"), f"found no user for {check.path}", "a user with the monitoring tag")
    encrypted = isinstance(listener, AmqpsListener) and listener.mode == "pass_through"
    if encrypted and check.kind == "amqp" and rabbitmq.tls.clients and rabbitmq.tls.clients.require_peer:
        yield Problem(
            (*at, "check", "kind"),
            "found an AMQP check of brokers that demand a certificate, which the check has not",
            "tcp or http",
        )
    if isinstance(listener, ManagementListener) and check.kind == "amqp":
        yield Problem((*at, "check", "kind"), "found an AMQP check of the management port", "tcp, http or none")
    if not isinstance(check, NoCheck) and not isinstance(check, HttpCheck) and check.port is not None:
        open_ports = _open_ports(topology)
        if check.port not in open_ports:
            yield Problem(
                (*at, "check", "port"),
                f"found {check.port}, which no broker listens on",
                ", ".join(f"{port} ({name})" for port, name in open_ports.items()),
            )


def ports_in_use(topology: Topology) -> Iterator[Problem]:
    """Two programs of a host cannot listen on the same port of the same address."""
    if topology.haproxy is None:
        return
    rabbitmq = topology.rabbitmq
    taken = _open_ports(topology)
    shared = [host for host in topology.haproxy.hosts if host in rabbitmq.nodes]
    used: dict[int, list[tuple[str, object]]] = defaultdict(list)
    for name, listener in topology.haproxy.listeners.items():
        at: Path = ("haproxy", "listeners", name, "port")
        own = rabbitmq.bind == "host" and taken.get(listener.port) in ("amqp", "amqps")
        apart = own and listener.bind not in ("any", "host")
        if shared and listener.port in taken and not apart:
            yield Problem(
                at,
                f"found {listener.port}, which the broker on {shared[0]} listens on ({taken[listener.port]})",
                "a port that is free on every host of haproxy",
                f"for example {_free(listener.port, taken)}",
            )
        for other, bind in used[listener.port]:
            if "any" in (bind, listener.bind) or bind == listener.bind or _overlap(bind, listener.bind):
                yield Problem(
                    at,
                    f"found {listener.port}, which listener {other} has",
                    "another port, or `bind` to other addresses",
                )
        used[listener.port].append((name, listener.bind))


def _open_ports(topology: Topology) -> dict[int, str]:
    """Give the ports a broker listens on, and what for."""
    tls, plugins, ports = topology.rabbitmq.tls, topology.rabbitmq.plugins, topology.rabbitmq.ports
    is_open = {
        "amqp": ports.amqp is not None,
        "amqps": tls.clients is not None,
        # Its plain port is closed when it has TLS.
        "management": "rabbitmq_management" in plugins and tls.management is None,
        "management_tls": "rabbitmq_management" in plugins and tls.management is not None,
        "prometheus": "rabbitmq_prometheus" in plugins,
    }
    return {getattr(ports, name): name for name in type(ports).model_fields if is_open.get(name, True)}


def _overlap(one: object, other: object) -> bool:
    return isinstance(one, tuple) and isinstance(other, tuple) and bool(set(one) & set(other))


def _free(port: int, taken: Iterable[int]) -> int:
    used = set(taken)
    candidates: Iterable[int] = (*range(port - 2, 1024, -1), *range(port + 1, 65535))
    return next(p for p in candidates if p not in used)
