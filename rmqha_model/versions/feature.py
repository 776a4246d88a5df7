"""What some releases of a daemon can do and others cannot."""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple, TypeAlias

from rmqha_model.versions.version import Version

__all__ = ["PRODUCTS", "Daemon", "Feature", "feature"]

Daemon: TypeAlias = Literal["rabbitmq", "haproxy", "keepalived"]

PRODUCTS: dict[Daemon, str] = {"rabbitmq": "RabbitMQ", "haproxy": "HAProxy", "keepalived": "keepalived"}
"""How each daemon writes its own name."""


class Feature(NamedTuple):
    """One ability: whose it is, from when to when, how that is known, and what to do without it.

    *since* holds the first release of every series it was brought back to, oldest first, and last the series from
    which on all have it: ``3.9.27 3.10.13 3.11.5 3.12``. A series in between that is not named does not have it.
    *until* is the last release that has it; ``None`` while the newest one does.
    """

    name: str
    daemon: Daemon
    title: str
    since: tuple[Version, ...]
    until: Version | None
    source: str
    instead: str

    def is_in(self, version: Version) -> bool:
        """Whether *version* has it."""
        if self.until is not None and version > self.until:
            return False
        for first in self.since:
            if first.series == version.series:
                return version >= first
        return version.series > self.since[-1].series

    @property
    def releases(self) -> str:
        """The releases that have it, in words: ``RabbitMQ 3.8-3.13``, ``HAProxy 3.1 and newer``."""
        *backports, first = self.since
        text = f"{PRODUCTS[self.daemon]} {_short(first)}"
        if self.until is None:
            text += " and newer"
        elif str(self.until) != _short(first):
            text += f"-{self.until}"
        return ", ".join([text, *(f"{f.major}.{f.minor} from {f}" for f in reversed(backports))])


def _short(first: Version) -> str:
    return str(first) if first.patch else f"{first.major}.{first.minor}"


def feature(  # noqa: PLR0913 -- one row of a table
    name: str, title: str, since: str, source: str, *, until: str = "", instead: str = ""
) -> Feature:
    """Make a row; *since* names the first releases, parted by blanks; a two-part *until* means the whole series."""
    daemon: Daemon = name.partition(".")[0]  # type: ignore[assignment]  # the tests look at every row
    return Feature(name, daemon, title, _firsts(since), Version.parse(until) if until else None, source, instead)


@functools.cache
def _firsts(since: str) -> tuple[Version, ...]:
    return tuple(map(Version.first, since.split()))
