"""How long something takes that a processor has to do: on a quiet machine, and on one that has much else to do."""

from __future__ import annotations

__all__ = ["lasts"]


def lasts(within: tuple[float, float], quiet: float, luck: float, busy: float) -> float:
    """Give seconds *within* the shortest and the longest that were seen.

    On a quiet machine it takes up to *quiet*, and *luck*, evenly between 0 and 1, says where in that. *busy*, from 0 to
    1, says how much else the machine does: everything takes a factor more, which at 1 turns *quiet* into the longest.

    Load moves all that is done on a machine together, so *busy* is one for all of it, and evenly drawn: 21 starts of
    brokers in the lab, under loads of 0 to 20, took 1.75 to 10.48 s until the VM was known; of the logarithms of that,
    7, 6, 4 and 4 are in the four quarters between these ends.
    """
    low, high = within
    quiet = min(max(quiet, low), high)
    seconds = low + (quiet - low) * luck
    return seconds * (high / quiet) ** busy if quiet > 0 else seconds
