"""Whether a lab is healthy, and if not, who lacks what."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from integration.errors import LabError, Unhealthy
from integration.lab import stats

if TYPE_CHECKING:
    from integration.lab.lab import Lab

__all__ = ["SERVICES", "complaints", "daemons", "wait_healthy"]

SERVICES = {"rabbitmq": "rabbitmq-server", "haproxy": "haproxy", "keepalived": "keepalived"}
"""systemd's names of the daemons."""
_LONGEST_S = 300
_PAUSE_S = 0.5


def daemons(lab: Lab, host: str) -> tuple[str, ...]:
    """Give the daemons that the design has on *host*."""
    design = lab.topology
    roles = {"rabbitmq": design.brokers, "haproxy": design.load_balancers, "keepalived": design.vrrp_hosts}
    return tuple(daemon for daemon, hosts in roles.items() if host in hosts)


def wait_healthy(lab: Lab, on_step: Callable[[str], None], timeout_s: float = _LONGEST_S) -> None:
    """Wait until nothing is wrong.

    Raises:
        Unhealthy: something still is; the text says what, and holds the last words of who it is about.
    """
    deadline = time.monotonic() + timeout_s
    while found := complaints(lab):
        shown = "; ".join(f"{host}: {what}" if host else what for host, what in found)
        if time.monotonic() > deadline:
            raise Unhealthy(f"not healthy within {timeout_s:.0f} s: {shown}{_why(lab)}{_logs(lab, found)}")
        on_step(f"waiting: {shown}")
        time.sleep(_PAUSE_S)


def complaints(lab: Lab) -> list[tuple[str, str]]:
    """Give what is wrong, as (host, what); the host is empty where it is nobody's alone.

    What is quick to see comes first; the brokers, whose tool takes a second to answer, are asked only when all else
    is well.
    """
    for look in (_powerless, _services, _addresses, _servers, _cluster):
        if found := list(look(lab)):
            return found
    return []


def _powerless(lab: Lab) -> Iterator[tuple[str, str]]:
    for host, machine in lab.hosts.items():
        if not machine.running:
            yield host, "is off"


def _services(lab: Lab) -> Iterator[tuple[str, str]]:
    for host, machine in lab.hosts.items():
        wanted = daemons(lab, host)
        if not wanted:
            continue
        states = machine.run("systemctl", "is-active", *(SERVICES[daemon] for daemon in wanted)).out.split()
        for daemon, state in zip(wanted, states, strict=False):
            if state != "active":
                yield host, f"{SERVICES[daemon]} is {state}"


def _addresses(lab: Lab) -> Iterator[tuple[str, str]]:
    for ip in lab.topology.virtual_ips:
        owners = lab.network.owners(lab.topology.vrrp_hosts, ip)
        if not owners:
            yield "", f"nobody has {ip}"
        elif len(owners) > 1:
            yield "", f"{' and '.join(owners)} both have {ip}"


def _servers(lab: Lab) -> Iterator[tuple[str, str]]:
    for host in lab.topology.load_balancers:
        try:
            found = stats.servers(lab, host)
        except (OSError, subprocess.SubprocessError) as error:
            yield host, f"HAProxy does not tell its state: {error}"
            continue
        for (listener, server), state in (found or {}).items():
            if state not in {"UP", "no check"}:
                yield host, f"{listener} has {server} as {state}"


def _cluster(lab: Lab) -> Iterator[tuple[str, str]]:
    seed = lab.topology.rabbitmq.seed
    status = cluster_status(lab, seed)
    if isinstance(status, str):
        yield seed, status
        return
    wanted = {lab.topology.node_name(host): host for host in lab.topology.brokers}
    for node, host in wanted.items():
        if node not in (*status.get("disk_nodes", ()), *status.get("ram_nodes", ())):
            yield host, f"{node} is no member of the cluster"
        elif node not in status.get("running_nodes", ()):
            yield host, f"{node} does not run"
    for node, others in (status.get("partitions") or {}).items():
        yield wanted.get(node, ""), f"{node} has a partition from {', '.join(others)}"
    for alarm in status.get("alarms") or ():
        yield wanted.get(alarm.get("node", ""), ""), f"alarm: {alarm.get('resource', alarm)}"


def cluster_status(lab: Lab, host: str) -> dict[str, Any] | str:
    """Give what the broker on *host* says of its cluster, or in words why it does not."""
    try:
        done = lab.hosts[host].run("rabbitmqctl", "--silent", "cluster_status", "--formatter", "json", timeout_s=60)
    except LabError as error:
        return str(error)
    start = done.out.find("{")
    if done.status or start < 0:
        said = [line for line in (done.err or done.out).splitlines() if line.strip()]
        return f"does not tell the state of its cluster: {said[0] if said else f'exit status {done.status}'}"
    status: dict[str, Any] = json.loads(done.out[start:])
    return status


def _why(lab: Lab) -> str:
    """Say what is not as the design says, and what to do about it."""
    from integration.diagnose import diagnose, listed

    findings = diagnose(lab)
    return f"\nwhat is wrong, and what to do:\n{listed(findings)}" if findings else ""


def _logs(lab: Lab, found: list[tuple[str, str]]) -> str:
    told = ""
    for host in dict.fromkeys(host for host, _ in found if host):
        machine = lab.hosts[host]
        if machine.running:
            lines = machine.run("journalctl", "--no-pager", "--quiet", "--lines=12", "--output=short-monotonic").out
            told += f"\nlast lines of {host}'s journal:" + "".join(f"\n  {line}" for line in lines.splitlines())
        else:
            told += f"\nlast words of {host}:{machine.last_words()}"
    return told
