"""What a budget says: a figure with its arithmetic, what is lost, and all of it for one fault, or for two at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from rmqha_model.timers import Span

__all__ = ["CLIENTS_SEE", "Budget", "Figure", "Kind", "Loss", "Measure", "Row"]

Kind: TypeAlias = Literal["quorum", "mirrored", "plain"]
"""A quorum queue; a classic queue that a policy mirrors; one that none does."""

Measure: TypeAlias = Literal[
    "down", "up", "failover", "failback", "absent", "shared", "outage", "confirm gap", "consumer gap"
]
"""What is told in seconds.

- *down*, *up*: a load balancer marks the broker DOWN, and UP again;
- *failover*, *failback*: a virtual address is another host's, and its preferred host's again;
- *absent*, *shared*: it is on no host, or on two;
- *outage*: from the first fresh connection that fails to the last one;
- *confirm gap*, *consumer gap*: a publisher gets no confirm, a consumer no delivery.
"""

CLIENTS_SEE: tuple[Measure, ...] = ("outage", "confirm gap", "consumer gap")
"""The measures that are harm; the others say why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """How long something takes or lasts, for whom."""

    measure: Measure
    subject: str
    """The listener, the instance, or the kind of queue."""
    who: str
    span: Span
    since: Literal["fault", "undone"] = "fault"
    share: str = ""
    """Which part of fresh connections fails meanwhile."""
    after_undone: Span | None = None
    """Where it ends only because the fault is undone: how long after that."""
    may_not: bool = False
    """Whether it need not come to that at all."""
    bound: str = ""
    """Why the span is a bound only, which need not be reached."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By what figures of two faults are the same thing."""
        return self.measure, self.subject, self.who, self.since

    @property
    def happens(self) -> bool:
        """Whether there is anything to tell."""
        return self.span.max_s > 0

    def row(self) -> dict[str, Any]:
        """Give it as plain data; ``null`` for what has no end."""
        return {
            "measure": self.measure,
            "subject": self.subject,
            "who": self.who,
            "since": self.since,
            **_times(self.span),
            "may_not": self.may_not,
            "share": self.share,
            "bound": self.bound,
            "after_undone": _times(self.after_undone) if self.after_undone else None,
        }


@dataclass(frozen=True, slots=True)
class Loss:
    """What becomes of messages in queues of one kind."""

    kind: Kind
    lost: bool
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, or a pair of them, and what follows."""

    faults: tuple[tuple[str, str], ...]
    """Each by its name in the catalogue and what it hits."""
    figures: tuple[Figure, ...]
    losses: tuple[Loss, ...]
    leaves_out: tuple[str, ...] = ()
    in_use: frozenset[str] = field(default=frozenset(), kw_only=True)
    """The kinds of queues that count as harm."""

    @property
    def name(self) -> str:
        """What happens, in words."""
        return " and ".join(f"{fault} {target}" for fault, target in self.faults)

    @property
    def harm(self) -> tuple[Figure, ...]:
        """What clients see of it, the worst first."""
        seen = [
            one
            for one in self.figures
            if one.measure in CLIENTS_SEE and one.happens and (one.measure == "outage" or one.subject in self.in_use)
        ]
        return tuple(sorted(seen, key=lambda one: (one.span.max_s, one.span.mean_s), reverse=True))

    @property
    def harm_s(self) -> float:
        """The longest time clients may have to wait; infinite where that ends only when the fault is undone."""
        return max((one.span.max_s for one in self.harm), default=0.0)

    @property
    def loses(self) -> bool:
        """Whether messages of a kind that is in use are lost."""
        return any(one.lost for one in self.losses if one.kind in self.in_use)

    @property
    def rank(self) -> tuple[float, bool, float, float]:
        """The higher, the worse: what has no end first, then what loses messages, then by time."""
        means = [one.span.mean_s for one in self.harm]
        ends = math.isfinite(self.harm_s)
        # Of two that have no end: the one that more of what clients see waits for.
        endless = sum(not math.isfinite(mean) for mean in means)
        bounded = [one.span.max_s for one in self.harm if one.span.is_bounded]
        return (0.0 if ends else 1.0 + endless), self.loses, self.harm_s if ends else 0.0, max(bounded, default=0.0)

    def of(self, measure: Measure) -> tuple[Figure, ...]:
        """Give the figures of one measure."""
        return tuple(one for one in self.figures if one.measure == measure)

    def as_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {
            "faults": [{"fault": fault, "target": target} for fault, target in self.faults],
            "harm_s": self.harm_s if math.isfinite(self.harm_s) else None,
            "ends_by_itself": math.isfinite(self.harm_s),
            "loses": self.loses,
            "figures": [one.row() for one in self.figures],
            "messages": [{"kind": one.kind, "lost": one.lost, "words": one.words} for one in self.losses],
            "leaves_out": list(self.leaves_out),
        }


@dataclass(frozen=True, slots=True)
class Budget:
    """All rows, the worst first."""

    design: str
    client: str
    """Whose times those of clients are."""
    in_use: tuple[Kind, ...]
    rows: tuple[Row, ...]
    leaves_out: tuple[str, ...]

    def only(self, faults: frozenset[str]) -> Budget:
        """Give the rows of these faults."""
        return replace(self, rows=tuple(row for row in self.rows if faults & {fault for fault, _ in row.faults}))

    def as_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {
            "design": self.design,
            "client": self.client,
            "in_use": list(self.in_use),
            "rows": [row.as_json() for row in self.rows],
            "leaves_out": list(self.leaves_out),
        }


def _times(span: Span) -> dict[str, Any]:
    low, mean, high = (each if math.isfinite(each) else None for each in (span.min_s, span.mean_s, span.max_s))
    return {
        "min_s": low,
        "mean_s": mean,
        "max_s": high,
        "formula": span.formula,
        "source": span.source,
        "versions": span.versions,
    }
