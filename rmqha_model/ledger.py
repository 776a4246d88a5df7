"""The message ledger of a timeline: what became of every message that was published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from rmqha_model.events import Confirmed, Delivered, Nacked, Published, Returned

if TYPE_CHECKING:
    from rmqha_model.timeline import Timeline

__all__ = ["Ledger", "ledger", "ledgers"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Counts of messages, each message once, whatever happened to it how often.

    A message that was published again under its number is one message. What it became follows from all that was
    heard of it: confirmed counts more than nacked, nacked more than nothing.
    """

    attempted: int = 0
    """Messages that were published at least once."""
    confirmed: int = 0
    """Those the broker confirmed, without those it returned as unroutable."""
    nacked: int = 0
    """Those it refused, and never confirmed."""
    returned: int = 0
    """Those it could route to no queue; nobody lost them, their publisher was told."""
    unknown: int = 0
    """Those whose publisher never heard of them; all of them, where it does not use confirms."""
    delivered: int = 0
    """Those some consumer was given."""
    lost: int = 0
    """Those that were confirmed and never delivered: what a design must never do."""
    vanished: int = 0
    """Those that were neither confirmed, nacked nor returned, and never delivered: nobody had promised to keep them."""
    duplicated: int = 0
    """Those that were delivered more than once."""
    redelivered: int = 0
    """Deliveries with the redelivered flag."""
    deliveries: int = 0
    """All deliveries."""

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def ledgers(timeline: Timeline) -> dict[str, Ledger]:
    """Give the ledger of each publisher by its name.

    What was lost is only known where everything that was left in the queues was consumed at the end (``drain``).
    """
    heard: dict[str, dict[str, set[int]]] = {}
    kinds: tuple[type[Published | Confirmed | Nacked | Returned], ...] = (Published, Confirmed, Nacked, Returned)
    for kind in kinds:
        for event in timeline.only(kind):
            heard.setdefault(event.client, {}).setdefault(event.kind, set()).add(event.number)
    given: dict[str, Counter[int]] = {}
    again: Counter[str] = Counter()
    for delivery in timeline.only(Delivered):
        given.setdefault(delivery.publisher, Counter())[delivery.number] += 1
        again[delivery.publisher] += delivery.redelivered
    return {name: _ledger(heard.get(name, {}), given.get(name, Counter()), again[name]) for name in sorted(heard)}


def ledger(timeline: Timeline, publishers: Iterable[str] | None = None) -> Ledger:
    """Give one ledger of all publishers, or of those named."""
    found = ledgers(timeline)
    return sum((found[name] for name in (found if publishers is None else publishers) if name in found), Ledger())


def _ledger(heard: dict[str, set[int]], given: Counter[int], redelivered: int) -> Ledger:
    attempted = heard.get(Published.kind, set())
    returned = heard.get(Returned.kind, set())
    confirmed = heard.get(Confirmed.kind, set()) - returned
    nacked = heard.get(Nacked.kind, set()) - confirmed - returned
    unknown = attempted - confirmed - nacked - returned
    return Ledger(
        attempted=len(attempted),
        confirmed=len(confirmed),
        nacked=len(nacked),
        returned=len(returned),
        unknown=len(unknown),
        delivered=len(given),
        lost=len(confirmed - given.keys()),
        vanished=len(unknown - given.keys()),
        duplicated=sum(count > 1 for count in given.values()),
        redelivered=redelivered,
        deliveries=given.total(),
    )
