"""Which releases this project knows, and which of them Debian has."""

from __future__ import annotations

from typing import NamedTuple

from rmqha_model.versions.feature import PRODUCTS, Daemon
from rmqha_model.versions.version import Version

__all__ = ["DEBIAN", "SERIES", "DebianRelease", "known"]

SERIES: dict[Daemon, tuple[str, ...]] = {
    "rabbitmq": ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "4.0", "4.1", "4.2", "4.3"),
    "haproxy": ("2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "3.0", "3.1", "3.2"),
    "keepalived": ("2.1", "2.2", "2.3"),
}
"""The series of each daemon that files can be made for, oldest first; between them there are no others."""


class DebianRelease(NamedTuple):
    """A release of Debian, and what its packages hold."""

    number: str
    rabbitmq: Version
    haproxy: Version
    keepalived: Version


DEBIAN: dict[str, DebianRelease] = {
    "bullseye": DebianRelease("11", Version(3, 8, 9), Version(2, 2, 9), Version(2, 1, 5)),
    "bookworm": DebianRelease("12", Version(3, 10, 8), Version(2, 6, 12), Version(2, 2, 7)),
    "trixie": DebianRelease("13", Version(4, 0, 5), Version(3, 0, 11), Version(2, 3, 3)),
    "sid": DebianRelease("", Version(4, 3, 6), Version(3, 2, 26), Version(2, 3, 4)),
}
"""Debian's own packages by the release's name, as its archive had them in November 2026; sid goes on moving."""


def known(daemon: Daemon, version: Version) -> str:
    """Give what is wrong with *version*: that it is not of a known series, and which are; empty if it is."""
    series = SERIES[daemon]
    if f"{version.major}.{version.minor}" in series:
        return ""
    return f"found {PRODUCTS[daemon]} {version}; allowed: {', '.join(series)}, and their patches"
