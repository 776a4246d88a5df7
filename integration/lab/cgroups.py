"""A control group for each host: what is in it is the host, so that nothing of it can be missed when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from integration.errors import LabError
from integration.lab import processes

__all__ = ["folder", "kill", "members", "mounted", "remove"]

_TOP = "rmqha"


def mounted() -> Path:
    """Give where the machine has its version 2 control groups.

    Raises:
        LabError: nowhere.
    """
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return Path(fields[1])
    raise LabError("no control groups of version 2 are mounted; allowed: cgroup2 on /sys/fs/cgroup, or below it")


def folder(lab: str, host: str = "") -> Path:
    """Give the control group of *host*, or of the whole lab."""
    return mounted() / _TOP / lab / host if host else mounted() / _TOP / lab


def members(group: Path) -> list[int]:
    """Give the processes in *group* and below it."""
    found: list[int] = []
    for folder_, _, _ in os.walk(group):  # passes over what vanishes meanwhile
        with contextlib.suppress(OSError):
            found += map(int, Path(folder_, "cgroup.procs").read_text(encoding="ascii").split())
    return found


def kill(group: Path, timeout_s: float = 10) -> None:
    """End all that is in *group*: the first process of each host first, which takes its whole host with it.

    Raises:
        LabError: something is left.
    """
    deadline = time.monotonic() + timeout_s
    grace = time.monotonic() + timeout_s / 3
    while left := [(pid, start) for pid in members(group) if (start := processes.start_time(pid)) is not None]:
        if time.monotonic() > deadline:
            raise LabError(f"{group}: processes that do not end: {', '.join(str(pid) for pid, _ in left)}")
        for pid, start in left:
            # Their keepers end by themselves then, and tidy up.
            if processes.inner_pid(pid) is not None or time.monotonic() > grace:
                processes.send(pid, start, signal.SIGKILL)
        time.sleep(0.05)


def remove(group: Path) -> None:
    """Remove *group*, in which nothing runs, and the one above it when it is the last."""
    groups = [group, *_also_named_hierarchy(group)]
    for each in groups:
        for path in sorted((p for p in each.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)):
            _remove_one(path)
        _remove_one(each)
        for above in (each.parent, each.parent.parent):
            if _TOP in above.parts:
                with contextlib.suppress(OSError):  # other labs are in it
                    above.rmdir()


def _remove_one(path: Path) -> None:
    for _ in range(40):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)  # a process that has just ended is still counted
        else:
            return


def _also_named_hierarchy(group: Path) -> list[Path]:
    """Give the same group in systemd's hierarchy of version 1, where nspawn makes it too."""
    top = mounted()
    named = top.parent / "systemd"
    return [named / group.relative_to(top)] if top.name == "unified" and named.is_dir() else []
