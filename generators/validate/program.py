"""The programs that judge: where they are, which version they have."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generators.validate.run import NoRoom, Room, find_program, run

__all__ = ["Program", "caveat", "installed", "older"]

VERSION_ARGUMENTS = {"haproxy": ("-v",), "rsyslogd": ("-v",), "sh": ()}
"""How to ask those that do not know ``--version``; dash knows no way."""

DESIGNED = {"haproxy": "haproxy", "keepalived": "keepalived", "rabbitmq-server": "rabbitmq"}
"""Programs whose version a design states, by the name it states them under."""


@dataclass(frozen=True, slots=True)
class Program:
    """An installed program; *version* is empty when it does not tell."""

    name: str
    path: str
    version: str


def installed(name: str) -> Program | None:
    """Find a program and ask its version, ``None`` when it is not installed."""
    path = find_program(name)
    return None if path is None else Program(name, path, _version(name, path, Path(path).stat().st_mtime_ns))


@functools.cache
def _version(name: str, path: str, _changed_ns: int) -> str:
    real = os.path.realpath(path)
    if name == "rabbitmq-server":
        # It can only say so by starting Erlang, which takes a second; every package has the version in a folder's name.
        found = re.search(r"rabbitmq_server-(\d+(?:\.\d+)+)", real) or re.search(
            r"rabbitmq_server-(\d+(?:\.\d+)+)", " ".join(_listing("/usr/lib/rabbitmq/lib"))
        )
        return found[1] if found else ""
    arguments = VERSION_ARGUMENTS.get(name, ("--version",))
    if not arguments:
        return ""
    try:
        said = run([path, *arguments], Room(), private=False, timeout_s=20).output
    except NoRoom:
        return ""
    # The numbers at the first place that looks like a version, without a distribution's additions.
    found = re.search(r"(?<![\w.])v?(\d+(?:\.\d+)+|\d+(?= \())", said)
    return found[1] if found else ""


def _listing(folder: str) -> list[str]:
    try:
        return sorted(path.name for path in Path(folder).iterdir())
    except OSError:
        return []


def older(program: Program, versions: Mapping[str, str]) -> bool:
    """Whether the program's series is older than the one the design is for: what it refuses may be new to it."""
    wanted = versions.get(DESIGNED.get(program.name, ""), "")
    return bool(wanted and program.version) and _series(program.version) < _series(wanted)


def _series(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def caveat(program: Program, versions: Mapping[str, str]) -> str:
    """Say that the program is not of the version the design is for, if so."""
    wanted = versions.get(DESIGNED.get(program.name, ""), "")
    if not wanted or not program.version:
        return ""
    parts = wanted.split(".")
    if program.version.split(".")[: len(parts)] == parts:
        return ""
    return f"checked by {program.version}, the design is for {wanted}"
