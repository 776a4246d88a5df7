"""The record of a lab: what is made, written down before it is made, so that it can be undone whoever dies when."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integration.errors import LabError
from integration.lab.places import lab_folder, labs, private

__all__ = ["Record", "boot_id"]

_FILE = "record.jsonl"
_LOCK = "lock"


def boot_id() -> str:
    """Give the mark of this boot of the machine; after another one nothing but files is left of a lab."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class Record:
    """What was made for one lab, one line of JSON for each thing, in the order in which it was made."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = lab_folder(name)

    @property
    def exists(self) -> bool:
        """Whether there is, or was begun, a lab of this name."""
        return self.folder.is_dir()

    def begin(self) -> None:
        """Make the folder and write the first line.

        Raises:
            LabError: the folder cannot be had for root alone.
        """
        private(labs())
        private(self.folder)
        self.note("boot", id=boot_id())

    def note(self, kind: str, **what: Any) -> None:
        """Write a line: call it before the thing is made."""
        line = json.dumps({"kind": kind, **what}) + "\n"
        handle = os.open(self.folder / _FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def noted(self, kind: str) -> list[dict[str, Any]]:
        """Give the lines of *kind*; one that was cut off by a full disk or a power cut is left out."""
        found = []
        try:
            text = (self.folder / _FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("kind") == kind:
                found.append(entry)
        return found

    @property
    def of_this_boot(self) -> bool:
        """Whether the machine has not been booted since."""
        return any(entry["id"] == boot_id() for entry in self.noted("boot"))

    # -- who works on it ------------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one who changes the lab; the kernel lets go of it when this process dies.

        Raises:
            LabError: another process is at it.
        """
        private(labs())
        private(self.folder)
        path = self.folder / _LOCK
        with path.open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise LabError(
                    f"lab {self.name}: process {lock.read().strip() or 'unknown'} is working on it; "
                    "wait for it, or end it, and try again"
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield
