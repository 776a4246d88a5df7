"""What ssh says when it does not get through, with what to do about it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from integration.errors import LabError

if TYPE_CHECKING:
    from integration.ssh.inventory import Way

__all__ = ["Refused", "Unreachable", "explained", "typed"]

_SHOWN_LINES = 4


class Unreachable(LabError):
    """A host that does not answer: it is off, or the network or its sshd is."""


class Refused(LabError):
    """A host that answers and is not used: its key is not known, or it does not let the user in."""


_REFUSALS = (
    (
        "HOST IDENTIFICATION HAS CHANGED",
        (
            "its key is another than the one in known_hosts: somebody may be between, or the host was installed anew; "
            "if you know that it was, take the old key out (ssh-keygen -R), then {typed}"
        ),
    ),
    (
        "Host key verification failed",
        (
            "its key is not known here, and unknown keys are not accepted: compare what `{typed}` shows with what "
            "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows on the host's console; if they agree, answer yes"
        ),
    ),
    (
        "Permission denied",
        (
            "it lets no key of yours in as {user}, and passwords are not asked for: load the key (ssh-add), name it "
            "(`identity:` in the inventory), or put its public part into authorized_keys; `{typed}` must work by itself"
        ),
    ),
    (
        "Too many authentication failures",
        "your agent offers more keys than it looks at: name the right one by `identity:` in the inventory",
    ),
)
_SILENCES = (
    ("Could not resolve hostname", "give its address in the inventory: `hosts: {{{host}: ADDRESS}}`"),
    ("Connection refused", "start sshd there, or give the right port in the inventory"),
    ("timed out", "look whether the host runs, and whether a packet filter is between"),
    ("No route to host", "look whether the host runs, and whether this machine is on a network that leads there"),
    ("Network is unreachable", "this machine has no network that leads there"),
)


def explained(way: Way, words: str) -> LabError:
    """Give the error of a host that ssh did not get through to, by what ssh said."""
    for signs, kind in ((_REFUSALS, Refused), (_SILENCES, Unreachable)):
        for sign, todo in signs:
            if sign in words:
                told = todo.format(typed=typed(way), user=way.user, host=way.host)
                return kind(f"{way}: ssh says: {_last(words, sign)}; {told}")
    lines = [line for line in words.splitlines() if line.strip()][-_SHOWN_LINES:]
    shown = "".join(f"\n  {line}" for line in lines) or " nothing"
    return Unreachable(f"{way}: the connection ended; ssh says:{shown}")


def typed(way: Way) -> str:
    """Give what a person types to log in by *way*."""
    words = ["ssh"]
    words += ["-F", str(way.config)] if way.config else []
    words += ["-p", str(way.port)] if way.port else []
    words += ["-i", str(way.identity)] if way.identity else []
    return shlex.join([*words, f"{way.user}@{way.address}"])


def _last(words: str, sign: str) -> str:
    line = next(line for line in reversed(words.splitlines()) if sign in line)
    return line.strip().strip("@ ").rstrip(".")
