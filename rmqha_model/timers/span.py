"""How long something takes: the shortest and the longest time, with the arithmetic behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = ["Span", "never", "number"]


@dataclass(frozen=True, slots=True)
class Span:
    """A time between *min_s* and *max_s*; *max_s* is infinite for what may never happen.

    *formula* shows how it comes about, every number in seconds; *source* is where that is known from; *versions* are
    the releases it holds for.
    """

    min_s: float
    max_s: float
    formula: str
    source: str
    versions: str
    uneven_mean_s: float | None = None
    """The mean, where it is not the middle: where something is the first of several, or may be either of two."""

    @property
    def mean_s(self) -> float:
        """The mean over all phases; infinite where it may never happen."""
        return (self.min_s + self.max_s) / 2 if self.uneven_mean_s is None else self.uneven_mean_s

    def __str__(self) -> str:
        if math.isinf(self.min_s):
            return "never"
        if math.isinf(self.max_s):
            return f"{number(self.min_s)} s or never"
        low, high = number(self.min_s), number(self.max_s)
        return f"{low} s" if low == high else f"{low} to {high} s"

    def __add__(self, other: Span) -> Span:
        """What takes as long as both, one after the other."""
        parts = [part for part in (self.formula, other.formula) if part]
        return Span(
            self.min_s + other.min_s,
            self.max_s + other.max_s,
            " + ".join(parts),
            joined(self.source, other.source),
            joined(self.versions, other.versions),
            self.mean_s + other.mean_s if {self.uneven_mean_s, other.uneven_mean_s} != {None} else None,
        )

    def later(self, seconds: float, why: str) -> Span:
        """The same after a pause of *seconds*."""
        formula = f"{why} {number(seconds)} + {self.formula}"
        mean = None if self.uneven_mean_s is None else self.uneven_mean_s + seconds
        return replace(
            self, min_s=self.min_s + seconds, max_s=self.max_s + seconds, formula=formula, uneven_mean_s=mean
        )

    @property
    def is_never(self) -> bool:
        """Whether it does not happen at all."""
        return math.isinf(self.min_s)

    @property
    def is_bounded(self) -> bool:
        """Whether it surely happens."""
        return math.isfinite(self.max_s)


def never(why: str, source: str, versions: str) -> Span:
    """Give the span of what does not happen; *why* stands in place of a formula."""
    return Span(math.inf, math.inf, why, source, versions)


def number(seconds: float) -> str:
    """Write seconds with at most two decimals and no useless zeros: ``5``, ``0.77``, ``2.5``."""
    text = f"{seconds:.2f}".rstrip("0").rstrip(".")
    return text or "0"


def joined(one: str, other: str) -> str:
    """Give both texts, parted by ``; ``, each part once."""
    return "; ".join(dict.fromkeys(part for part in (*one.split("; "), *other.split("; ")) if part))
