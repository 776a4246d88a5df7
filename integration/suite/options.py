"""What a run of the suite is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run of the suite is asked for."""

    faults: tuple[str, ...] = ("representative",)
    """``none``, ``representative``, ``all``, or names of faults and of cases."""
    evidence: Path | None = None
    """Folder for what was seen; without it nothing is kept."""
    junit: Path | None = None
    keyword: str = ""
    """As pytest's ``-k``."""
    seed: int = 1
    """Of the clients' random waits."""
    resume: bool = False
    """Leave out the cases whose timelines the evidence folder already has."""
    budget_s: float | None = None
    """Begin no further fault after so long."""
    source: str = ""
    """Digest of the design that was asked for, before it was made one for a release."""
    changes: bool = True
    """Whether tests that change hosts for a while are among them."""
