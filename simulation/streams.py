"""Random numbers of a run: each component and purpose has a stream of its own, and all follow from one seed.

A number is a function of the seed, the stream's name and the draw's place in it. So two designs share their luck
wherever they share names, a component more changes nobody else's numbers, and any run can be repeated from its seed.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from typing import TypeAlias

__all__ = ["Name", "Streams"]

Name: TypeAlias = tuple[str, ...]
"""The parts of a stream's name."""

_UNIT = 2.0**-53
"""Distance of the doubles in 0.5 to 1: 53 random bits fill them evenly."""


class Streams:
    """All streams of one run."""

    def __init__(self, seed: int, fixed: Mapping[Name, float] | None = None) -> None:
        """*fixed*: first numbers of streams that are not left to luck, by the streams' names."""
        self.seed = seed
        self.drawn: dict[Name, float] = {}
        """The first number of each stream that was drawn from."""
        self._fixed = fixed or {}
        self._root = hashlib.blake2b(str(seed).encode(), digest_size=8)

    def stream(self, *name: str) -> Callable[[], float]:
        """Give the stream of a name, such as ``("rabbit1", "tick")``: each call draws evenly from 0 to below 1.

        Asking twice for one name gives the same numbers twice.
        """
        root = self._root.copy()
        root.update("".join(f"/{part}" for part in name).encode())
        places = itertools.count()

        def draw() -> float:
            place = next(places)
            if not place and name in self._fixed:
                number = self._fixed[name]
            else:
                one = root.copy()
                one.update(b"#%d" % place)
                number = (int.from_bytes(one.digest(), "big") >> 11) * _UNIT
            if not place:
                self.drawn[name] = number
            return number

        return draw

    def once(self, *name: str) -> float:
        """Draw the first number of a stream: what is drawn once a run, such as a clock's phase."""
        return self.stream(*name)()

    def phase(self, period: float, *name: str) -> float:
        """Draw the first instant of a clock that has ticked for long: evenly within one *period* before 0."""
        return -period * self.once(*name)
