"""Which release of RabbitMQ leads to which: the table of its upgrade guide, 3.8 to 4.3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from generators.runbook import about
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["Hop", "hops"]


class Hop(NamedTuple):
    """A step between two series, and what must be so before it."""

    start: str
    end: str
    first: str


HOPS = (
    Hop("3.8", "3.9", ""),
    Hop("3.9", "3.10", ""),
    Hop("3.10", "3.11", "all feature flags of 3.8 enabled: 3.11 refuses to start otherwise"),
    Hop("3.11", "3.12", "3.11.18 or newer, and all its feature flags enabled"),
    Hop("3.12", "3.13", "all feature flags of 3.12 enabled"),
    Hop(
        "3.13",
        "4.0, 4.1 or 4.2",
        "all stable feature flags of 3.13 enabled, `khepri_db` **not**: there it has no way on. Afterwards, before "
        "`rabbitmq_4.0.0` is enabled: no quorum queue at machine version 3 in `rabbitmq-queues quorum_status` "
        "(rabbitmq-server issue 17504)",
    ),
    Hop("4.0", "4.1 or 4.2", "all feature flags enabled"),
    Hop("4.1", "4.2", "all feature flags enabled"),
    Hop("4.2", "4.3", "`khepri_db` and all other feature flags enabled"),
)
"""Upgrade guide of RabbitMQ; release notes of 3.11.0, 3.12.0, 4.0.1, 4.1.0, 4.2.0, 4.3.0."""

MIRRORS = "no mirrored queue and no `ha-` policy left: make them quorum queues first"
TRANSIENT = "no transient non-exclusive queue left: it can keep a node of 4.3 from starting"


def hops(topology: Topology) -> Iterator[Hop]:
    """Give the hops from the design's release on, with what they ask of this design."""
    series = Version.parse(topology.versions.rabbitmq).series
    newest = True
    for hop in HOPS:
        if Version.parse(hop.start).series < series:
            continue
        newest = False
        first = [hop.first] if hop.first else []
        if hop.start == "3.13" and about.has_mirrors(topology):
            first.append(MIRRORS)
        if hop.end == "4.3":
            first.append(TRANSIENT)
        yield hop._replace(first="; ".join(first) or "nothing but the gate")
    if newest:
        yield Hop(topology.versions.rabbitmq, "", "the newest series that is known here")
