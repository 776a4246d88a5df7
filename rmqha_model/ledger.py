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

    A message that was published again under its number is one message. What it became is the best that was heard of
    any of its sendings: confirmed, else returned, else nacked, else nothing.
    """

    attempted: int = 0
    """Messages that were published at least once."""
    confirmed: int = 0
    """Those the broker confirmed in a sending that it did not return as unroutable."""
    nacked: int = 0
    """Those it refused, and neither confirmed nor returned another time."""
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
    heard: dict[str, dict[int, _Fate]] = {}
    for event in timeline.events:
        if isinstance(event, Published | Confirmed | Nacked | Returned):
            heard.setdefault(event.client, {}).setdefault(event.number, _Fate()).hear(event)
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


class _Fate:
    """What was heard of one message, sending by sending: a return belongs to the sending before it."""

    __slots__ = ("attempted", "confirmed", "nacked", "returned", "returning")

    def __init__(self) -> None:
        self.attempted = self.confirmed = self.nacked = self.returned = self.returning = False

    def hear(self, event: Published | Confirmed | Nacked | Returned) -> None:
        match event:
            case Published():
                self.attempted, self.returning = True, False
            case Returned():
                self.returned = self.returning = True
            case Nacked():
                self.nacked = True
            case Confirmed():
                # The broker confirms what it has just returned, too: that is no promise to keep it.
                self.confirmed |= not self.returning

    @property
    def told(self) -> str:
        """The best news of it."""
        news = (("confirmed", self.confirmed), ("returned", self.returned), ("nacked", self.nacked))
        return next((name for name, heard in news if heard), "unknown")


def _ledger(heard: dict[int, _Fate], given: Counter[int], redelivered: int) -> Ledger:
    told: dict[str, set[int]] = {"confirmed": set(), "returned": set(), "nacked": set(), "unknown": set()}
    for number, fate in heard.items():
        told[fate.told].add(number)
    return Ledger(
        attempted=sum(fate.attempted for fate in heard.values()),
        confirmed=len(told["confirmed"]),
        nacked=len(told["nacked"]),
        returned=len(told["returned"]),
        unknown=len(told["unknown"]),
        delivered=len(given),
        lost=len(told["confirmed"] - given.keys()),
        vanished=len(told["unknown"] - given.keys()),
        duplicated=sum(count > 1 for count in given.values()),
        redelivered=redelivered,
        deliveries=given.total(),
    )
