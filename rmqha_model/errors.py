"""What can go wrong, as exceptions a caller can catch and text a user can act on.

The family::

    RmqhaError
    ├── DocumentError         a file that is not a valid design; carries every Problem found in it
    ├── InconsistentDesign    parts that are valid alone and contradict each other; carries Problems
    ├── SecretError           a secret that is missing, weak, readable by others, or cannot be fetched
    ├── GenerationError       a design that cannot be turned into files (an override, a template)
    └── WriteError            an output tree that cannot be written safely

None of them derives from ``ValueError``: pydantic would swallow it into its own report and the
places would be lost.
"""

from __future__ import annotations

import difflib
import functools
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

__all__ = [
    "DocumentError",
    "GenerationError",
    "InconsistentDesign",
    "Path",
    "Place",
    "Problem",
    "RmqhaError",
    "SecretError",
    "WriteError",
    "did_you_mean",
    "show_path",
]

_FEW = 40
"""Names that are compared letter by letter: to compare 1,000 wrong names with 1,000 known ones would take 13 s."""

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the top of a document down to a value."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A point in a file; lines and columns count from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what was found, what is allowed, what to do."""

    path: Path
    found: str
    allowed: str = ""
    hint: str = ""
    place: Place | None = None

    def at(self, place: Place) -> Problem:
        """Give the same problem with its *place* in a file."""
        return replace(self, place=place)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        parts = [f"{where}{show_path(self.path)}: {self.found}"]
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.hint:
            parts.append(self.hint)
        return "; ".join(parts)


class RmqhaError(Exception):
    """Base of everything this project raises on purpose.

    *problems* are what is wrong in a design, where the error is about one: who knows its file can add places.
    """

    def __init__(self, text: str = "", problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(text or "\n".join(map(str, self.problems)))


class _WithProblems(RmqhaError):
    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__(problems=problems)


class DocumentError(_WithProblems):
    """A document that cannot be read as what it should be; all of its problems at once."""


class InconsistentDesign(_WithProblems):
    """Valid parts that do not fit together; all contradictions at once."""


class SecretError(RmqhaError):
    """A secret that cannot be had safely. The text names the secret, never its value."""


class GenerationError(RmqhaError):
    """A design that cannot be turned into files."""


class WriteError(RmqhaError):
    """An output tree that cannot be written without losing something."""


def show_path(path: Path) -> str:
    """Write a path as users type it: ``haproxy.listeners.amqp.servers[2]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "").replace("-", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text or "(top level)"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Give ``did you mean 'x'?`` for the nearest spelling in *known*, or an empty string; case counts for nothing."""
    spelled = {name.lower(): name for name in reversed(known)}
    candidates: Iterable[str] = spelled
    if len(spelled) > _FEW:
        pairs = _pairs(word.lower())
        candidates = heapq.nlargest(_FEW, spelled, key=lambda name: len(pairs & _pairs(name)))
    near = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.6)
    return f"did you mean {spelled[near[0]]!r}?" if near else ""


@functools.lru_cache(maxsize=4096)
def _pairs(word: str) -> frozenset[str]:
    return frozenset(map(str.__add__, word, word[1:]))
