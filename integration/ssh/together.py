"""The same thing done to several hosts at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from integration.errors import LabError

__all__ = ["on_all", "tried_on_all"]

T = TypeVar("T")
R = TypeVar("R")
_AT_ONCE = 32


def tried_on_all(act: Callable[[T], R], things: Iterable[T]) -> tuple[list[R], list[LabError]]:
    """Do *act* with each thing at the same time; give what it gave, and the errors of those with which it failed."""
    given: list[R] = []
    errors: list[LabError] = []
    things = list(things)
    with ThreadPoolExecutor(max(1, min(_AT_ONCE, len(things)))) as pool:
        for job in [pool.submit(act, thing) for thing in things]:
            try:
                given.append(job.result())
            except LabError as error:
                errors.append(error)
    return given, errors


def on_all(act: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Do *act* with each thing at the same time, and give what it gave, in their order.

    Raises:
        LabError: it failed with some, of which the text tells all; the others are done.
    """
    given, errors = tried_on_all(act, things)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise LabError("\n".join(map(str, errors)))
    return given
