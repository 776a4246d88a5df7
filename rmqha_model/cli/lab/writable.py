"""Whether what a long command is to write can be written, before an hour is spent on it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["writable_file", "writable_folder"]


def writable_folder(option: str, folder: Path) -> None:
    """Make *folder*, if there is none.

    Raises:
        LabError: it cannot be made, or not be written to.
    """
    from integration.errors import LabError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{option} {folder}: cannot be made: {error.strerror}; allowed: a folder, or none yet") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LabError(f"{option} {folder}: the folder cannot be written to")


def writable_file(option: str, file: Path) -> None:
    """Make the folder of *file*, if there is none.

    Raises:
        LabError: *file* is a folder, or it cannot be written.
    """
    from integration.errors import LabError

    if file.is_dir():
        raise LabError(f"{option} {file}: is a folder; allowed: the name of a file")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{option} {file}: the folder {file.parent} cannot be made: {error.strerror}") from None
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise LabError(f"{option} {file}: cannot be written to")
