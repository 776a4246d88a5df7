"""haproxy.cfg: sections of lines, decided here and only printed by the template."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators import quoting
from generators.bundle import Artefact
from generators.header import header
from generators.render import render
from rmqha_model.haproxy import (
    AmqpCheck,
    AmqpListener,
    AmqpsListener,
    HttpCheck,
    ManagementListener,
    NoCheck,
    PrometheusListener,
    Server,
    StatsListener,
)

if TYPE_CHECKING:
    from rmqha_model.haproxy import HAProxyDefaults, HAProxyGlobal, Keepalive, Listener
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology
    from rmqha_model.units import Duration

__all__ = ["PATH", "artefacts"]

PATH = "/etc/haproxy/haproxy.cfg"

Proxy = AmqpListener | AmqpsListener | ManagementListener

AMQP_0_9_1_HEADER = "414d515000000901"
# "AMQP" 0 0 9 1 (AMQP 0-9-1 specification 4.2.2). A broker answers with connection.start, a method frame (type 1) on
# channel 0; one that does not speak the protocol answers with its own header, which begins with "A".
METHOD_FRAME_ON_CHANNEL_0 = "^010000"


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its title line and what stands below it."""

    title: str
    lines: tuple[str, ...]


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:
    """Give haproxy.cfg of every load balancer: one text for all, unless a listener binds the host's own address."""
    if topology.haproxy is None:
        return
    listeners = topology.haproxy.listeners.values()
    secret = any(
        (isinstance(listener, StatsListener) and listener.auth)
        or (isinstance(check := getattr(listener, "check", None), HttpCheck) and check.user)
        for listener in listeners
    )
    shared = None
    if all(listener.bind != "host" for listener in listeners):
        shared = _config(topology, secrets, topology.load_balancers[0])
    for host in topology.load_balancers:
        content = shared or _config(topology, secrets, host)
        # HAProxy reads its configuration as root, before it changes user.
        yield Artefact(host, PATH, content, 0o600 if secret else 0o644, secret=secret)


def _config(topology: Topology, secrets: Secrets, host: str) -> str:
    assert topology.haproxy is not None
    sections = [
        Section("global", tuple(_global(topology.haproxy.global_))),
        Section("defaults", tuple(_defaults(topology.haproxy.defaults))),
    ]
    for name, listener in topology.haproxy.listeners.items():
        sections.append(Section(f"listen {name}", tuple(_listen(topology, secrets, host, listener))))
    what = "HAProxy: spreads the clients' connections over the brokers."
    return render("haproxy.cfg.j2", header=header(topology, what), sections=sections)


def _time(duration: Duration) -> str:
    """Write a time in whole seconds where it is one, else in milliseconds."""
    return f"{duration.ms}ms" if duration.ms % 1000 else f"{duration.ms // 1000}s"


def _global(settings: HAProxyGlobal) -> Iterator[str]:
    for log in settings.log:
        yield f"log {log.target} {log.facility}" + (f" {log.level}" if log.level else "")
    if settings.maxconn is not None:
        yield f"maxconn {settings.maxconn}"
    for keyword in ("chroot", "user", "group", "uid", "gid"):
        if (value := getattr(settings, keyword)) is not None:
            yield f"{keyword} {value}"
    if settings.daemon:
        yield "daemon"
    if settings.pidfile:
        yield f"pidfile {settings.pidfile}"
    if settings.stats_socket:
        # expose-fd lets a reloaded process take the listeners over without refusing anybody (management.txt 9.3).
        yield f"stats socket {settings.stats_socket} mode 600 level admin expose-fd listeners"
    if settings.nbthread is not None:
        yield f"nbthread {settings.nbthread}"
    if settings.hard_stop_after:
        yield f"hard-stop-after {_time(settings.hard_stop_after)}"
    if settings.spread_checks is not None:
        yield f"spread-checks {settings.spread_checks}"
    yield from settings.extra


def _defaults(settings: HAProxyDefaults) -> Iterator[str]:
    yield "log global"
    yield "mode tcp"
    if settings.tcplog:
        yield "option tcplog"
    if settings.dontlognull:
        yield "option dontlognull"
    if settings.log_health_checks:
        yield "option log-health-checks"
    yield f"retries {settings.retries}"
    if settings.redispatch:
        yield "option redispatch"
    if settings.maxconn is not None:
        yield f"maxconn {settings.maxconn}"
    for keyword, limit in settings.timeouts.lines():
        yield f"timeout {keyword} {_time(limit)}"
    yield from _keepalive("clitcpka", settings.client_keepalive)
    yield from _keepalive("srvtcpka", settings.server_keepalive)
    yield from settings.extra


def _keepalive(side: str, keepalive: Keepalive | None) -> Iterator[str]:
    if keepalive is None:
        return
    yield f"option {side}"
    if keepalive.idle:
        yield f"{side}-idle {_time(keepalive.idle)}"
    if keepalive.interval:
        yield f"{side}-intvl {_time(keepalive.interval)}"
    if keepalive.count is not None:
        yield f"{side}-cnt {keepalive.count}"


def _listen(topology: Topology, secrets: Secrets, host: str, listener: Listener) -> Iterator[str]:
    ssl = ""
    if isinstance(listener, AmqpsListener) and listener.mode == "terminate":
        ssl = f" ssl crt {listener.certificate} ssl-min-ver {listener.minimum_version.replace('tls', 'TLS')}"
    for address in _binds(topology, host, listener):
        yield f"bind {address}{ssl}"
    if isinstance(listener, StatsListener | PrometheusListener):
        yield "mode http"
    else:
        yield "mode tcp"
        yield f"balance {listener.balance}"
    if listener.maxconn is not None:
        yield f"maxconn {listener.maxconn}"
    for keyword, limit in listener.timeouts.lines():
        yield f"timeout {keyword} {_time(limit)}"
    if isinstance(listener, StatsListener):
        yield from _stats(secrets, listener)
    elif isinstance(listener, PrometheusListener):
        yield f"http-request use-service prometheus-exporter if {{ path {listener.path} }}"
    else:
        if listener.retries is not None:
            yield f"retries {listener.retries}"
        yield from _check_rules(topology, secrets, listener)
        yield from _servers(topology, listener)
    yield from listener.extra


def _binds(topology: Topology, host: str, listener: Listener) -> Iterator[str]:
    port = listener.port
    if listener.bind == "any":
        v6 = any(":" in ip for ip in (*topology.virtual_ips, *map(topology.ip, topology.load_balancers)))
        yield f":::{port} v4v6" if v6 else f":{port}"
        return
    if listener.bind == "host":
        addresses = [topology.ip(host)]
    elif listener.bind == "vip":
        addresses = list(topology.virtual_ips)
    else:
        addresses = [str(address) for address in listener.bind]
    for address in addresses:
        yield _endpoint(address, port)


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _stats(secrets: Secrets, listener: StatsListener) -> Iterator[str]:
    if listener.httplog:
        yield "option httplog"
    yield "stats enable"
    yield f"stats uri {listener.uri}"
    if listener.refresh:
        yield f"stats refresh {_time(listener.refresh)}"
    if listener.auth:
        yield f"stats auth {quoting.haproxy(f'{listener.auth.user}:{secrets[listener.auth.password]}')}"
    if listener.admin:
        yield "stats admin if TRUE"


def _check_rules(topology: Topology, secrets: Secrets, listener: Proxy) -> Iterator[str]:
    check = listener.check
    if isinstance(check, AmqpCheck):
        yield "option tcp-check"
        yield f"tcp-check send-binary {AMQP_0_9_1_HEADER}"
        yield f"tcp-check expect rbinary {METHOD_FRAME_ON_CHANNEL_0}"
    elif isinstance(check, HttpCheck):
        login = ""
        if check.user is not None:
            password = secrets[topology.password_of(check.user)]
            login = " hdr Authorization " + quoting.haproxy(
                "Basic " + base64.b64encode(f"{check.user}:{password}".encode()).decode()
            )
        yield "option httpchk"
        yield f"http-check send meth GET uri {check.path} ver HTTP/1.1 hdr Host {topology.name}{login}"
        yield "http-check expect status 200"


def _servers(topology: Topology, listener: Proxy) -> Iterator[str]:
    port, _ = topology.server_port(listener)
    shared = _server_options(topology, listener)
    servers = listener.servers or {host: Server() for host in topology.brokers}
    for host, server in servers.items():
        address = topology.full_name(host) if listener.server_address == "name" else topology.ip(host)
        if listener.server_address == "name" and not topology.rabbitmq.long_names:
            address = topology.short_name(host)
        words = [f"server {host} {_endpoint(address, port)}", *shared]
        weight = listener.server.weight if server.weight is None else server.weight
        maxconn = server.maxconn or listener.server.maxconn
        words += [f"weight {weight}"] if weight is not None else []
        words += [f"maxconn {maxconn}"] if maxconn is not None else []
        words += ["backup"] if server.backup else []
        yield " ".join(words)


def _server_options(topology: Topology, listener: Proxy) -> list[str]:
    check, server = listener.check, listener.server
    words: list[str] = []
    if not isinstance(check, NoCheck):
        words.append("check")
        port, encrypted = topology.check_port(listener)
        if isinstance(check, HttpCheck) or check.port is not None:
            words.append(f"port {port}")
        if encrypted and check.kind != "tcp":
            # The check asks whether the broker lives; who it is, the client's own TLS verifies end to end.
            words.append("check-ssl verify none")
        pauses = ((keyword, getattr(check, keyword)) for keyword in ("inter", "fastinter", "downinter"))
        words += [f"{keyword} {value.ms}" for keyword, value in pauses if value is not None]
        words += [f"rise {check.rise}", f"fall {check.fall}"]
    if server.observe:
        words.append(f"observe {server.observe}")
        words += [f"error-limit {server.error_limit}"] if server.error_limit else []
        words += [f"on-error {server.on_error}"] if server.on_error else []
    for keyword, word in (
        ("on-marked-down", server.on_marked_down),
        ("on-marked-up", server.on_marked_up),
        ("init-state", server.init_state),
        ("slowstart", server.slowstart and _time(server.slowstart)),
    ):
        words += [f"{keyword} {word}"] if word else []
    return words
