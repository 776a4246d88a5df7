"""Taking a lab down: everything in its record is undone, by recorded names only, whatever state it is in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from integration.errors import LabError
from integration.lab import cgroups, processes
from integration.lab.network import NAMESPACES_MARKER
from integration.lab.nspawn import machine_name
from integration.lab.places import is_lab_name, labs
from integration.lab.record import Record
from integration.lab.shell import run
from integration.signals import waiting

__all__ = ["down", "names", "sweep", "whole"]

_NAMESPACES = Path("/run/netns")
_PROPAGATE = Path("/run/systemd/nspawn/propagate")


def names() -> tuple[str, ...]:
    """Give the names of all labs there are on this machine, half-made ones too."""
    try:
        return tuple(sorted(p.name for p in labs().iterdir() if p.is_dir() and is_lab_name(p.name)))
    except FileNotFoundError:
        return ()
    except PermissionError as error:
        raise LabError(f"{labs()}: only root may look at labs") from error


def down(name: str, on_step: Callable[[str], None] = lambda _: None) -> bool:
    """Take the lab *name* down; say whether there was one.

    Raises:
        LabError: another process works on it, or something of it does not go away.
    """
    record = Record(name)
    if not record.exists:
        return False
    with record.held():
        sweep(record, on_step)
    return True


def sweep(record: Record, on_step: Callable[[str], None] = lambda _: None) -> None:
    """Undo what is in *record*, which the caller holds."""
    if record.of_this_boot:
        on_step("ending its hosts")
        _end_processes(record)
        on_step("removing its network")
        _remove_namespaces(record)
        cgroups.remove(cgroups.folder(record.name))
        for entry in record.noted("cgroup"):
            with contextlib.suppress(OSError):
                (_PROPAGATE / machine_name(record.name, entry["host"])).rmdir()
    on_step("removing its files")
    # The record goes last: whoever is killed meanwhile leaves it to the next one.
    for part in record.folder.iterdir():
        if part.is_dir():
            shutil.rmtree(part)
    shutil.rmtree(record.folder)


@contextlib.contextmanager
def whole(name: str) -> Iterator[list[int]]:
    """Let signals wait while the lab *name* is taken down in here; gives the list of those that came.

    Raises:
        LabError: something of it does not go away; the text says what takes away the rest.
    """
    try:
        with waiting() as came:
            yield came
    except (LabError, OSError) as error:
        raise LabError(
            f"lab {name}: not all of it went away: {error}\n`rmqha lab down {name}` takes away what is left"
        ) from error


def _end_processes(record: Record) -> None:
    with contextlib.suppress(FileNotFoundError):
        cgroups.kill(cgroups.folder(record.name))
    for entry in record.noted("process"):
        processes.send(entry["pid"], entry["start"], signal.SIGKILL)


def _remove_namespaces(record: Record) -> None:
    there = {path.name for path in _NAMESPACES.iterdir()} if _NAMESPACES.is_dir() else set()
    # A host that got its power back is noted once more.
    for name in dict.fromkeys(entry["name"] for entry in record.noted("namespace")):
        if name not in there:
            continue
        # Clients and observers, whose process may have died before it could end them.
        for pid in map(int, _pids_in(name)):
            start = processes.start_time(pid)
            if start is not None and pid != os.getpid():
                processes.send(pid, start, signal.SIGKILL)
        run(["ip", "netns", "delete", name], apart=True)
    # iproute2 makes this folder a mount when it makes the first namespace, and never undoes it.
    marker = labs() / NAMESPACES_MARKER
    if marker.exists() and _NAMESPACES.is_dir() and not any(_NAMESPACES.iterdir()):
        subprocess.run(["umount", str(_NAMESPACES)], capture_output=True, check=False, process_group=0)
        marker.unlink(missing_ok=True)


def _pids_in(name: str) -> list[str]:
    try:
        return run(["ip", "netns", "pids", name], apart=True).split()
    except LabError:
        return []  # A name whose namespace was not made, or not mounted, by the time its maker died.
