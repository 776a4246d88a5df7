"""Prometheus: whom it asks, when it alerts, and tests of the alerts.

Only metrics are used that were seen on real daemons; each rule says where. Waiting times follow the design's timers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.bundle import Artefact
from generators.header import header
from generators.prometheus import addresses, balancers, brokers, limits, queues
from generators.prometheus.rule import Example, Rule, Watched
from generators.prometheus.scrape import HAPROXY, HOSTS, QUEUES, RABBITMQ, VIRTUAL, gaps
from generators.prometheus.testing import cases
from generators.quoting import Quoted, comment, yaml
from generators.render import render

if TYPE_CHECKING:
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["CONFIG", "RULES", "TESTS", "Watched", "artefacts", "gaps", "groups"]

CONFIG = "prometheus/prometheus.yml"
RULES = "prometheus/rules/rmqha.yml"
TESTS = "prometheus/tests/rmqha.yml"

KINDS = {
    RABBITMQ: "RabbitMQ",
    QUEUES: "RabbitMQQueue",
    HAPROXY: "HAProxy",
    VIRTUAL: "VirtualAddress",
    HOSTS: "Host",
}
"""What the targets of a job are called in the name of an alert."""

LONGEST_TIMEOUT_S = 10
"""scrape_timeout where nobody says: "<scrape_config>" in the Prometheus manual, 2.42 to 3.5."""

COLUMNS = 112


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:  # noqa: ARG001 - every part is called alike
    """Give the scrape configuration, the alert rules and their tests."""
    interval = topology.monitoring.scrape_interval
    watched = Watched(topology)
    missing = [comment(text) for text in gaps(topology, watched.jobs)]
    found = groups(watched)
    config = render(
        "prometheus/prometheus.yml.j2",
        header=header(topology, "Prometheus: whom it asks. Add your own alertmanagers under `alerting`."),
        gaps=missing,
        interval=interval,
        timeout=min(interval, type(interval)(LONGEST_TIMEOUT_S * 1000)),
        jobs=[(job, comment(job.what, "  # "), yaml({"family": job.families})) for job in watched.jobs.values()],
    )
    yield Artefact(None, CONFIG, config)
    rules = render(
        "prometheus/rules.yml.j2",
        header=header(topology, "Prometheus: when it alerts, with the waiting times of this design."),
        gaps=missing,
        groups=[(f"{topology.name}-{name}", [_shown(topology, rule) for rule in group]) for name, group in found],
    )
    yield Artefact(None, RULES, rules)
    tests = render(
        "prometheus/tests.yml.j2",
        header=header(topology, "Prometheus: that each alert fires, and not too soon. Run: promtool test rules FILE"),
        interval=interval,
        cases=[case for _, group in found for rule in group for case in cases(topology, rule)],
    )
    yield Artefact(None, TESTS, tests)


def groups(watched: Watched) -> list[tuple[str, list[Rule]]]:
    """Give the alerts in groups by what they watch; groups without any are left out."""
    made = [
        ("brokers", [*brokers.rules(watched), *limits.rules(watched), *queues.rules(watched)]),
        ("load-balancers", list(balancers.rules(watched))),
        ("addresses", list(addresses.rules(watched))),
        ("targets", list(_targets(watched))),
    ]
    return [(name, rules) for name, rules in made if rules]


def _targets(watched: Watched) -> Iterator[Rule]:
    for job in watched.jobs.values():
        yield Rule(
            f"{KINDS[job.name]}TargetsMissing",
            f"(count(up{watched.select(job.name)}) or vector(0)) < {len(job.targets)}",
            300,
            "warning",
            f"Prometheus asks {{{{ $value }}}} of {len(job.targets)} targets of job {job.name}",
            "Its configuration is not the one of this design, or was not loaded. What it does not ask, no alert "
            "tells of.",
            titles.TARGETS_MISSING,
            "up: Prometheus's own",
            Example({f"up{watched.select('another')}": "1xN"}, value="0"),
        )


def _shown(topology: Topology, rule: Rule) -> dict[str, object]:
    return {
        "name": rule.name,
        "evidence": comment(rule.evidence, "      # "),
        "expr": Quoted(rule.expr),
        "for_s": rule.for_s,
        "labels": [(name, yaml(value)) for name, value in rule.labels.items()],
        "severity": rule.severity,
        "design": topology.name,
        "summary": yaml(rule.summary),
        "description": _folded(rule.description),
        "runbook": rule.runbook,
    }


def _folded(text: str) -> Quoted:
    """Write a text over several lines, which YAML reads as one; as one where it holds blanks that would get lost."""
    if text != " ".join(text.split()) or not text.isascii():
        return yaml(text)
    lines = textwrap.wrap(text, COLUMNS, break_long_words=False, break_on_hyphens=False)
    return Quoted("\n".join([">-", *(f"            {line}" for line in lines)]))
