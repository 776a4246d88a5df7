"""A timeline in figures with names, so that many runs, and both worlds, can be put side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from rmqha_model.events import Confirmed, Delivered, Nacked, Published, Returned, Unknown
from rmqha_model.ledger import ledgers
from rmqha_model.measures import confirm_gaps, consumer_gaps, detections, outages, ownership
from rmqha_model.timeline import Timeline

if TYPE_CHECKING:
    from rmqha_model.events import AnyEvent

__all__ = ["COUNTS", "Figure", "figures"]

MESSAGES = (Published, Confirmed, Nacked, Returned, Unknown)
COUNTS = ("lost", "vanished", "duplicated", "unknown")
"""Figures that are numbers of messages; all others are seconds, shares (``failed_share``) or numbers of hosts."""


class Figure(NamedTuple):
    """What a figure is, and whose: a client's, an address's, or a load balancer's of the *fault* with that index."""

    what: str
    whose: str

    def __str__(self) -> str:
        return f"{self.what} of {self.whose}"


def figures(timeline: Timeline) -> dict[Figure, float]:
    """Give all figures of a timeline; infinite where something never happened or was not over at the end.

    - ``outage_s``, ``failed_share`` of a probe; ``confirm_gap_s`` of a publisher; ``consumer_gap_s`` of a consumer;
    - ``absent_s``, ``shared_s``, ``owners``, ``moves`` of a virtual address;
    - ``down_after_s``, ``up_after_s`` of a load balancer's proxy, of the first broker that a fault hits;
    - ``lost``, ``vanished``, ``duplicated``, ``unknown`` of a publisher, of the messages first published after 0, as in
      the lab clients begin a second or two before; ``unknown`` only where something was confirmed.

    An address is on several hosts (``owners``) where that lasts longer than the resolution.
    """
    return dict(_figures(timeline))


def _figures(timeline: Timeline) -> Iterator[tuple[Figure, float]]:
    for probe, outage in outages(timeline).items():
        yield Figure("outage_s", probe), 0.0 if outage is None else outage.length_s if outage.over else math.inf
        yield Figure("failed_share", probe), 0.0 if outage is None else outage.share
    for publisher, gap in confirm_gaps(timeline).items():
        yield Figure("confirm_gap_s", publisher), gap.length_s
    for consumer, gap in consumer_gaps(timeline).items():
        yield Figure("consumer_gap_s", consumer), gap.length_s
    for address, owned in ownership(timeline).items():
        yield Figure("absent_s", address), owned.absent_s
        yield Figure("shared_s", address), owned.shared_s
        several = owned.shared_s > timeline.head.resolution_s
        yield Figure("owners", address), owned.owners_max if several else min(owned.owners_max, 1)
        yield Figure("moves", address), owned.moves
    seen = set()
    for found in detections(timeline):
        whose = f"{found.host}/{found.proxy}" + (f", fault {found.fault + 1}" if found.fault else "")
        if whose in seen:
            continue
        seen.add(whose)
        yield Figure("down_after_s", whose), math.inf if found.down_after_s is None else found.down_after_s
        if found.up_after_s is not None:
            yield Figure("up_after_s", whose), found.up_after_s
    for publisher, count in ledgers(_from_zero(timeline)).items():
        for what in COUNTS:
            # Who uses no confirms never hears of any message: that says how long it published, and no more.
            if what != "unknown" or count.confirmed:
                yield Figure(what, publisher), getattr(count, what)


def _from_zero(timeline: Timeline) -> Timeline:
    """Leave out the messages that were published before the scenario began."""
    before: dict[str, int] = {}
    for event in timeline.only(Published):
        if event.t >= 0:
            break
        before[event.client] = max(before.get(event.client, 0), event.number)
    if not before:
        return timeline

    def counts(event: AnyEvent) -> bool:
        if isinstance(event, Delivered):
            return event.number > before.get(event.publisher, 0)
        return not isinstance(event, MESSAGES) or event.number > before.get(event.client, 0)

    return Timeline(timeline.head, tuple(event for event in timeline.events if counts(event)))
