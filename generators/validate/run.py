"""One way to run somebody else's program: on wanted files, in a room of its own, within bounds, leaving nothing.

There are two rooms. The *private* one is for programs that insist on absolute paths, on a host name, on interfaces,
or that open ports: fresh namespaces in which the wanted files lie at the very places where they will be installed, the
machine's own files are read-only, and the network leads nowhere. It needs root or user namespaces. The *plain* one is
a folder in which the files lie at the same places below it; any machine can do that.

In both: no shell, no input, a small environment, a time after which everything is killed, bounded output.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from generators.validate.bounded import bounded
from generators.validate.private import private_room, run_private
from generators.validate.room import SYSTEM_PATH, File, NoRoom, Outcome, Room, find_program

__all__ = ["File", "NoRoom", "Outcome", "Room", "find_program", "private_room", "run"]


def run(
    argv: Sequence[str], room: Room, *, private: bool, timeout_s: float, env: Mapping[str, str] | None = None
) -> Outcome:
    """Run a program in a *room* and give how it ended.

    Words of *argv* and values of *env* that are paths of wanted files are meant as such in either kind of room, and
    its output speaks of them by those paths.

    Raises:
        NoRoom: a private room cannot be had, or the program not be started.
    """
    for file in room.files:
        if not file.path.startswith("/") or ".." in file.path.split("/"):
            raise NoRoom(f"{file.path} is no plain absolute path")
    small = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "HOME": "/run/home", **(env or {})}
    if not private:
        return _run_plain(argv, room, timeout_s, small)
    kind = private_room()
    if isinstance(kind, NoRoom):
        raise kind
    return run_private(kind, argv, room, timeout_s, small)


def _run_plain(argv: Sequence[str], room: Room, timeout_s: float, env: Mapping[str, str]) -> Outcome:
    if not os.access(argv[0], os.X_OK):
        raise NoRoom(f"{argv[0]} cannot be started")
    files = (*room.files, File("/run/home", None))
    known = {file.path for file in files}
    with tempfile.TemporaryDirectory(prefix="rmqha-validate-") as folder:  # mode 0700
        for file in files:
            path = Path(folder, file.path.lstrip("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            if file.content is None:
                path.mkdir(exist_ok=True)
            else:
                path.write_text(file.content, encoding="utf-8")
                path.chmod(file.mode | 0o400)
        moved = [f"{folder}{word}" if word in known else word for word in argv]
        there = {name: f"{folder}{value}" if value in known else value for name, value in env.items()}
        # Killed when this process is, where that can be had; a private room sees to it by itself.
        setpriv = find_program("setpriv")
        guard = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        outcome = bounded([*guard, *moved], timeout_s, env={"TMPDIR": folder, **there}, cwd=folder)
    return Outcome(outcome.exit_status, outcome.output.replace(folder, ""), outcome.elapsed_s)
