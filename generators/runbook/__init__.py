"""The runbook and the plan for changes: for people who need to know at once what to look at, and what to expect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.bundle import Artefact
from generators.diagrams import flowchart
from generators.header import header
from generators.prometheus import Watched, gaps, groups
from generators.quoting import Quoted, markdown
from generators.render import render
from generators.runbook import (
    address_faults,
    balancer_faults,
    broker_faults,
    disasters,
    resource_faults,
    rolling,
    tables,
)
from generators.runbook.install import first_installation
from generators.runbook.names import Names
from generators.runbook.text import commands, link, listed, prose

if TYPE_CHECKING:
    from generators.runbook.text import Command, Fault
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["PLAN", "RUNBOOK", "artefacts"]

RUNBOOK = "runbook.md"
PLAN = "rolling-change.md"


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:  # noqa: ARG001 - every part is called alike
    """Give both documents."""
    names = Names(topology)
    yield Artefact(None, RUNBOOK, _document(topology, "For people on call.", _runbook(topology, names)))
    yield Artefact(None, PLAN, _document(topology, "How to change a running stack.", rolling.plan(topology, names)))


def _document(topology: Topology, what: str, lines: Iterator[Quoted]) -> str:
    return render("document.md.j2", header=header(topology, what, " "), lines=lines)


def _runbook(topology: Topology, names: Names) -> Iterator[Quoted]:
    sections = _sections(topology, names)
    alerts: dict[str, list[str]] = defaultdict(list)
    watched = Watched(topology)
    for _, rules in groups(watched):
        for rule in rules:
            if rule.name not in alerts[rule.title]:
                alerts[rule.title].append(rule.name)
    yield from prose(f"# Runbook of {markdown(topology.name)}", "")
    if topology.description:
        yield from prose(markdown(topology.description), "")
    versions = topology.versions
    balancers = f", HAProxy {versions.haproxy}" * bool(topology.haproxy)
    owners = f", keepalived {versions.keepalived}" * bool(topology.keepalived)
    yield from prose(f"Made for RabbitMQ {versions.rabbitmq}{balancers}{owners}. Changes: [{PLAN}]({PLAN}).", "")
    yield from prose("## Something is wrong", "")
    yield from commands(_first(topology, names))
    for part, faults in sections:
        yield from prose(f"{part}: {', '.join(link(fault.title) for fault in faults)}.", "")
    yield from prose("## What stands where", "")
    yield from tables.hosts(topology)
    yield from tables.addresses(topology)
    yield from tables.listeners(topology)
    yield from tables.clients(topology)
    yield from prose("```mermaid")
    yield from flowchart(topology)
    yield from prose("```", "", "## How long things take", "")
    yield from tables.times(topology)
    for part, faults in sections:
        yield from prose(f"## {part}", "")
        for fault in faults:
            yield from fault.lines(alerts[fault.title])
    yield from first_installation(topology, names)
    if missing := [markdown(text) for text in gaps(topology, watched.jobs)]:
        yield from prose("## What nobody watches", "")
        yield from listed(missing)


def _sections(topology: Topology, names: Names) -> list[tuple[str, list[Fault]]]:
    made = [
        ("Brokers", [*broker_faults.faults(topology, names), *resource_faults.faults(topology, names)]),
        ("Load balancers", list(balancer_faults.faults(topology, names))),
        ("Virtual addresses", list(address_faults.faults(topology, names))),
        ("All of it", list(disasters.faults(topology, names))),
    ]
    return [(part, faults) for part, faults in made if faults]


def _first(topology: Topology, names: Names) -> Iterator[Command]:
    """Give the commands that tell which layer is ill."""
    if topology.keepalived:
        yield from names.owners()
    if topology.haproxy:
        yield from names.haproxy_state()
    yield names.cluster()
