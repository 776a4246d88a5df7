"""The undoing of what a program left behind that was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.errors import LabError
from integration.faults import journal

if TYPE_CHECKING:
    from integration.faults.journal import Entry, Journal
    from integration.host import Stack

__all__ = ["sweep", "undo_left"]


def sweep(stack: Stack) -> list[str]:
    """Undo what a program that was killed left, the last first, and tell each in words; what fails stays written down.

    Faults of a program that lives, this one among them, are left alone.
    """
    kept = journal.of(stack.journal)
    if kept.kept or not stack.journal.exists() or not kept.take():
        return []
    try:
        entries = kept.left
        failed = undo_left(stack, kept)
    finally:
        kept.release()
    words = {entry.number: f"{_words(entry)}, left by a program that was ended" for entry in entries}
    return [f"{told}: {failed.get(number, 'undone')}" for number, told in words.items()]


def undo_left(stack: Stack, kept: Journal) -> dict[int, str]:
    """Carry out all that is written down, the last first; give what went wrong in words, by the number of the entry."""
    failed: dict[int, str] = {}
    for entry in kept.left:
        errors = []
        # A step that waits does not keep the next one from being done: brokers wait for each other when they start.
        for step in entry.steps:
            try:
                step.order(stack)
            except LabError as error:
                errors.append(str(error))
        if errors:
            failed[entry.number] = f"could not be undone: {'; '.join(errors)}"
    for entry in kept.left:
        if entry.number in failed:
            continue
        try:
            for step in entry.steps:
                step.settle(stack)
        except LabError as error:
            failed[entry.number] = f"was undone, and: {error}"
        kept.strike(entry.number)
    return failed


def _words(entry: Entry) -> str:
    return f"{entry.fault} on {', '.join(entry.hosts)}"
