"""Whether each HAProxy takes its configuration, serves its listeners, and calls every broker UP."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generators.haproxy import PATH
from integration.diagnose import units
from integration.diagnose.asking import ask
from integration.diagnose.finding import Finding
from rmqha_model.haproxy import NoCheck, PrometheusListener, StatsListener

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.haproxy import Listener

__all__ = ["Server", "address_of", "of_config", "of_page", "of_servers", "page", "servers", "stats_listener"]


@dataclass(frozen=True, slots=True)
class Server:
    """A server as one HAProxy has it: UP, DOWN, MAINT, "no check"; and how its last check ended."""

    proxy: str
    name: str
    status: str
    check: str
    said: str


def stats_listener(stack: Stack) -> tuple[str, StatsListener] | None:
    """Give the design's stats page, if it has one."""
    listeners = stack.topology.haproxy.listeners if stack.topology.haproxy else {}
    return next(((n, each) for n, each in listeners.items() if isinstance(each, StatsListener)), None)


def address_of(stack: Stack, host: str, listener: Listener) -> str:
    """Give an address at which *listener* of *host* is reached; the VIP where it listens there only."""
    topology = stack.topology
    if listener.bind in {"any", "host"}:
        return topology.ip(host)
    if listener.bind == "vip":
        return topology.virtual_ips[0]
    own = [str(a.ip) for a in (topology.hosts[host].address, *topology.hosts[host].addresses)]
    bound = [str(address) for address in listener.bind]
    return next((address for address in bound if address in own), bound[0])


def of_config(stack: Stack, host: str) -> Iterator[Finding]:
    """Give what HAProxy of *host* has against its configuration."""
    reason = units.refused_by_haproxy(stack.hosts[host])
    if reason:
        words = "".join(f"\n    {line}" for line in reason)
        found = f"a configuration that HAProxy refuses; it says:{words}"
        mend = (
            f"put {PATH} on {host} right (its install.sh puts the generated one back), then systemctl restart haproxy"
        )
        yield Finding("balancer", f"{host}: haproxy", found, "one that it takes", mend)


def page(stack: Stack, host: str, *, path: str = "", login: bool = True, password: str | None = None) -> dict[str, Any]:
    """Ask for the stats page of *host*, from its own place; the design has one."""
    found = stats_listener(stack)
    assert found is not None
    _, listener = found
    request = {
        "ask": "http",
        "host": address_of(stack, host, listener),
        "port": listener.port,
        "path": listener.uri + path,
    }
    if listener.auth and login:
        secret = stack.secrets[listener.auth.password] if password is None else password
        request |= {"user": listener.auth.user, "password": secret}
    return ask(stack, [request], host=host)[0]


def of_page(stack: Stack, host: str) -> Iterator[Finding]:
    """Give what is wrong with the stats page of *host*: whether it answers, and to whom."""
    found = stats_listener(stack)
    if found is None:
        return
    name, listener = found
    where = f"{host}: stats page {name}"
    said = page(stack, host)
    mend = f"systemctl status haproxy on {host}; ss -ltnp 'sport = :{listener.port}' shows who listens"
    if "error" in said:
        yield Finding("balancer", where, f"no page: {said['error']}", f"one at port {listener.port}", mend)
    elif said["status"] == 401:
        todo = f"put the design's {PATH} on {host} and reload HAProxy: the running one has another user or password"
        yield Finding(
            "balancer", where, "a page that refuses the design's user and password", "one that takes it", todo
        )
    elif said["status"] != 200:
        yield Finding("balancer", where, f"HTTP status {said['status']} for {listener.uri}", "the page", mend)
    elif listener.auth:
        open_to_all = page(stack, host, login=False)
        if open_to_all.get("status") != 401:
            todo = f"put the design's {PATH} on {host} and reload HAProxy"
            yield Finding("balancer", where, "a page that anybody may see", "one that asks for a password", todo)


def servers(stack: Stack, host: str) -> list[Server] | None:
    """Give every server as HAProxy of *host* has it; nothing where the design lets nobody ask."""
    haproxy = stack.topology.haproxy
    assert haproxy is not None
    if haproxy.global_.stats_socket:
        command = ("socat", "-t5", "-", f"UNIX-CONNECT:{haproxy.global_.stats_socket}")
        text = stack.hosts[host].run(*command, stdin="show stat\n", timeout_s=10).out
    elif stats_listener(stack):
        text = page(stack, host, path=";csv").get("body", "")
    else:
        return None
    rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    return [
        Server(row["pxname"], row["svname"], row["status"], row.get("check_status") or "", row.get("last_chk") or "")
        for row in rows
        if row.get("svname") not in {"FRONTEND", "BACKEND", None}
    ]


def of_servers(stack: Stack, host: str) -> Iterator[Finding]:
    """Give the servers that HAProxy of *host* does not call UP."""
    topology = stack.topology
    seen = servers(stack, host)
    if seen is None or topology.haproxy is None:
        return
    by_name = {(server.proxy, server.name): server for server in seen}
    for name, listener in topology.haproxy.listeners.items():
        if isinstance(listener, StatsListener | PrometheusListener):
            continue
        for broker in listener.servers or topology.brokers:
            server = by_name.get((name, broker))
            where = f"{host}: server {broker} of {name}"
            if server is None:
                mend = f"put the design's {PATH} on {host} and reload HAProxy"
                found = "no such server" if by_name else "no answer from HAProxy"
                yield Finding("balancer", where, found, "a server that is UP", mend)
            elif not isinstance(listener.check, NoCheck) and not server.status.startswith("UP"):
                last = " ".join(word for word in (server.check.removeprefix("* "), server.said) if word)
                found = f"{server.status}{f' (its last check: {last})' if last else ''}"
                port, _ = topology.check_port(listener)
                mend = f"look at rabbitmq-server on {broker}, and whether {host} reaches {topology.ip(broker)}:{port}"
                yield Finding("balancer", where, found, "UP", mend)
