"""A time of its own for what nobody sees until it is asked for: probes' attempts, lived through afterwards."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from simulation.driving import TOLERANCE_S, Clock
from simulation.machines.machine import NEVER

__all__ = ["Lane"]


class Lane(Clock):
    """A clock that is behind the run's, and is brought up to it before anything changes.

    What is due in it at the very instant of a change comes after the change, as HAProxy's machines want it.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    @property
    def next(self) -> float:
        """When something is next due."""
        return self._due[0][0] if self._due else NEVER

    def at(self, t: float, call: Callable[[], None]) -> None:
        """Call at *t*, or at once if that is over."""
        heapq.heappush(self._due, (max(t, self.now), next(self._order), call))

    def step(self) -> None:
        """Do what is next."""
        t, _, call = heapq.heappop(self._due)
        self.now = max(self.now, t)
        call()

    def run(self, until: float) -> None:
        """Live through all before an instant."""
        while self.next <= until - TOLERANCE_S:
            self.step()
        self.now = max(self.now, until)
