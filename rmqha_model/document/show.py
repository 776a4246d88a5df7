"""Words for what stands in a document: short, on one line, harmless to a terminal, and silent about secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rmqha_model.part import kind_of

if TYPE_CHECKING:
    from rmqha_model.errors import Path

__all__ = ["escaped", "is_secret", "leaks", "printable", "shorten", "show", "show_keys"]

_SHOWN_MAX = 60
_SECRET = frozenset(
    {"auth", "cookie", "cookies", "key", "keys", "literal", "pass", "passphrase", "passwd", "password", "passwords"}
    | {"secret", "secrets", "token"}
)
_NO_SECRET = re.compile("routing[-_]key")


def is_secret(path: Path) -> bool:
    """Tell whether a path is named like something that must never be shown."""
    names = (part.lower() for part in path if isinstance(part, str))
    return any(not _SECRET.isdisjoint(re.split(r"[^a-z]+", _NO_SECRET.sub("", name))) for name in names)


def show(value: object, *, secret: bool = False) -> str:
    """Write a scalar as it can be typed; of a container, an unknown object or a secret, only that it is one."""
    if secret:
        return "a value that is not shown"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # One sign more than is shown, so that a longer text is seen to be longer; a whole one may be megabytes.
        return shorten(repr(value[: _SHOWN_MAX + 1]))
    if isinstance(value, int) and value.bit_length() > 4 * _SHOWN_MAX:
        return "a very large number"  # Python writes no more than 4300 digits.
    if isinstance(value, int | float):
        return shorten(str(value))
    return kind_of(value)


def show_keys(path: Path) -> Path:
    """Give a path whose keys are short enough for a message."""
    return tuple(shorten(part) if isinstance(part, str) else part for part in path)


def shorten(text: str, most: int = _SHOWN_MAX) -> str:
    """Cut a text to *most* signs."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str, most: int = 600) -> str:
    """Put a text of unknown origin on one line that is harmless to a terminal."""
    return escaped(" ".join(text[:most].split()))


def escaped(text: str) -> str:
    """Write every sign that is not printable as an escape."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def leaks(text: str, value: object) -> bool:
    """Tell whether a text shows a piece of a value, be it escaped or cut."""
    if isinstance(value, dict):
        return any(leaks(text, part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(leaks(text, part) for part in value)
    if value is None or isinstance(value, bool):
        return False
    head = re.escape(str(value)[:4]), re.escape(repr(str(value)[:4])[1:-1])
    edge = r"\b" if re.fullmatch(r"\w{1,3}", str(value)) else ""  # Every text has an "a" in it.
    return any(start and re.search(f"{edge}{start}{edge}", text) for start in head)
