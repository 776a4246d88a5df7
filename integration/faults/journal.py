"""What is to be undone, on the disk before it is needed: lines of JSON, each there as a whole or not at all.

One program at a time keeps the journal of a stack. The kernel lets go of it when that program dies, so whoever gets it
and finds entries that are not struck off knows that nobody else will undo them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.errors import FaultError
from integration.faults.steps import Step, read

__all__ = ["Entry", "Journal", "of"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A fault that was begun and is not known to be undone."""

    number: int
    fault: str
    hosts: tuple[str, ...]
    steps: tuple[Step, ...]


class Journal:
    """The journal of one stack, kept while it has entries of this program."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._lock = threading.RLock()
        self._open: dict[int, Entry] = {}
        self._last = 0

    def write(self, fault: str, hosts: Sequence[str], steps: Sequence[Step]) -> int:
        """Write down what will undo a fault, and give the number of the entry.

        Raises:
            FaultError: another program has faults on these hosts.
        """
        with self._lock:
            if not self.take():
                raise FaultError(f"another program has faults on these hosts, and keeps {self._path}")
            entry = Entry(self._last + 1, fault, tuple(hosts), tuple(steps))
            self._append({"n": entry.number, "fault": fault, "hosts": hosts, "undo": [step.row() for step in steps]})
            self._last = entry.number
            self._open[entry.number] = entry
            return entry.number

    def strike(self, number: int) -> None:
        """Write down that an entry is undone."""
        with self._lock:
            if self._open.pop(number, None) is None:
                return
            assert self._file is not None
            if self._open:
                self._append({"struck": number})
            else:
                os.ftruncate(self._file, 0)
                os.fsync(self._file)
                self.release()

    @property
    def left(self) -> tuple[Entry, ...]:
        """Entries that are not struck off, the last one first."""
        with self._lock:
            return tuple(self._open[number] for number in sorted(self._open, reverse=True))

    @property
    def kept(self) -> bool:
        """Whether this program keeps it now."""
        return self._file is not None

    def take(self) -> bool:
        """Keep it, with the entries it has; false if another program does."""
        with self._lock:
            if self._file is not None:
                return True
            try:
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise FaultError(f"{self._path}: cannot be written: {error.strerror}") from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            self._file = file
            self._read(os.pread(file, os.fstat(file).st_size, 0))
            return True

    def release(self) -> None:
        """Keep it no longer."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._open.clear()

    def _read(self, content: bytes) -> None:
        self._open.clear()
        self._last = 0
        for line in content.split(b"\n"):
            # The last line is torn if its writer was killed in it: then what it speaks of was not done.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                if "struck" in row:
                    self._open.pop(row["struck"], None)
                else:
                    steps = tuple(map(read, row["undo"]))
                    self._open[row["n"]] = Entry(row["n"], row["fault"], tuple(row["hosts"]), steps)
                    self._last = max(self._last, row["n"])

    def _append(self, row: dict[str, Any]) -> None:
        assert self._file is not None
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            line = b"\n" + line
        while line:
            line = line[os.write(self._file, line) :]
        os.fsync(self._file)


_JOURNALS: dict[Path, Journal] = {}
_GUARD = threading.Lock()


def of(path: Path) -> Journal:
    """Give the journal at *path*: the same to everybody in this program."""
    with _GUARD:
        return _JOURNALS.setdefault(path, Journal(path))
