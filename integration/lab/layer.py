"""The layer that a host has for itself over its root: while it is off, files can be put in it as if on the host."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

__all__ = ["Layer"]


class Layer(NamedTuple):
    """The upper folder of a host's overlay, and the root below it."""

    upper: Path
    lower: Path

    def folder(self, path: str) -> Path:
        """Make the folder *path*; one that the root has keeps owner and mode, which the upper layer decides."""
        made, below = self.upper, self.lower
        made.mkdir(parents=True, exist_ok=True)
        for part in path.strip("/").split("/"):
            made, below = made / part, below / part
            if made.exists():
                continue
            made.mkdir(mode=0o755)
            if below.is_dir():
                status = below.stat()
                os.chown(made, status.st_uid, status.st_gid)
                made.chmod(stat.S_IMODE(status.st_mode))
        return made

    def put(self, path: str, text: str, *, mode: int = 0o644, group: int = 0) -> None:
        """Write the file *path*."""
        folder, _, name = path.rpartition("/")
        handle = os.open(self.folder(folder) / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchown(file.fileno(), 0, group)
            os.fchmod(file.fileno(), mode)
