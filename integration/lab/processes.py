"""Processes by number and start time: a number alone may be somebody else's by the time it is used."""

from __future__ import annotations

import os
import signal
from pathlib import Path

__all__ = ["alive", "inner_pid", "pss_kib", "send", "start_time"]


def start_time(pid: int) -> int | None:
    """Give the start time of *pid* in clock ticks since boot; ``None`` when there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold anything; after it comes field 3, the state. 22 is the start time (proc(5)).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def alive(pid: int, start: int) -> bool:
    """Whether the process that had *pid* and began at *start* still runs."""
    return start_time(pid) == start


def send(pid: int, start: int, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; say whether it was there."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The handle holds whoever has the number now; if that one began at *start*, it is the one that is meant.
        if not alive(pid, start):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def inner_pid(pid: int) -> int | None:
    """Give the number of *pid* in the innermost process namespace it is in, if that is not this one."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    for line in text.splitlines():
        if line.startswith("NSpid:"):
            numbers = line.split()[1:]
            return int(numbers[-1]) if len(numbers) > 1 else None
    return None


def pss_kib(pid: int) -> int:
    """Give the memory of *pid* in KiB, with its share of what it has in common with others; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
