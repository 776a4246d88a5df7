"""Tells that a document is of another kind than was asked for: a topology where a scenario belongs, or vice versa."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rmqha_model.errors import Place, Problem

__all__ = ["mistaken"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a kind of document is called, the keys that it alone has at its top, and what is done with it."""

    words: str
    keys: frozenset[str]
    use: str


_KINDS = {
    "topology": _Kind(
        "a topology",
        frozenset({"rabbitmq", "haproxy", "keepalived"}),
        "`rmqha lab up TOPOLOGY` makes a lab of it, on which `rmqha lab run SCENARIO` runs a scenario",
    ),
    "scenario": _Kind(
        "a scenario",
        frozenset({"workload", "faults"}),
        "`rmqha lab run SCENARIO` runs it, on a lab that `rmqha lab up TOPOLOGY` has made",
    ),
}


def mistaken(wanted: str, keys: Iterable[str], place: Place) -> Problem | None:
    """Tell that a document is not of the kind that is *wanted* but of another one; nothing where it may be.

    It is another one's where it has a key that only that one has, and none that only the wanted one has.
    """
    there = frozenset(keys)
    kind = _KINDS.get(wanted)
    if kind is None or there & kind.keys:
        return None
    other = next((each for each in _KINDS.values() if there & each.keys), None)
    return Problem((), f"found {other.words}", kind.words, other.use, place) if other else None
