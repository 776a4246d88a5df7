"""How far apart the looks of the observers were: what a stamp of theirs is worth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

__all__ = ["GAPS", "latest", "parse", "resolution"]

GAPS = "gaps "
"""Begins the line on standard error with which an observer ends."""


def latest(gaps: list[float]) -> tuple[float, float]:
    """Give the time between looks that one in a hundred exceeded, and the longest."""
    ordered = sorted(gaps)
    return round(ordered[len(ordered) * 99 // 100], 4), round(ordered[-1], 4)


def parse(text: str) -> dict[str, tuple[float, float]]:
    """Give what :func:`latest` gave to an observer, by what it looked at."""
    for line in text.splitlines():
        if line.startswith(GAPS):
            return {what: (usual, longest) for what, (usual, longest) in json.loads(line.removeprefix(GAPS)).items()}
    return {}


def resolution(told: Iterable[Mapping[str, tuple[float, float]]], at_least_s: float) -> tuple[float, float]:
    """Give how late a stamp may be but for one in a hundred, and how late at most."""
    every = [pair for each in told for pair in each.values()]
    usual_s = max((usual for usual, _ in every), default=at_least_s)
    longest_s = max((longest for _, longest in every), default=at_least_s)
    return max(usual_s, at_least_s), max(longest_s, at_least_s)
