"""A lab's host damaged by hand, and a diagnosis that names the cause: on the lab RMQHA_LAB names, which is mended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from integration.diagnose import Finding, ailments, diagnose, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.host import Host, Stack

pytestmark = [pytest.mark.slow, pytest.mark.daemon]

PATIENCE_S = 90
COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
CFG, CONF = "/etc/haproxy/haproxy.cfg", "/etc/keepalived/keepalived.conf"
ENV = "/etc/rabbitmq/rabbitmq-env.conf"


@dataclass(frozen=True)
class Damage:
    """Something somebody did to one host: who can have it, the commands, those that undo it, and the diagnosis."""

    name: str
    role: str
    do: str
    undo: str
    topic: str
    words: tuple[str, ...]


def kept(path: str) -> tuple[str, str]:
    """Commands that keep a file as it is, and put it back."""
    return f"cp -a {path} {path}.kept", f"mv -f {path}.kept {path}"


def changed(path: str, change: str, restart: str = "") -> tuple[str, str]:
    """Commands that change a file and restart what reads it, and those that undo both."""
    keep, back = kept(path)
    again = f"; systemctl reset-failed {restart}; systemctl restart {restart} || true" if restart else ""
    return f"{keep}; {change}{again}", f"{back}{again}"


DAMAGES = (
    # -- the three of which it is said that they must be found ---------------------------------
    Damage(
        "cookie",
        "broker",
        # Stopped before: with another cookie the broker cannot even be told to stop.
        f"systemctl stop rabbitmq-server; cp -a {COOKIE} {COOKIE}.kept; chmod 600 {COOKIE};"
        f" printf %s ANOTHERCOOKIE >{COOKIE}; chmod 400 {COOKIE}; systemctl --no-block start rabbitmq-server",
        f"systemctl kill --signal=KILL rabbitmq-server; mv -f {COOKIE}.kept {COOKIE};"
        " systemctl reset-failed rabbitmq-server; systemctl restart rabbitmq-server",
        "cookie",
        ("another Erlang cookie than the design's",),
    ),
    Damage(
        "hosts",
        "broker",
        # Not moved into place: nspawn or others may have the file mounted.
        "cp -a /etc/hosts /etc/hosts.kept; sed -i '1i 127.0.1.1 {other}' /etc/hosts",
        "cat /etc/hosts.kept >/etc/hosts; rm /etc/hosts.kept",
        "name",
        ("{other} resolved to 127.0.1.1, a loopback address", "line 1 of /etc/hosts"),
    ),
    Damage(
        "haproxy",
        "balancer",
        *changed(CFG, f"printf '\\nlisten broken\\n    balanse roundrobin\\n' >>{CFG}", "haproxy"),
        "unit",
        ("[/etc/haproxy/haproxy.cfg:", "balanse"),
    ),
    # -- others --------------------------------------------------------------------------------
    Damage(
        "port_taken",
        "balancer",
        "systemctl stop haproxy; systemd-run --quiet --unit=thief socat TCP-LISTEN:{port},fork,reuseaddr PIPE; sleep 1;"
        " systemctl start haproxy || true",
        "systemctl stop thief; systemctl reset-failed haproxy; systemctl restart haproxy",
        "unit",
        ("port {port} is taken by process socat",),
    ),
    Damage(
        "masked",
        "vrrp",
        "systemctl --quiet mask --now keepalived",
        "systemctl --quiet unmask keepalived; systemctl start keepalived",
        "unit",
        ("a masked unit",),
    ),
    Damage(
        "disabled",
        "balancer",
        "systemctl --quiet disable haproxy",
        "systemctl --quiet enable haproxy",
        "unit",
        ("a unit that is disabled",),
    ),
    Damage(
        "keepalived",
        "vrrp",
        *changed(CONF, f"printf '\\nvrrp_instance BROKEN {{\\n  stata MASTER\\n}}\\n' >>{CONF}", "keepalived"),
        "file",
        ("keepalived.conf", "changed by hand"),
    ),
    Damage(
        "script",
        "vrrp",
        "s=$(ls /etc/keepalived/*.sh); cp -a $s /root/kept.sh; printf '#!/bin/sh\\necho no >&2; exit 3\\n' >$s",
        "s=$(ls /etc/keepalived/*.sh); cp -a /root/kept.sh $s; rm /root/kept.sh; systemctl restart keepalived",
        "check",
        ("exit status 3: no",),
    ),
    Damage(
        "not_joined",
        "broker",
        "rabbitmqctl stop_app; rabbitmqctl stop_app >/dev/null",
        "rabbitmqctl start_app",
        "cluster",
        ("not running",),
    ),
    Damage(
        "stopped_broker",
        "broker",
        "systemctl stop rabbitmq-server",
        "systemctl start rabbitmq-server",
        "unit",
        ("inactive",),
    ),
    Damage(
        "node_name",
        "broker",
        *changed(
            ENV,
            f"sed -i s/^NODENAME=.*/NODENAME=hare@localhost/\\;s/^RABBITMQ_NODENAME=.*/RABBITMQ_NODENAME=hare/ {ENV}",
        ),
        "file",
        ("rabbitmq-env.conf", "+", "hare"),
    ),
    Damage(
        "alarm",
        "broker",
        "rabbitmqctl --quiet set_vm_memory_high_watermark absolute 10MB",
        "rabbitmqctl --quiet set_vm_memory_high_watermark 0.4",
        "cluster",
        ("memory alarm",),
    ),
    Damage(
        "two_owners",
        "vrrp_backup",
        "ip address add {vip} dev $(ip -o route get {peer} | sed 's/.* dev \\([^ ]*\\).*/\\1/')",
        "ip address del {vip} dev $(ip -o route get {peer} | sed 's/.* dev \\([^ ]*\\).*/\\1/')",
        "address",
        ("it on",),
    ),
    Damage(
        "users",
        "broker",
        "rabbitmqctl --quiet add_user guest guest",
        "rabbitmqctl --quiet delete_user guest",
        "definitions",
        ("the well-known account",),
    ),
    Damage(
        "rights",
        "broker",
        "chmod 0600 /etc/rabbitmq/rabbitmq.conf",
        "chmod 0644 /etc/rabbitmq/rabbitmq.conf",
        "file",
        ("mode 0600", "mode 0644"),
    ),
)


@pytest.fixture(scope="module")
def lab() -> Stack:
    """The lab that is damaged, and mended."""
    name = os.environ.get("RMQHA_LAB")
    if not name:
        pytest.skip("RMQHA_LAB names no lab to be damaged; rmqha lab up makes one")
    from integration.lab import find

    return find(name)


def host_for(lab: Stack, role: str) -> str:
    """The last host that has a role: the seed is left alone where it can be."""
    topology = lab.topology
    able = {
        "broker": topology.brokers,
        "balancer": topology.load_balancers,
        "vrrp": topology.vrrp_hosts,
        "vrrp_backup": tuple(h for h in topology.vrrp_hosts if not owns(lab, h)),
    }[role]
    if not able:
        pytest.skip(f"the design has no host that is a {role}")
    return able[-1]


def owns(lab: Stack, host: str) -> bool:
    """Whether a host has the first virtual address now."""
    return f" {lab.topology.virtual_ips[0]}/" in lab.hosts[host].run("ip", "-o", "address").out


@pytest.fixture
def damaged(lab: Stack) -> Iterator[Callable[[Damage, str, dict[str, str]], Host]]:
    """A way to damage a host, which is undone whatever happens, and waited for."""
    undo: list[tuple[Host, str]] = []

    def act(damage: Damage, name: str, words: dict[str, str]) -> Host:
        host = lab.hosts[name]
        undo.append((host, filled(damage.undo, words)))
        host.check("/bin/bash", "-c", filled(damage.do, words), timeout_s=180)
        return host

    yield act
    for host, command in reversed(undo):
        host.run("/bin/bash", "-c", command, timeout_s=300)
    deadline = time.monotonic() + 180
    while (left := ailments(lab)) and time.monotonic() < deadline:
        time.sleep(1)
    assert not left, f"not mended:\n{listed(left)}"


def filled(text: str, words: dict[str, str]) -> str:
    """Put words into their places; braces of shell stay."""
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damage_is_named(lab: Stack, damaged: Callable[[Damage, str, dict[str, str]], Host], damage: Damage) -> None:
    """The diagnosis has a finding of the right topic, about the right place, that says what was done."""
    topology = lab.topology
    name = host_for(lab, damage.role)
    haproxy = topology.haproxy
    words = {
        "other": next(host for host in topology.brokers if host != name),
        "port": str(next(iter(haproxy.listeners.values())).port) if haproxy else "",
        "vip": f"{topology.virtual_ips[0]}/32" if topology.virtual_ips else "",
        "peer": next(topology.ip(host) for host in topology.hosts if host != name),
    }
    damaged(damage, name, words)
    wanted = [filled(word, words) for word in damage.words]
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = diagnose(lab)
        if any(matches(finding, damage.topic, wanted) for finding in found):
            break
        assert time.monotonic() < deadline, f"no finding of topic {damage.topic} says {wanted}:\n{listed(found)}"
        time.sleep(1)
    if damage.topic != "definitions":
        assert any(matches(f, damage.topic, wanted) and (name in f.where or name in f.found) for f in found)


def matches(finding: Finding, topic: str, words: list[str]) -> bool:
    """Whether a finding is of a topic and says all of some words."""
    return finding.topic == topic and all(word in str(finding) for word in words)
