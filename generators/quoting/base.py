"""What all dialects share: text that is known to be safe, and how a value is refused.

A refusal never shows the value, which may be a password: it says how long it is, which character stands in the
way and where, and :mod:`generators.render` adds the line of the template that asked.
"""

from __future__ import annotations

import ipaddress
import re
import textwrap
from collections.abc import Callable
from pathlib import PurePath

from rmqha_model.errors import GenerationError
from rmqha_model.names import is_free_text

__all__ = [
    "Quoted",
    "comment",
    "is_plain",
    "is_token",
    "line",
    "literal",
    "need",
    "refuse_any",
    "refused",
    "token",
    "verbatim",
]

_WRITABLE = (
    int,
    PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)
"""Types besides text whose ``str`` is what files are to show."""

_TOKEN = re.compile(r"[A-Za-z0-9_./:][A-Za-z0-9_./:@+,-]*")
"""What stands for itself in every dialect: nothing in it quotes, expands, separates, comments or opens a block.

A leading ``-`` would be an option to a command, a leading ``@`` a condition to keepalived.
"""

_COMMENT_COLUMNS = 100
"""Width of a comment. keepalived takes what follows byte 1023 of a line as the next line (``MAXBUF``, its
``lib/parser.h``, 2.1 to 2.3), comment or not; 100 characters of UTF-8 are 400 bytes at most."""


class Quoted(str):
    """Text that may stand in a file as it is: a dialect's function made it, or a generator vouches for it."""

    __slots__ = ()


def refused(dialect: str, text: str, why: str) -> GenerationError:
    """The error that tells why *text* cannot be said in *dialect*."""
    return GenerationError(f"a value of {len(text)} characters cannot be written as {dialect}: {why}")


def need(dialect: str, text: str, holds: object, why: str) -> None:
    """Refuse *text* in *dialect* unless *holds*."""
    if not holds:
        raise refused(dialect, text, why)


def refuse_any(dialect: str, text: str, bad: Callable[[str], bool], why: str) -> None:
    """Refuse *text* in *dialect* at its first character that is *bad*."""
    for number, character in enumerate(text, 1):
        if bad(character):
            shown = f"{character!a} (U+{ord(character):04X})"
            raise refused(dialect, text, f"character {number} is {shown}; {why}")


def line(value: object, dialect: str) -> str:
    """The text of *value*, which is one line without control characters in every reader's eyes.

    Refused are C0 and C1 controls with NEL (U+0085), DEL, U+2028, U+2029, directional overrides, lone surrogates.
    """
    text = _text(value, dialect)
    if not is_plain(text):
        refuse_any(dialect, text, lambda c: not is_free_text(c), "allowed: one line of printable characters")
    return text


def literal(value: object, dialect: str) -> str:
    """The text of *value*, which may hold anything that is Unicode: for dialects that can escape it."""
    text = _text(value, dialect)
    if not text.isascii():
        refuse_any(dialect, text, lambda c: "\ud800" <= c <= "\udfff", "a lone surrogate is no character")
    return text


def token(value: object, dialect: str = "a bare word") -> Quoted:
    """A bare word where a dialect has no quoting at all, such as ``/etc/hosts``: letters, digits and ``_./:@+,-``."""
    text = _text(value, dialect)
    if _TOKEN.fullmatch(text):
        return Quoted(text)
    why = "allowed: letters, digits and _ . / : @ + , - with a letter, digit or one of _ . / : first"
    need(dialect, text, text, f"it is empty; {why}")
    refuse_any(dialect, text, lambda c: not _TOKEN.fullmatch(f"a{c}"), why)
    raise refused(dialect, text, f"character 1 is {text[0]!a}; {why}")


def is_token(text: str) -> bool:
    """Tell whether *text* needs no quoting in any dialect."""
    return bool(_TOKEN.fullmatch(text))


def is_plain(text: str) -> bool:
    """Tell whether *text* is printable ASCII: most texts are, and this is quicker than to look at each character."""
    return text.isascii() and text.isprintable()


def verbatim(value: object) -> Quoted:
    """Text put in as it is, line breaks and all: a generator made it of values that it quoted, or a user wrote it."""
    text = _text(value, "verbatim text")
    if not is_plain(text.replace("\n", "").replace("\t", "")):
        allowed = "allowed: lines of printable characters"
        refuse_any("verbatim text", text, lambda c: c not in "\n\t" and not is_free_text(c), allowed)
    return Quoted(text)


def comment(value: object, prefix: str = "# ") -> Quoted:
    r"""Text as comment lines of at most 100 characters, each with *prefix*, without a line break after the last.

    Every kind of line break starts a new line. keepalived goes on after a backslash that ends a line, also of a
    comment (``decomment`` in its ``lib/parser.c``, 2.1 to 2.3), so a blank follows it; Java reads ``\u000a`` as a
    line break in comments too (JLS 17, 3.3), so a blank parts the two. Put it nowhere near the first two lines of a
    Python file, where a comment can name the encoding (PEP 263).
    """
    rows: list[str] = []
    for part in _text(value, "a comment").expandtabs().splitlines() or [""]:
        rows += textwrap.wrap(line(part, "a comment"), _COMMENT_COLUMNS, break_on_hyphens=False) or [""]
    written = (f"{prefix}{row}".rstrip(" ").replace("\\u", "\\ u") for row in rows)
    return Quoted("\n".join(f"{row} " if row.endswith("\\") else row for row in written))


def _text(value: object, dialect: str) -> str:
    if isinstance(value, str):
        return str.__str__(value)  # of a string enumeration, too, its value
    text = str(value)  # says what is undefined, if it is
    if isinstance(value, bool) or not isinstance(value, _WRITABLE):
        raise GenerationError(f"found {type(value).__name__} where {dialect} needs a text, a number or an address")
    return text
