"""What is worse than one fault: a site without power, cookies that differ, a host lost, monitoring that is blind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.rabbitmq import COOKIE
from generators.runbook import about
from generators.runbook.names import shortened
from generators.runbook.text import Command, Expected, Fault, code, link
from rmqha_model.timers import broker

if TYPE_CHECKING:
    from generators.runbook.names import Names
    from rmqha_model.topology import Topology

__all__ = ["faults"]


def faults(topology: Topology, names: Names) -> Iterator[Fault]:
    """Give the sections on what is lost together."""
    yield _host_down(topology, names)
    yield _cold_start(topology, names)
    yield _cookie(topology, names)
    yield _targets(topology)


def _host_down(topology: Topology, names: Names) -> Fault:
    balancers = set(topology.load_balancers)
    both = tuple(host for host in topology.brokers if host in balancers)
    see = ["It does not answer; everything on it is gone at once."]
    if both:
        see.append(f"{shortened(both)} run a broker and a load balancer: losing one of them is both faults at once.")
    shared = [
        f"{kind} {domain}: {', '.join(hosts)}" for (kind, domain), hosts in _domains(topology).items() if len(hosts) > 1
    ]
    if shared:
        see.append(f"If more than one is gone, they may share something. {'; '.join(shared)}.")
    links = [link(titles.BROKER_SILENT)] + ([link(titles.BALANCER_DOWN)] if topology.haproxy else [])
    return Fault(
        titles.HOST_DOWN,
        see,
        [names.cluster(), *(names.owners() if topology.keepalived else [])],
        [f"What ran on it says what follows: {', '.join(links)}.", "Get it back, or set up another one in its place."],
        about.survives(topology, 1),
    )


def _domains(topology: Topology) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for name, host in topology.hosts.items():
        for domain in host.domain.items():
            found.setdefault(domain, []).append(name)
    return found if len(topology.hosts) <= 12 else {}


def _cold_start(topology: Topology, names: Names) -> Fault:
    wait = broker.boot_wait(topology)
    majority = len(topology.brokers) // 2 + 1
    do = [
        "Network and name service first; the brokers need each other's names, which are in /etc/hosts of each.",
        f"Start **all** brokers, within {wait.max_s:.0f} s of each other: {code('systemctl start rabbitmq-server')} "
        "on each. "
        + (
            "Each waits for those that were up when it stopped. The one that stopped last starts alone; when you "
            "know which it was, start it first."
            if topology.versions.can("rabbitmq.mnesia")
            else f"Each waits until {majority} of {len(topology.brokers)} run."
        ),
        f"Check: {code('rabbitmqctl cluster_status')} lists all of them as running, and no alarm.",
    ]
    if topology.haproxy:
        do.append(
            f"Then the load balancers: {code('systemctl start haproxy')}. They may start earlier; clients are turned "
            "away until then."
        )
    if topology.keepalived:
        do.append(f"Then {code('systemctl start keepalived')} on each of them.")
    do.append("Then the applications, in groups: all of them at once make a storm of logins.")
    if topology.versions.can("rabbitmq.mnesia"):
        do.append(
            "A broker that gave up (timeout_waiting_for_tables) because the last one to stop is gone for good: "
            f"{code('rabbitmqctl force_boot')} on **one** other, then start it, then the rest. What only the lost "
            "one had is lost."
        )
    else:
        do.append(
            "A majority is gone for good: while **one** survivor waits, "
            f"{code('rabbitmqctl force_standalone_khepri_boot')} on it; then forget the others. What only they had "
            "is lost."
        )
    return Fault(
        titles.COLD_START,
        ["All hosts come up at once, in any order; brokers wait for each other; clients get nothing."],
        [names.cluster(), *names.broker_log()],
        do,
        "nothing that was confirmed, as long as the disks are there. Reset no broker.",
        [
            Expected("a broker waits for its peers before it gives up", wait),
            Expected("quorum queues have leaders, once a majority runs", broker.election_after_silence(topology)),
        ],
        "a broker that is needed does not start: its log says why.",
    )


def _cookie(topology: Topology, names: Names) -> Fault:
    return Fault(
        titles.COOKIE,
        [
            (
                "A node cannot join, or a tool cannot reach its node: the other side's log says *invalid challenge "
                "reply*, or *Connection attempt from node ... rejected*."
            ),
        ],
        [
            Command(
                f"sha256sum {COOKIE}",
                names.each_broker,
                "must be the same everywhere; this shows a digest, not the cookie",
            ),
            Command(f"stat -c '%U:%G %a' {COOKIE}", names.each_broker, "rabbitmq:rabbitmq 400"),
        ],
        [
            (
                f"Put the design's cookie back with the host's {code('install.sh')} and restart that broker. It "
                "refuses "
                "to change the cookie of a node that is in a cluster; if it is this one that is wrong, `--force` does "
                "it."
            ),
            (
                "Tools run by another user read the cookie in that user's home; run them as root, whose wrapper takes "
                "the broker's."
            ),
            "To change the cookie on purpose, stop all brokers: two that differ do not talk to each other.",
        ],
        "the cluster without the node that is kept out: " + about.survives(topology, 1),
    )


def _targets(topology: Topology) -> Fault:
    return Fault(
        titles.TARGETS_MISSING,
        ["Prometheus asks fewer targets than the design has, so alerts are silent that should not be."],
        [
            Command("promtool check config prometheus.yml", "Where Prometheus runs, in its folder"),
            Command(
                (
                    "curl -s 'http://localhost:9090/api/v1/targets?state=active' | grep -o "
                    f'\'"design":"{topology.name}"\' | wc -l'
                ),
                "Where Prometheus runs, in its folder",
            ),
        ],
        ["Install prometheus.yml and rules/rmqha.yml of this design there, and reload Prometheus."],
        "faults that nobody is told of.",
    )
