"""Events to standard output, as JSON lines, without a system call for each."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmqha_model.events import Event

__all__ = ["Emitter"]

_FULL = 1 << 16


class Emitter:
    """Writes events to a file descriptor: when :meth:`flush` is called, and before it holds too many."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._lines: list[str] = []
        self._held = 0

    def __call__(self, event: Event) -> None:
        """Take an event."""
        line = json.dumps(event.row(), separators=(",", ":"))
        self._lines.append(line)
        self._held += len(line)
        if self._held > _FULL:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if not self._lines:
            return
        data = ("\n".join(self._lines) + "\n").encode()
        self._lines, self._held = [], 0
        while data:
            data = data[os.write(self._descriptor, data) :]
