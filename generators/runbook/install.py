"""The first installation, in order, and how to see that it is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.cluster import JOIN, POLICIES, QUEUES, USERS_SCRIPT
from generators.quoting import Quoted, shell
from generators.runbook.text import Command, commands, link, listed, prose
from rmqha_model.haproxy import AmqpsListener

if TYPE_CHECKING:
    from generators.runbook.names import Names
    from rmqha_model.topology import Topology

__all__ = ["first_installation"]

FOLDER = "/root/rmqha"
"""Where the folder of a host is copied to."""


def first_installation(topology: Topology, names: Names) -> Iterator[Quoted]:
    """Give the section line by line."""
    seed = topology.rabbitmq.seed
    yield from prose(
        f"## {titles.INSTALLATION}",
        "",
        "Or let Ansible do all of it: `ansible/README.md` beside this file. By hand, as root, in this order:",
        "",
    )
    made = f"rmqha generate TOPOLOGY --out {shell(topology.name)}"
    yield from prose(
        "**1. Make the files**, and keep `secrets.yaml` beside the topology safe: it is needed every time.", ""
    )
    yield from commands([Command(made, "Where the topology is")])
    yield from prose(
        f"**2. Each host, {seed} first**, in this order. The script installs packages and files, checks them, and "
        "starts what runs there; `--dry-run` shows it, a second run changes nothing.",
        "",
    )
    yield from commands(_copy(topology))
    yield from prose("**3. Make them one cluster, and fill it.**", "")
    yield from commands(_cluster(topology))
    yield from prose("**4. Look whether it is right.** Only then let clients in.", "")
    yield from commands(_verify(topology, names))
    yield from listed(
        [
            (
                f"{len(topology.brokers)} nodes run, no alarm, no partition; each queue has the members the design "
                "gives "
                "it."
            ),
            *([f"HAProxy calls all {len(topology.brokers)} brokers UP."] if topology.haproxy else []),
            *(["Each virtual address is on exactly one host."] if topology.keepalived else []),
            f"If a broker does not join: {link(titles.COOKIE)}.",
        ]
    )


def _copy(topology: Topology) -> Iterator[Command]:
    for host in dict.fromkeys((topology.rabbitmq.seed, *topology.brokers, *topology.hosts)):
        to = f"root@{topology.ip(host)}" if ":" not in topology.ip(host) else f"root@[{topology.ip(host)}]"
        yield Command(
            f"rsync -a {shell(topology.name)}/{host}/ {shell(f'{to}:{FOLDER}/')}", "Where the files were made"
        )
        yield Command(f"ssh root@{topology.ip(host)} {FOLDER}/install.sh", "Where the files were made")


def _cluster(topology: Topology) -> Iterator[Command]:
    seed = topology.rabbitmq.seed
    if topology.rabbitmq.joins_by_script:
        others = [host for host in topology.brokers if host != seed]
        if others:
            where = f"On each other broker ({', '.join(others[:8])}{', ...' if len(others) > 8 else ''})"
            yield Command(JOIN, where, "waits for the seed; a member stays as it is")
    on_seed = f"On {seed}, when all brokers are in"
    yield Command(USERS_SCRIPT, on_seed, "vhosts, users, permissions")
    yield Command(POLICIES, on_seed)
    yield Command(QUEUES, on_seed, "waits for all nodes, so that queues get all their members")


def _verify(topology: Topology, names: Names) -> Iterator[Command]:
    yield names.cluster()
    yield Command("rabbitmq-diagnostics check_running && rabbitmq-diagnostics check_local_alarms", names.each_broker)
    if names.version >= (3, 9):
        yield from names.queues("type", "leader", "members", "online")
    else:
        yield from names.queues("type", "state")
    if topology.haproxy:
        yield from names.haproxy_state()
    if topology.keepalived:
        yield from names.owners()
    for ip, port in dict.fromkeys(e for one in topology.clients.values() for e in topology.endpoints_of(one)[:2]):
        yield Command(*_handshake(topology, ip, port))


def _handshake(topology: Topology, ip: str, port: int) -> tuple[str, str, str]:
    where = "Where clients run"
    ports = topology.rabbitmq.ports
    encrypted = {ports.amqps} if topology.rabbitmq.tls.clients else set()
    if topology.haproxy:
        found = topology.haproxy.listeners.values()
        encrypted |= {listener.port for listener in found if isinstance(listener, AmqpsListener)}
    if port in encrypted:
        host = f"[{ip}]" if ":" in ip else ip
        return f"openssl s_client -connect {shell(f'{host}:{port}')} </dev/null", where, "shows the certificate"
    hello = r"printf 'AMQP\0\0\11\1' >&3 && timeout 5 head -c 20 <&3 | od -c | head -n 2"
    return f"(exec 3<>/dev/tcp/{ip}/{port} && {hello})", where, "a broker answers 001 and its properties"
