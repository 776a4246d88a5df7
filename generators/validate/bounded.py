"""A program run within bounds: of time, of output, and of what is left of it afterwards, which is nothing."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from generators.validate.room import NoRoom, Outcome

__all__ = ["bounded"]

OUTPUT_BYTES_MAX = 256 * 1024
"""What is kept of a program's output; more would be no use in a report and could fill the memory."""

LOOK_AGAIN_S = 0.05
"""How often to see whether a program ended whose output something else holds open."""


def bounded(  # noqa: PLR0913 - as many as a process has
    argv: Sequence[str],
    timeout_s: float,
    *,
    env: Mapping[str, str],
    cwd: str,
    stdin: int = subprocess.DEVNULL,
    pass_fds: tuple[int, ...] = (),
) -> Outcome:
    """Run a program to its end, or to the end of its time, and kill what it started."""
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,  # so that all of it can be killed, and Ctrl-C reaches this process alone
        )
    except OSError as error:
        raise NoRoom(f"{argv[0]} cannot be started: {error.strerror}") from error
    status: int | None = None
    kept = bytearray()
    try:
        if _read(process, kept, start + timeout_s):
            # Until it is waited for, an ended process keeps its number, and with it the number of its group: so the
            # kill cannot reach anybody else. The group may hold what the program left behind.
            _kill(process)
            status = process.wait()
    finally:
        if process.returncode is None:
            _kill(process)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    return Outcome(status, kept.decode(errors="replace"), time.monotonic() - start)


def _read(process: subprocess.Popen[bytes], kept: bytearray, deadline: float) -> bool:
    """Keep what a process says until it ends; say whether it ended in time."""
    if process.stdout is None:  # cannot be: a pipe was asked for
        return False
    open_yet = True
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            pause = min(left, LOOK_AGAIN_S)
            if not open_yet:
                time.sleep(pause / 10)
            elif ready.select(pause):
                chunk = os.read(process.stdout.fileno(), 65536)
                kept += chunk[: OUTPUT_BYTES_MAX - len(kept)]
                open_yet = bool(chunk)
                if open_yet:
                    continue
                ready.unregister(process.stdout)
            if _ended(process, open_yet=open_yet):
                return True
    return False


def _ended(process: subprocess.Popen[bytes], *, open_yet: bool) -> bool:
    """Say whether a process ended, without waiting for it."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13: take its word for it
        return not open_yet
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
