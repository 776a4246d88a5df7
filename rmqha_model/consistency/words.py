"""How contradictions are told: references to nothing, and things that stand twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rmqha_model.errors import Path, Problem, did_you_mean

__all__ = ["missing", "repeated", "unknown"]


def unknown(path: Path, what: str, name: str, known: Iterable[str], where: str = "the design") -> Problem:
    """Say that *name* refers to nothing, and what it could have meant."""
    names = list(dict.fromkeys(known))
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    shown = shown or f"none, as long as {where} has no {what}"
    return Problem(path, f"found {what} {name!r}, which {where} does not have", shown, did_you_mean(name, names))


def missing(path: Path, what: str, names: Sequence[str], known: Iterable[str]) -> Iterator[Problem]:
    """Give a problem for each of *names*, a list in the document, that is not *known*."""
    known = list(known)
    present = set(known)
    for index, name in enumerate(names):
        if name not in present:
            yield unknown((*path, index), what, name, known)


def repeated(path: Path, names: Sequence[str]) -> Iterator[Problem]:
    """Give a problem for each of *names* that stands there before."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem((*path, index), f"found {name!r} a second time", "each once")
