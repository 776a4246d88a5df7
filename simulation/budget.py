"""The budget of a design: what each single fault costs, and each pair, by closed formulas, the worst first.

Nothing is run. Every figure is a :class:`rmqha_model.timers.Span` with its arithmetic in the design's own numbers; runs
of the simulator lie within them. A fault lasts until everything that reacts to it has reacted.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rmqha_model.usual import usual_client
from simulation.budget_addresses import addresses
from simulation.budget_clients import seen
from simulation.budget_detection import detection
from simulation.budget_incidents import Incident, incidents
from simulation.budget_pairs import RULE, pair
from simulation.budget_queues import kinds_in_use, losses
from simulation.budget_words import Budget, Figure, Kind, Loss, Measure, Row

if TYPE_CHECKING:
    from collections.abc import Collection

    from rmqha_model.topology import Topology

__all__ = ["Budget", "Figure", "Kind", "Loss", "Measure", "Row", "budget", "budget_of_pairs"]

LEAVES_OUT = (
    "a failback's own short outage: a connection under way in the instant in which an address moves back",
    "queueing: connections and messages that come at once when a fault is over, and what they cost",
    "what reading and writing messages takes, copying of mirrors, and boots that are slower than the lab's",
    "time between two attempts or messages: a figure is that of clients who never pause",
    "a broker's wait for its peers where several start at once",
    "streams, and queues that clients declare with another number of copies",
    "messages that a lost consumer held: others get them when the broker knows, at once after a reset",
)


def budget(topology: Topology, faults: Collection[str] = ()) -> Budget:
    """Give what each fault of the catalogue costs, at each target that the design has for it; only *faults* if any."""
    return _budget(topology, tuple(row for _, row in _single(topology, faults)), LEAVES_OUT)


def budget_of_pairs(topology: Topology, faults: Collection[str] = ()) -> Budget:
    """Give what each two of them cost at once; with *faults*, pairs in which one is of these."""
    rows = _single(topology, ())
    found = [
        pair(topology, usual_client(topology)[1], one, other)
        for one, other in itertools.combinations(rows, 2)
        if _are_two(one[0], other[0]) and (not faults or {one[0].fault, other[0].fault} & set(faults))
    ]
    return _budget(topology, tuple(found), (RULE, *LEAVES_OUT))


def _budget(topology: Topology, rows: tuple[Row, ...], leaves_out: tuple[str, ...]) -> Budget:
    ranked = tuple(sorted(rows, key=lambda row: row.rank, reverse=True))
    return Budget(topology.name, usual_client(topology)[0], kinds_in_use(topology), ranked, leaves_out)


def _single(topology: Topology, faults: Collection[str]) -> list[tuple[Incident, Row]]:
    what = usual_client(topology)[1]
    in_use = frozenset[str](kinds_in_use(topology))
    found = []
    for incident in incidents(topology):
        if faults and incident.fault not in faults:
            continue
        clients = seen(topology, incident, what)
        figures = (*detection(topology, incident), *addresses(topology, incident), *clients.figures)
        lost = tuple(losses(topology, incident, what, cuts=clients.cuts))
        name = ((incident.fault, incident.target),)
        found.append((incident, Row(name, figures, lost, incident.leaves_out, in_use=in_use)))
    return found


def _are_two(one: Incident, other: Incident) -> bool:
    """Tell whether two can happen at once: not twice to all, and not two fates of one daemon."""
    if "packet_loss" in {one.fault, other.fault} or "rolling_restart" in {one.fault, other.fault}:
        return False
    if "site_power_loss" in {one.fault, other.fault}:
        return False
    same_leader = one.leads and other.leads and bool(one.brokers) and bool(other.brokers)
    return not (same_leader or one.vrrp.keys() & other.vrrp.keys() or one.balancers.keys() & other.balancers.keys())
