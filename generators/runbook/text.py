"""Markdown in pieces: a fault with what to see, expect, check and do; tables; commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generators.quoting import Quoted, markdown, markdown_code, verbatim
from generators.titles import anchor

if TYPE_CHECKING:
    from rmqha_model.timers import Span

__all__ = ["Command", "Expected", "Fault", "code", "commands", "link", "listed", "prose", "table"]

code = markdown_code
"""A name or value as code."""


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody types: *where* says on which host, *line* is for a shell, quoted; *why* may be empty."""

    line: str
    where: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """How long a thing should take."""

    what: str
    span: Span


@dataclass(frozen=True, slots=True)
class Fault:
    """A section: the texts are Markdown.

    *see* is how it shows; *expected* how long each part lasts; *longer* what to look at when it lasts longer; *check*
    the commands that tell more; *do* the steps out of it, some with a command to copy; *risk* what the next fault
    would cost meanwhile.
    """

    title: str
    see: Sequence[str]
    check: Sequence[Command]
    do: Sequence[str | tuple[str, str]]
    risk: str
    expected: Sequence[Expected] = field(default=())
    longer: str = ""

    def lines(self, alerts: Sequence[str]) -> Iterator[Quoted]:
        """Give the section line by line; *alerts* are those that point here."""
        yield from prose(f"### {self.title}", "")
        if alerts:
            yield from prose(f"Alerts: {', '.join(code(alert) for alert in alerts)}.", "")
        yield from prose("**What you see**", "")
        yield from listed(self.see)
        if self.expected:
            yield from prose("**How long it should last**", "")
            rows = [(e.what, f"**{markdown(str(e.span))}**", markdown(e.span.formula)) for e in self.expected]
            yield from table(("What", "Expect", "Because, in seconds"), rows)
        if self.longer:
            yield from prose(f"If it lasts longer: {self.longer}", "")
        if self.check:
            yield from prose("**What to check**", "")
            yield from commands(self.check)
        if self.do:
            yield from prose("**What to do**", "")
            yield from listed(self.do, ordered=True)
        yield from prose(f"**At risk meanwhile:** {self.risk}", "")


def prose(*lines: str) -> Iterator[Quoted]:
    """Give lines that are Markdown already."""
    return map(verbatim, lines)


def listed(items: Iterable[str | tuple[str, str]], *, ordered: bool = False) -> Iterator[Quoted]:
    """Give a list and an empty line; an item may be a text and a command, which stands below it."""
    for number, item in enumerate(items, 1):
        sign = f"{number}. " if ordered else "- "
        text, command = (item, "") if isinstance(item, str) else item
        yield verbatim(f"{sign}{text}")
        if command:
            indent = " " * len(sign)
            yield from prose("", f"{indent}```bash", f"{indent}{command}", f"{indent}```", "")
    yield Quoted("")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[Quoted]:
    """Give a table and an empty line; cells are Markdown already."""
    yield verbatim(f"| {' | '.join(head)} |")
    yield verbatim(f"|{'---|' * len(head)}")
    for row in rows:
        yield verbatim(f"| {' | '.join(cell or ' ' for cell in row)} |")
    yield Quoted("")


def commands(lines: Iterable[Command]) -> Iterator[Quoted]:
    """Give commands in blocks to copy, one for each place they are run at."""
    blocks: dict[str, list[Command]] = {}
    for line in lines:
        blocks.setdefault(line.where, []).append(line)
    for where, block in blocks.items():
        if where:
            yield from prose(f"{where}:", "")
        yield Quoted("```bash")
        for line in block:
            if line.why:
                yield verbatim(f"# {line.why}")
            yield verbatim(line.line)
        yield Quoted("```")
        yield Quoted("")


def link(title: str) -> str:
    """Give a link to the section *title* of the same file."""
    return f"[{title}](#{anchor(title)})"
