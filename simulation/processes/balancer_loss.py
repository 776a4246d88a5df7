"""What a bad cable does to one connection: packets are lost, and sent again later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from simulation.machines.wire import LINEAR, seconds

if TYPE_CHECKING:
    from simulation.machines.wire import Target

__all__ = ["lossy"]

RTO_S = 0.21
"""Before data is sent again the first time, and twice that each further time (see machines/session.py)."""

MOST = 12
"""Data that is lost so often has waited for 14 minutes: nobody waits for it."""


def lossy(target: Target, share: float, draw: Callable[[], float]) -> Target:
    """Give how a port looks to one connection, of whose packets a *share* is lost, each by its own toss.

    A SYN or its answer that is lost is sent again when the kernel sends SYNs, data when its timeout is over.
    """
    if share <= 0.0 or not target.accepts:
        return target
    passes = (1.0 - share) ** 2
    tries = next((k for k in range(len(LINEAR.syns)) if draw() < passes), None)
    again = next((k for k in range(MOST) if draw() < passes), MOST)
    waits = seconds(LINEAR.gives_up if tries is None else LINEAR.syns[tries])
    return replace(
        target,
        connect_s=target.connect_s + waits,
        answer_s=target.answer_s + RTO_S * (2**again - 1),
    )
