"""What Prometheus asks for metrics: jobs, and their targets with the labels that alerts are told by."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators.quoting import Quoted, yaml
from rmqha_model.haproxy import PrometheusListener
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = [
    "HAPROXY",
    "HOSTS",
    "QUEUES",
    "RABBITMQ",
    "VIRTUAL",
    "Job",
    "Target",
    "gaps",
    "jobs",
    "metrics_listener",
    "queue_metric",
]

RABBITMQ = "rmqha-rabbitmq"
QUEUES = "rmqha-rabbitmq-queues"
HAPROXY = "rmqha-haproxy"
VIRTUAL = "rmqha-virtual-address"
HOSTS = "rmqha-hosts"

QUEUE_FAMILIES = ("ra_metrics", "queue_coarse_metrics")
"""Families of /metrics/detailed: members of quorum queues, and depths of all queues. Read on 3.10.8, 4.0.5, 4.3.6."""

DETAILED = (Version(3, 9, 7), Version(3, 10, 0))
"""From here rabbitmq_prometheus has /metrics/detailed; 3.8 to 3.9.6 answer "Unknown Registry" (3.8.9)."""

SESHAT = Version(4, 2, 0)
"""From here Raft's metrics have names of their own: prometheus_rabbitmq_raft_metrics_collector.erl."""


@dataclass(frozen=True)
class Target:
    """Where one program is asked, and the labels all its metrics get."""

    address: str
    labels: dict[str, str]

    @functools.cached_property
    def entry(self) -> Quoted:
        """The target as an item of ``static_configs``."""
        return Quoted(f"{{targets: {yaml([self.address])}, labels: {yaml(self.labels)}}}")


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of target: what it is, what is asked for, and where."""

    name: str
    what: str
    path: str
    targets: tuple[Target, ...]
    families: tuple[str, ...] = ()


def metrics_listener(topology: Topology) -> PrometheusListener | None:
    """Give HAProxy's own listener for metrics; ``None`` without."""
    listeners = topology.haproxy.listeners.values() if topology.haproxy else ()
    return next((listener for listener in listeners if isinstance(listener, PrometheusListener)), None)


def queue_metric(topology: Topology) -> str | None:
    """Give the metric that every member of a quorum queue has; ``None`` where the release has none by queue."""
    version = Version.parse(topology.versions.rabbitmq)
    if not (DETAILED[0] <= version < Version(3, 10, 0) or version >= DETAILED[1]):
        return None
    return "rabbitmq_detailed_raft_term" if version >= SESHAT else "rabbitmq_detailed_raft_term_total"


def jobs(topology: Topology) -> tuple[Job, ...]:
    """Give every job of the design that has targets."""
    return tuple(job for job in _jobs(topology) if job.targets)


def _jobs(topology: Topology) -> Iterator[Job]:
    labels = _labels(topology)
    rabbitmq = topology.rabbitmq
    if "rabbitmq_prometheus" in rabbitmq.plugins:
        port = rabbitmq.ports.prometheus
        targets = tuple(
            Target(_address(topology.ip(host), port), labels[host] | {"node": topology.node_name(host)})
            for host in topology.brokers
        )
        yield Job(RABBITMQ, "RabbitMQ, plugin rabbitmq_prometheus: sums of each node.", "/metrics", targets)
        if queue_metric(topology):
            what = "The same plugin, queue by queue: two families only, the others cost more than they tell."
            yield Job(QUEUES, what, "/metrics/detailed", targets, QUEUE_FAMILIES)
    listener = metrics_listener(topology)
    if listener is not None:
        own = tuple(_own(topology, labels, listener))
        yield Job(HAPROXY, "HAProxy, its own listener of kind prometheus.", listener.path, own)
        virtual = tuple(_virtual(topology, listener))
        what = "The same listener through each virtual address: an answer means that somebody owns it and serves."
        yield Job(VIRTUAL, what, listener.path, virtual)
    if topology.monitoring.node_exporter:
        port = topology.monitoring.node_exporter
        targets = tuple(Target(_address(topology.ip(host), port), labels[host]) for host in topology.hosts)
        yield Job(HOSTS, "node_exporter of each host.", "/metrics", targets)


def _labels(topology: Topology) -> dict[str, dict[str, str]]:
    brokers, balancers = set(topology.brokers), set(topology.load_balancers)
    found: dict[str, dict[str, str]] = {}
    for name, host in topology.hosts.items():
        roles = ["broker"] * (name in brokers) + ["load_balancer"] * (name in balancers)
        own = {"design": topology.name, "host": name, "role": ",".join(roles) or "other"}
        found[name] = own | dict(host.domain.items())
    return found


def _own(topology: Topology, labels: dict[str, dict[str, str]], listener: PrometheusListener) -> Iterator[Target]:
    """Give the listener at each host's own address, where it binds one."""
    if listener.bind == "vip":
        return
    given = set(map(str, listener.bind)) if isinstance(listener.bind, tuple) else None
    for name in topology.load_balancers:
        host = topology.hosts[name]
        addresses = [str(a.ip) for a in (host.address, *host.addresses)]
        reached = [address for address in addresses if given is None or address in given]
        if reached:
            yield Target(_address(reached[0], listener.port), labels[name])


def _virtual(topology: Topology, listener: PrometheusListener) -> Iterator[Target]:
    """Give the listener at each virtual address, where it binds that."""
    given = set(map(str, listener.bind)) if isinstance(listener.bind, tuple) else None
    for name, instance in (topology.keepalived.instances if topology.keepalived else {}).items():
        for ip in instance.ips:
            if listener.bind in ("any", "vip") or (given is not None and ip in given):
                labels = {"design": topology.name, "address": ip, "vrrp_instance": name}
                yield Target(_address(ip, listener.port), labels)


def _address(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ipaddress.ip_address(ip).version == 6 else f"{ip}:{port}"


def gaps(topology: Topology, found: Collection[str]) -> Iterator[str]:
    """Say what nobody watches where the jobs *found* are all there are, and what in the design would change that."""
    if RABBITMQ not in found:
        yield "Brokers are not watched: rabbitmq_prometheus is not among rabbitmq.plugins."
    elif QUEUES not in found and topology.rabbitmq.queues:
        yield (
            f"Members of quorum queues are not watched: RabbitMQ {topology.versions.rabbitmq} has no metric of them by "
            "queue (3.9.7 and newer do)."
        )
    if topology.haproxy and HAPROXY not in found:
        yield (
            "Load balancers are not watched: haproxy.listeners has none of kind prometheus that binds the hosts' own "
            "addresses. Add, for example, metrics: {kind: prometheus}."
        )
    if topology.keepalived and HOSTS not in found:
        yield (
            "Who owns a virtual address is not watched: keepalived has no metrics of its own. node_exporter tells it, "
            "started with --collector.netdev.address-info: give its port as monitoring.node_exporter."
        )
    elif topology.keepalived:
        yield (
            "Who owns a virtual address is known only where node_exporter runs with --collector.netdev.address-info "
            "(1.4 and newer); keepalived has no metrics of its own."
        )
