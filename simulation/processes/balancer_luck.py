"""Streams of random numbers that are made when they are first asked: most connections need no luck."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.streams import Streams

__all__ = ["later"]


def later(streams: Streams, *name: str) -> Callable[[], float]:
    """Give the stream of a name."""
    found: Callable[[], float] | None = None

    def draw() -> float:
        nonlocal found
        if found is None:
            found = streams.stream(*name)
        return found()

    return draw
