"""Whether the brokers are one cluster: members, who sees whom, partitions, alarms, versions, feature flags."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generators.rabbitmq import COOKIE
from integration.diagnose.asking import each
from integration.diagnose.finding import Finding, Topic

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["View", "of_cluster", "of_view", "running_name", "view", "views"]

_WORDS: tuple[tuple[str, str, Topic], ...] = (
    (r"believes its host is different", "a node that has another name than its host", "name"),
    (
        r"Authentication failed|[Ii]nvalid challenge|challenge reply",
        "an Erlang cookie that it does not accept",
        "cookie",
    ),
    (r"nxdomain", "a node name that no address is known for", "name"),
    (r"unable to connect to epmd", "no epmd, Erlang's port mapper, on its port", "node"),
    (r"not running at all|no other nodes on", "no broker registered with epmd: it is not running", "node"),
    (r"TCP connection succeeded but Erlang distribution failed", "a broker that refuses the connection", "cookie"),
    (r"rabbit.*app.*not running|not running on node|nodedown", "a broker that is stopped or still starts", "node"),
)
"""What rabbitmqctl 3.8 to 4.3 says when it cannot reach a node, what it means, and what it is about."""


@dataclass(frozen=True, slots=True)
class View:
    """The cluster as one broker sees it; *error* is what was said where it could not be asked."""

    host: str
    members: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    partitioned: frozenset[str] = frozenset()
    alarms: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def views(stack: Stack) -> list[View]:
    """Give the cluster as every broker that has power sees it."""
    return each(lambda host: view(stack, host), [h for h in stack.topology.brokers if stack.hosts[h].running])


def view(stack: Stack, host: str) -> View:
    """Give the cluster as the broker on *host* sees it."""
    command = ("rabbitmqctl", "--quiet", "--timeout", "30", "cluster_status", "--formatter", "json")
    done = stack.hosts[host].run(*command, timeout_s=60)
    if done.status:
        return View(host, error=done.err.strip() or done.out.strip() or f"exit status {done.status}")
    try:
        facts: dict[str, Any] = json.loads(done.out)
    except ValueError:
        return View(host, error=f"an answer that is not JSON: {done.out.strip()[:200]}")
    node = stack.topology.node_name(host)
    partitions = facts.get("partitions") or {}
    return View(
        host,
        frozenset(facts.get("disk_nodes", ())) | frozenset(facts.get("ram_nodes", ())),
        frozenset(facts.get("running_nodes", ())),
        frozenset(partitions.get(node, ())),
        tuple(_alarm(alarm) for alarm in facts.get("alarms", ())),
        {name: said.get("rabbitmq_version", "") for name, said in (facts.get("versions") or {}).items()},
        {flag["name"]: flag.get("state", "") for flag in facts.get("feature_flags", ()) if _is_stable(flag)},
    )


def _is_stable(flag: Any) -> bool:
    # khepri_db is experimental in 3.13 and 4.0: nobody is asked to enable it.
    return isinstance(flag, dict) and flag.get("stability") in {"stable", "required", None}


def _alarm(alarm: Any) -> str:
    if isinstance(alarm, dict):
        return f"{alarm.get('resource') or alarm.get('type')} alarm of {alarm.get('node')}"
    return str(alarm)


def of_cluster(stack: Stack, seen: list[View] | None = None) -> Iterator[Finding]:
    """Give what is wrong between the brokers."""
    for each_view in views(stack) if seen is None else seen:
        yield from of_view(stack, each_view)


def of_view(stack: Stack, seen: View) -> Iterator[Finding]:
    """Give what is wrong with the cluster as one broker sees it."""
    if seen.error:
        yield _unreachable(stack, seen)
        return
    topology, host = stack.topology, seen.host
    own = topology.node_name(host)
    wanted = {topology.node_name(each_host): each_host for each_host in topology.brokers}
    if absent := sorted(set(wanted) - seen.members):
        yield _not_joined(stack, seen, own, absent)
    if strangers := sorted(seen.members - set(wanted)):
        found = f"members that the design does not have: {', '.join(strangers)}"
        todo = "; ".join(f"rabbitmqctl forget_cluster_node {node}" for node in strangers)
        yield Finding("cluster", host, found, f"members {', '.join(wanted)}", f"if they are gone for good: {todo}")
    for node in sorted((seen.members & set(wanted)) - seen.running):
        yield _not_seen(stack, host, wanted[node], node)
    if seen.partitioned:
        others = ", ".join(sorted(seen.partitioned))
        mend = (
            f"once the network is well, restart rabbitmq-server on the side whose messages may go: {host}, or {others}"
        )
        yield Finding("cluster", host, f"a partition: it and {others} have each gone on alone", "no partition", mend)
    for alarm in seen.alarms:
        mend = (
            "free memory or disk there (rabbitmq-diagnostics memory_breakdown, df): publishers are blocked until then"
        )
        yield Finding("cluster", host, alarm, "no resource alarm", mend)


def _unreachable(stack: Stack, seen: View) -> Finding:
    host = seen.host
    means, topic = next(
        ((means, topic) for pattern, means, topic in _WORDS if re.search(pattern, seen.error)), ("no answer", "node")
    )
    running = running_name(stack, host)
    node = stack.topology.node_name(host)
    if running and running != node:
        means, topic = f"a node that runs as {running}", "name"
    todo = f"journalctl -u rabbitmq-server on {host}"
    if topic == "cookie":
        todo = f"compare {COOKIE} of all brokers (sha256sum), put the design's back, and restart rabbitmq-server"
    elif topic == "name":
        todo = f"compare RABBITMQ_NODENAME in /etc/rabbitmq/rabbitmq-env.conf, /etc/hostname and /etc/hosts on {host}"
    told = [line.strip() for line in seen.error.splitlines() if re.search(r"(?i)error|\* |fail|suggest", line)]
    words = "".join(f"\n    {line[:200]}" for line in (told or seen.error.splitlines())[:4])
    found = f"{means}; rabbitmqctl says:{words}"
    return Finding(topic, f"{host}: rabbitmq-server", found, f"a broker that answers as {node}", todo)


def running_name(stack: Stack, host: str) -> str:
    """Give the name under which the broker of *host* runs; empty where none does."""
    # From 3.9 or so it is not on the command line; what the broker has open is named after it.
    look = "for pid in $(pidof beam.smp); do readlink /proc/$pid/fd/* 2>/dev/null; done"
    said = stack.hosts[host].run("/bin/sh", "-c", look).out
    found = re.search(r"/rabbitmq/(?:mnesia/)?([^/\s@]+@[^/\s]+?)(?:\.log|/)", said)
    return found[1] if found else ""


def _not_joined(stack: Stack, seen: View, own: str, absent: list[str]) -> Finding:
    host = seen.host
    if seen.members <= {own}:
        found = "a broker that is a cluster of its own"
    else:
        found = f"a cluster without {', '.join(absent)}"
    paths = {artefact.path for artefact in stack.bundle.of(host)}
    script = "/usr/local/sbin/rmqha-join-cluster"
    mend = f"{script} on the host that is missing" if script in paths else "rabbitmqctl join_cluster on what is missing"
    reason = _rejected(stack, host)
    members = ", ".join(stack.topology.node_name(other) for other in stack.topology.brokers)
    return Finding("cluster", host, f"{found}{reason}", f"one cluster of {members}", mend)


def _not_seen(stack: Stack, host: str, other: str, node: str) -> Finding:
    if not stack.hosts[other].running:
        return Finding(
            "cluster", host, f"{node} not running: {other} has no power", "all members running", f"start {other}"
        )
    found = f"{node} not running, or not reached{_rejected(stack, host, other)}"
    todo = f"look at rabbitmq-server on {other}, and whether {host} reaches its ports {_ports(stack)}"
    return Finding("cluster", host, found, "all members running", todo)


def _ports(stack: Stack) -> str:
    ports = stack.topology.rabbitmq.ports
    return f"{ports.epmd} and {ports.distribution}"


def _rejected(stack: Stack, *hosts: str) -> str:
    """Give the last word of the brokers' logs about a connection between nodes that was refused."""
    # After such a line nothing says that it is over, so only what was written lately counts.
    look = (
        "find /var/log/rabbitmq -name 'rabbit*.log' -mmin -10 -exec tail -q -n 200 {} + 2>/dev/null |"
        " grep -aE 'challenge|cookie|disallowed node|rejected' | tail -n 1"
    )
    for host in hosts:
        if stack.hosts[host].running and (said := stack.hosts[host].run("/bin/sh", "-c", look).out.strip()):
            return f"; the log of {host} says:\n    {said[:240]}"
    return ""
