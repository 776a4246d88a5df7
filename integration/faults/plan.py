"""What it takes to do a fault, found out before it is done: the act, what undoes it, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from integration.host import Stack

if TYPE_CHECKING:
    from integration.faults.steps import Step

__all__ = ["Actor", "Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault that is ready to be done."""

    act: Callable[[], float]
    """Does it, and gives the time.monotonic() at which it took effect."""
    steps: tuple[Step, ...] = ()
    """What undoes it, in this order."""
    release: Callable[[], float] | None = None
    """What undoes it in the program that did it, where that is more exact than the steps; gives when."""
    over: Callable[[float], float] | None = None
    """Waits until it has ended by itself, at most so many seconds, and gives when that was."""


Actor: TypeAlias = Callable[[Stack, Any, tuple[str, ...]], Plan]
"""Makes the plan of a fault on resolved hosts; looks, and changes nothing."""
