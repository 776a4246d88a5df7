"""What is inside a host, as this machine sees it: where a path leads, and how a command gets there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["entering", "within"]

_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LANG=C.UTF-8",
    "TERM=dumb",
)
_MOST_STEPS = 255
"""Of links and folders in a path; the kernel stops at 40 links."""


def entering(leader: int, command: Sequence[str], terminal: str = "") -> list[str]:
    """Give the command line that runs *command* in the host whose first process is *leader*."""
    names = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
    variables = [*_ENVIRONMENT, f"TERM={terminal}"] if terminal else _ENVIRONMENT
    return ["nsenter", "--target", str(leader), *names, "/usr/bin/env", "-i", *variables, *command]


def within(root: str, path: str) -> str:
    """Give where *path* of the file system at *root* lies; its links are followed inside, never out of it."""
    done: list[str] = []
    left = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    for _ in range(_MOST_STEPS):
        if not left:
            break
        part = left.pop()
        if part == "..":
            del done[-1:]
            continue
        try:
            link = Path(root, *done, part).readlink()
        except OSError:
            done.append(part)
            continue
        if link.is_absolute():
            done = []
        left += [each for each in reversed(str(link).split("/")) if each not in {"", "."}]
    return "/".join((root, *done))
