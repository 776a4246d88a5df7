"""What a program is run in and what came of it, as data."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rmqha_model.errors import RmqhaError

__all__ = ["SYSTEM_PATH", "File", "NoRoom", "Outcome", "Room", "find_program"]

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where daemons live; a plain user's PATH often lacks the ``sbin`` folders."""


class NoRoom(RmqhaError):
    """A program cannot be run here as it has to be; the text says what is lacking."""


@dataclass(frozen=True, slots=True)
class File:
    """A file, or with *content* ``None`` a folder, that a program shall find at an absolute *path*."""

    path: str
    content: str | None
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True)
class Room:
    """What a program finds around it.

    *alone* are folders of which the program sees nothing but the wanted files, whatever this machine has there.
    *users* are users and groups that must exist, as must the owners of the files; those this machine lacks are made
    up. *links* are network interfaces with their addresses (``10.0.0.1/32``).
    """

    files: tuple[File, ...] = ()
    alone: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hostname: str = "localhost"
    links: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: *exit_status* is negative for a signal, ``None`` when the time was over."""

    exit_status: int | None
    output: str
    elapsed_s: float

    @property
    def ended(self) -> str:
        """Say it in words: ``exit status 1``."""
        if self.exit_status is None:
            return f"no answer within {self.elapsed_s:.0f} s"
        if self.exit_status < 0:
            return f"killed by {signal.Signals(-self.exit_status).name}"
        return f"exit status {self.exit_status}"


def find_program(name: str) -> str | None:
    """Give the absolute path of a program, ``None`` when it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
