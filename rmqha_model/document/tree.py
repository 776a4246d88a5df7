"""A document that was read: its data, the place of every key and value, and what no value may be."""

from __future__ import annotations

import datetime as dt
import math
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rmqha_model.errors import Path, Place

__all__ = ["Document", "Lines", "Mark", "Refused", "step", "vetted", "whole_number"]

_INTEGER_END = 2**63
"""What TOML 1.0.0 demands of a reader, and what JSON and C programs can carry: 64 bits with a sign."""
_DIGITS_MAX = len(str(_INTEGER_END)) + 1
"""With its sign. A longer number is refused unread: reading takes time that grows with the square of the length."""
_SURROGATE = re.compile("[\ud800-\udfff]")

Mark: TypeAlias = Any
"""What a reader knows of a place until the place has to be told: a YAML mark, an offset, a path."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that no document may hold, and what to write instead."""

    value: object
    allowed: str
    hint: str = ""
    what: str = ""


class Lines:
    """Offsets in a text as lines and columns."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> Place:
        """Give the place of an offset."""
        line = bisect_right(self._starts, offset)
        return Place(self.file, line, offset - self._starts[line - 1] + 1)


@dataclass(frozen=True, slots=True)
class Document:
    """Data as it was read, and where each piece of it stands."""

    data: object
    top: Mark
    place: Callable[[Mark], Place]
    marks: dict[int, dict[str | int, tuple[Mark, Mark]]] = field(repr=False)

    def walk(self, path: Path) -> tuple[Path, object]:
        """Go down a path as far as the document goes; give the path of what is there, and what is there."""
        node, written = self.data, []
        for part in path:
            taken = step(node, part)
            if taken is None:
                break
            written.append(taken[0])
            node = taken[1]
        return tuple(written), node

    def find(self, path: Path, *, key: bool = False) -> Place:
        """Give the place of the deepest part of *path* that is written; that of its key for a container."""
        node, mark = self.data, self.top
        for part in path:
            taken = step(node, part)
            if taken is None:
                break
            name, value = taken
            of_key, of_value = self.marks[id(node)][name]
            node, mark = value, of_key if key or value is None or isinstance(value, dict | list) else of_value
        return self.place(mark)


def step(node: object, part: str | int) -> tuple[str | int, object] | None:
    """Go one part of a path down; ``None`` where the document has no such part.

    A model may have turned a list of names into a mapping, or a mapping into a list, before it looked
    at the values, so a name also finds the list item that is or carries it, an index the key in that position.
    """
    if isinstance(node, dict):
        if part in node:
            return part, node[part]
        if isinstance(part, int) and part < len(node):
            return list(node.items())[part]
    elif isinstance(node, list):
        if isinstance(part, int):
            return (part, node[part]) if part < len(node) else None
        for index, item in enumerate(node):
            if item == part or (isinstance(item, dict) and item.get("name") == part):
                return index, item
    return None


def whole_number(text: str, base: int = 10) -> int | Refused:
    """Read the digits of a whole number of any length."""
    return int(text, base) if len(text) <= _DIGITS_MAX else _too_large(text)


def vetted(value: object) -> object:
    """Give back a scalar that every syntax can carry, or why it is refused."""
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            return Refused(value, "Unicode text, without a lone half of a surrogate pair")
    elif isinstance(value, int):
        if not -_INTEGER_END <= value < _INTEGER_END:
            return _too_large(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            return Refused(value, "a finite number")
    elif isinstance(value, dt.date | dt.time):
        return Refused(value, "text", "write dates and times in quotes", what="a date or time")
    return value


def _too_large(value: object) -> Refused:
    return Refused(value, "a whole number that fits 64 bits", "write it in quotes if it is a name")
