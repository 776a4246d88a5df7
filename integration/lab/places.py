"""Where the lab keeps things on this machine: cached roots, and a folder for each lab."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from integration.errors import LabError

__all__ = ["cache", "is_lab_name", "lab_folder", "labs", "private"]

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_NAME = 63


def cache() -> Path:
    """Give the folder of cached roots: RMQHA_LAB_CACHE, else rmqha in XDG_CACHE_HOME or /var/cache."""
    named = os.environ.get("RMQHA_LAB_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache", "rmqha")


def labs() -> Path:
    """Give the folder of all labs: RMQHA_LAB_STATE, else /var/lib/rmqha-labs.

    It is on a disk, not in /run: the hosts' file systems lie in it, and a broker whose fsync costs nothing would be
    another broker.
    """
    return Path(os.environ.get("RMQHA_LAB_STATE") or "/var/lib/rmqha-labs")


def lab_folder(name: str) -> Path:
    """Give the folder of the lab *name*.

    Raises:
        LabError: no lab can have this name.
    """
    if not is_lab_name(name):
        allowed = f"at most {_LONGEST_NAME} lower-case letters and digits, with single hyphens between them"
        raise LabError(f"name of a lab: found {name[:80]!r}; allowed: {allowed}")
    return labs() / name


def is_lab_name(name: str) -> bool:
    """Whether a lab can be called *name*."""
    return len(name) <= _LONGEST_NAME and bool(_NAME.fullmatch(name))


def private(path: Path) -> Path:
    """Make the folder *path*, for root only, with the folders above it as they must be; give it back.

    Raises:
        LabError: it is somebody else's, or others may write to it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise LabError(f"{path}: cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise LabError(
            f"{path}: found somebody else's, or one that others may use; allowed: a folder of root's, mode 0700"
        )
    return path
