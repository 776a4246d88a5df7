"""What a release is called: ``3.10.8``, or ``3.10`` for the newest patch of a series."""

from __future__ import annotations

import functools
from typing import NamedTuple

__all__ = ["NEWEST", "Version"]

NEWEST = 9_999
"""The patch of a version that names its series only; above every patch of the daemons (the highest so far is 35)."""


class Version(NamedTuple):
    """A release, ordered as releases are.

    Two states:

    - *exact*, ``3.10.8``: this patch.
    - *series*, ``3.10``: the newest patch there is of 3.10, whichever that is. It comes after every ``3.10.x`` and
      before ``3.11.0``, so what came with any patch of a series counts as there. Who runs an older patch, as each
      Debian release does, has to name it.
    """

    major: int
    minor: int
    patch: int = NEWEST

    @property
    def series(self) -> tuple[int, int]:
        """Major and minor number."""
        return self.major, self.minor

    @property
    def is_exact(self) -> bool:
        """Whether the patch is named."""
        return self.patch != NEWEST

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" if self.is_exact else f"{self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``3.10`` or ``3.10.8``.

        Raises:
            ValueError: it is anything else; the text says what is allowed. A number is refused as well: written
                without quotes, 3.10 is the number 3.1.
        """
        if not isinstance(text, str):
            raise ValueError(f"found the number {text!r}; allowed: a release in quotes, such as '3.10'")  # noqa: TRY004
        return _parse(text)

    @classmethod
    def first(cls, text: str) -> Version:
        """Read a version where ``3.10`` means the first release of the series."""
        version = cls.parse(text)
        return version if version.is_exact else version._replace(patch=0)


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> Version:
    parts = text.split(".")
    if len(parts) not in {2, 3} or not all(_is_number(part) for part in parts):
        raise ValueError(f"found {text[:40]!r}; allowed: a release such as 4.0 or 3.10.8")
    return Version(*map(int, parts))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and (text == "0" or text[0] != "0")
