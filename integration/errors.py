"""What can go wrong with real hosts, as exceptions a caller can catch and text a user can act on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rmqha_model.errors import RmqhaError

if TYPE_CHECKING:
    from integration.host import Done

__all__ = ["CommandFailed", "FaultError", "LabError", "NotPossible", "Unhealthy"]

_SHOWN_LINES = 12


class LabError(RmqhaError):
    """A lab that cannot be made, found, used or taken down."""


class NotPossible(LabError):
    """Something that these hosts cannot be asked to do, such as cutting the power where one only has a login."""


class FaultError(LabError):
    """A fault that could not be done, or not be undone."""


class Unhealthy(LabError):
    """Hosts that did not become healthy in time; the text says which, and what was waited for."""


class CommandFailed(LabError):
    """A command on a host that failed; the text holds the last lines of what it said."""

    def __init__(self, host: str, done: Done) -> None:
        self.host = host
        self.done = done
        said = (done.err.strip() or done.out.strip()).splitlines()[-_SHOWN_LINES:]
        lines = "".join(f"\n  {line}" for line in said)
        super().__init__(f"{host}: {shlex.join(done.command)}: exit status {done.status}{lines}")
