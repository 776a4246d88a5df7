r"""Quoting for what people read: Markdown, and the labels of Mermaid and DOT diagrams."""

from __future__ import annotations

import re

from generators.quoting.base import Quoted, line

__all__ = ["dot", "markdown", "markdown_code", "mermaid"]

_MERMAID_SPECIAL = re.compile(
    r"[^\w .,:/()+=-]|[_ﬂß]"
    r"|^[ +-]|:(?=//|fa-)|(?<=[Ww]{3})\."  # code, lists, links, icons: labels are read as Markdown
    r"|s(?=tyle)|c(?=lassDef)"
)


def markdown(value: object) -> Quoted:
    """Text that Markdown shows as it is, in a paragraph, a list or a cell of a table.

    2.4 "Backslash escapes" and 4.10 "Tables" of GitHub Flavored Markdown 0.29. A pipe is written as an entity, since
    renderers disagree about a backslash before it. Blanks around the text are dropped, as Markdown does.
    """
    text = re.sub(r"[\\`*_\[\]<>#~&$]", r"\\\g<0>", line(value, "Markdown").strip(" ")).replace("|", "&#124;")
    # At the start of a line these make lists, rulers, headings and tables.
    return Quoted(re.sub(r"^(?:([-+=:])|([0-9]{1,9})([.)])(?=\s|$))", _escaped_start, text))


def _escaped_start(match: re.Match[str]) -> str:
    return f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}"


def markdown_code(value: object) -> Quoted:
    """Text that Markdown shows as code, also in a cell of a table.

    6.3 "Code spans" and 4.10 "Tables" of GitHub Flavored Markdown 0.29. Where backticks cannot say it alike everywhere
    (backticks, pipes and backslashes, blanks at the ends), HTML does, with an entity for all but letters and digits.
    """
    text = line(value, "Markdown code")
    if re.fullmatch(r"[^`|\\\s]([^`|\\]*[^`|\\\s])?", text):
        return Quoted(f"`{text}`")
    return Quoted("<code>" + re.sub(r"\W|_", lambda match: f"&#{ord(match[0])};", text) + "</code>")


def mermaid(value: object) -> Quoted:
    """A quoted label of a Mermaid flowchart; a line break becomes ``<br/>``.

    "Entity codes to escape characters" in the Mermaid manual, 11, and in its source ``encodeEntities``, which drops a
    semicolon after ``style`` or ``classDef`` and a colon and has four rare characters as marks of its own, and
    ``markdownToHTML``, which puts "Unsupported markdown" in the place of a list or a link.
    """
    return Quoted('"' + "<br/>".join(map(_mermaid_row, _rows(value, "a Mermaid label"))) + '"')


def dot(value: object) -> Quoted:
    r"""A quoted label of a DOT graph; a line break becomes ``\n``.

    "The DOT Language" and "escString" in the Graphviz manual, 2.42 to 12: ``\`` and ``"`` are escaped, and ``&``, which
    starts an entity.
    """
    rows = (re.sub(r'["\\]', r"\\\g<0>", row.replace("&", "&amp;")) for row in _rows(value, "a DOT label"))
    return Quoted('"' + "\\n".join(rows) + '"')


def _rows(value: object, dialect: str) -> list[str]:
    rows = value.split("\n") if isinstance(value, str) else [value]
    return [line(row, dialect) for row in rows]


def _mermaid_row(text: str) -> str:
    coded = _MERMAID_SPECIAL.sub(lambda match: f"#{ord(match[0])};", text)
    return re.sub(r"^([0-9]{1,9})([.)])(?= |$)", lambda match: f"{match[1]}#{ord(match[2])};", coded)
