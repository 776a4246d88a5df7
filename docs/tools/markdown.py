"""Markdown as the documents use it: headings and their anchors, links, tables, fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["Block", "Link", "anchors", "blocks", "code", "links", "prose", "slug", "table"]

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+)(?P<info>[^`\n]*)$")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")
_LINK = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<inline>[^()\s]+)(?: \"[^\"]*\")?\)"
    r"|^\[[^\]]+\]: +(?P<defined>\S+)"
)
_CODE = re.compile(r"(`+)(?:.*?[^`])?\1(?!`)")


class Block(NamedTuple):
    """A fenced block: what its fence says, its lines, and the number of the line its content begins in, from 0."""

    info: str
    lines: tuple[str, ...]
    start: int
    indent: str


class Link(NamedTuple):
    """Where a link leads, and the number of its line, from 1."""

    target: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """Give the fenced blocks of a document."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        number += 1
        if not opened:
            continue
        start, indent = number, opened["indent"]
        while number < len(lines) and lines[number].strip() != opened["fence"]:
            number += 1
        content = tuple(line.removeprefix(indent) for line in lines[start:number])
        yield Block(opened["info"].strip(), content, start, indent)
        number += 1


def prose(text: str) -> list[str]:
    """Give the lines of a document, those of fenced blocks emptied."""
    lines = text.split("\n")
    for block in blocks(text):
        end = block.start + len(block.lines)
        lines[block.start - 1 : end + 1] = [""] * (end + 2 - block.start)
    return lines


def links(text: str) -> Iterator[Link]:
    """Give the links of a document; what stands in code is none."""
    for number, line in enumerate(prose(text), 1):
        for match in _LINK.finditer(_CODE.sub("``", line)):
            yield Link(match["inline"] or match["defined"], number)


def anchors(text: str) -> set[str]:
    """Give what ``#...`` can name in a document: its headings as GitHub spells them, the second of a kind with -1."""
    found: set[str] = set()
    for line in prose(text):
        if heading := _HEADING.match(line):
            name = plain = slug(heading[1])
            count = 0
            while name in found:
                count += 1
                name = f"{plain}-{count}"
            found.add(name)
    return found


def slug(heading: str) -> str:
    """Give the anchor of a heading: lower case, no punctuation, hyphens for blanks."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def code(text: str) -> str:
    """Write *text* as code in a line."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a table."""
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in row)} |"
