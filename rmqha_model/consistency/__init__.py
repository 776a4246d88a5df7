"""What makes valid parts contradict each other, or ask of a release what it cannot do.

Only what cannot be made into working files is refused here. A design that works and is bad is a finding of
the checks, not an error: somebody runs it, and must be able to say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rmqha_model.consistency.access import clients, overrides
from rmqha_model.consistency.balancing import load_balancers, ports_in_use
from rmqha_model.consistency.cluster import broker_ports, hosts, nodes, queue_rules, resources
from rmqha_model.consistency.features import releases
from rmqha_model.consistency.vrrp import virtual_addresses

if TYPE_CHECKING:
    from rmqha_model.errors import Problem
    from rmqha_model.topology import Topology

__all__ = ["contradictions"]

RULES: tuple[Callable[[Topology], Iterator[Problem]], ...] = (
    hosts,
    nodes,
    broker_ports,
    resources,
    queue_rules,
    load_balancers,
    ports_in_use,
    virtual_addresses,
    clients,
    overrides,
    releases,
)


def contradictions(topology: Topology) -> list[Problem]:
    """Give every contradiction of *topology*, in the order of the document."""
    return [problem for rule in RULES for problem in rule(topology)]
