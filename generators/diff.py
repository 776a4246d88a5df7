"""Shows what writing would change, as text that is safe to print: no secret, nothing a terminal would obey."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.plan import State
from generators.tree import opened

if TYPE_CHECKING:
    from generators.plan import Entry, Plan
    from generators.tree import Tree

__all__ = ["diff", "printable"]

LINES_MAX = 20_000
"""Of both sides together. Comparing costs the square of it at worst; no generated file comes near."""


def diff(plan: Plan) -> Iterator[str]:
    """Give the lines, without line ends, of a unified diff from what is on disk to what is generated.

    Files whose content cannot or must not be shown have one line that says so. Those that somebody edited are
    shown as *force* would write them.
    """
    with opened(plan.out) as tree:
        for entry in plan.entries:
            if entry.state is not State.UNCHANGED:
                yield from _lines(entry, tree)


def printable(line: str) -> str:
    """Give *line* with everything escaped that is not a visible character, a space or a tab."""
    if line.isprintable():
        return line
    return "".join(
        sign if sign.isprintable() or sign == "\t" else sign.encode("unicode_escape").decode() for sign in line
    )


def _lines(entry: Entry, tree: Tree | None) -> Iterator[str]:
    artefact = entry.artefact
    if artefact is None or entry.state is State.BLOCKED:
        yield printable(str(entry))
        return
    if entry.state is State.MODE:
        yield f"{entry.path}: mode {entry.mode:04o} differs from {artefact.tree_mode:04o}"
        return
    if entry.secret:
        what = "is not there" if entry.seen is None else "content differs"
        yield f"{entry.path}: secret {what} (not shown)"
        return
    found = tree.find(entry.path) if tree and entry.seen is not None else None
    if found and found.content is None:
        yield f"{entry.path}: not a regular file"
        return
    old = _split(found.content.decode("utf-8", "backslashreplace")) if found and found.content is not None else []
    new = _split(artefact.content)
    if len(old) + len(new) > LINES_MAX:
        yield f"{entry.path}: content differs (too long to show)"
        return
    before = entry.path if found else "/dev/null"
    for line in difflib.unified_diff(old, new, before, entry.path, lineterm=""):
        text, missing_end, _ = line.partition(_NO_END)
        yield printable(text)
        if missing_end:
            yield "\\ No newline at end of file"


_NO_END = "\n"
"""Marks a last line without line end. Lines are split at line ends, so no other has one in it."""


def _split(text: str) -> list[str]:
    """Split at line feeds alone: other things that Python takes for line ends are characters in a file."""
    lines = text.split("\n")
    last = lines.pop()
    return [*lines, last + _NO_END] if last else lines
