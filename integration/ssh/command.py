"""A command as it travels: whatever its arguments hold, the host gets them as they were given.

ssh hands one text to the login shell of the user, which may be any. So that text is the same for all commands, of
signs that every shell reads alike, and tells a POSIX shell to read a program of so many bytes from its input. Arguments
are in that program; neither this machine's list of processes nor the login shell ever sees them.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from integration.errors import LabError

__all__ = ["Said", "invocation", "program", "said"]

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}
"""All that a command finds in its environment, as on a machine of the lab."""
_KILL_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Said:
    """What came back of a command that ended on its host."""

    status: int
    out: str
    err: str


def program(command: Sequence[str], mark: str, *, sudo: bool, timeout_s: float) -> bytes:
    """Give the program that runs *command* as root, and says by lines with *mark* when it begins and how it ended.

    Raises:
        LabError: no command can have such an argument.
    """
    if not command or any("\0" in word for word in command):
        raise LabError("command: found none, or a NUL in it; allowed: a program and its arguments")
    variables = (f"{name}={value}" for name, value in ENVIRONMENT.items())
    limit = ("timeout", f"--kill-after={_KILL_AFTER_S}", f"{timeout_s:g}")
    words = (*(("sudo", "-n", "--") if sudo else ()), "env", "-i", *variables, *limit, *command)
    lines = (
        f"PATH={ENVIRONMENT['PATH']}; export PATH",
        f"printf '%s\\n' {mark} >&2",
        shlex.join(words),
        f"printf '\\n%s %s\\n' {mark} $? >&2",
    )
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def invocation(length: int) -> str:
    """Give the text for the login shell: run a program of *length* bytes; what follows it is the command's input."""
    # head reads no more than it is asked for, so that the rest is there for the command.
    return f"exec /bin/sh -c 'eval \"$(head -c {length})\"'"


def said(out: bytes, err: bytes, mark: str) -> Said | None:
    """Read what came back; nothing where the command was never seen to end."""
    text = err.decode("utf-8", "replace")
    # Before it is what ssh itself had to say, such as that it made a connection of its own.
    _, opening, rest = text.partition(f"{mark}\n")
    words, closing, ended = rest.rpartition(f"\n{mark} ")
    # After it is what a process said that outlived the command.
    status, _, late = ended.partition("\n")
    if not opening or not closing or not status.isdigit():
        return None
    # 137: it did not heed the first signal.
    return Said(124 if status == "137" else int(status), out.decode("utf-8", "replace"), words + late)
