"""One host of a design, reached by ssh."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from integration.errors import LabError
from integration.host import Done, checked
from integration.ssh.explain import Refused, Unreachable, typed

if TYPE_CHECKING:
    from integration.ssh.connection import Connection

__all__ = ["SshHost"]

_FRESH_S = 1.0
"""For how long a host that answered is taken to be there without being asked again."""
_ASKED_S = 10


class SshHost:
    """A host that is logged in to; it satisfies :class:`integration.host.Host`."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self.connection = connection

    @property
    def running(self) -> bool:
        """Whether it answers: from here, a host without power and one that cannot be reached look alike.

        Raises:
            Refused: it answers, and does not let the user in.
        """
        if time.monotonic() - self.connection.heard < _FRESH_S:
            return True
        try:
            self.connection.run(("true",), stdin="", timeout_s=_ASKED_S)
        except Unreachable:
            return False
        return True

    def run(self, *command: str, stdin: str = "", timeout_s: float = 60) -> Done:
        """Run a command as root, to its end; a status of 124 says that it was ended after *timeout_s*.

        Raises:
            LabError: the host is off, or cannot be reached.
        """
        said = self.connection.run(command, stdin=stdin, timeout_s=timeout_s)
        return Done(command, said.status, said.out, said.err)

    def check(self, *command: str, stdin: str = "", timeout_s: float = 60) -> str:
        """Run a command that must succeed, and give what it wrote.

        Raises:
            CommandFailed: its exit status was not 0.
            LabError: as :meth:`run`.
        """
        return checked(self.name, self.run(*command, stdin=stdin, timeout_s=timeout_s))

    def require_root(self) -> None:
        """Connect, and see that commands run as root.

        Raises:
            LabError: it is not reached, or they do not.
        """
        way = self.connection.way
        done = self.run("id", "-u", timeout_s=_ASKED_S)
        if not done.status and done.out.strip() == "0":
            return
        if way.sudo:
            words = done.err.strip().rpartition("\n")[2] or f"exit status {done.status}"
            raise Refused(
                f"{way}: sudo says: {words}; {way.user} must be let run commands without a password: a line "
                f"`{way.user} ALL=(root) NOPASSWD: ALL` by visudo there, until `{typed(way)} sudo -n true` works"
            )
        if done.status:
            raise LabError(f"{way}: commands cannot be run: {done.err.strip()[-300:]}")
        raise Refused(
            f"{way}: found {way.user}, who is not root; allowed: root, or `sudo: true` in the inventory for a user who "
            "may run commands by `sudo -n`"
        )
