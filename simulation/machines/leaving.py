"""A session through HAProxy whose client has gone: it keeps its place at the server until the server closes, too.

HAProxy passes the client's FIN on once all that the client has said is sent (src/stream.c process_stream; it does not
while it connects, unless `option abortonclose` is set, which no listener in tcp mode has here), and then waits for the
server's own, as long as it waits for anything of the server (src/stconn.c sc_app_shutw_conn, 2.2 to 3.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from simulation.machines.machine import NEVER
from simulation.machines.session import Condition, Proxy, ShutDown, Side
from simulation.machines.wire import FOREVER, seconds, us

if TYPE_CHECKING:
    from simulation.machines.session_settings import SessionSettings

__all__ = ["Leaving", "LeavingInput", "Left"]

LeavingInput: TypeAlias = Side | ShutDown | Proxy
"""A side is the server's."""


class Left(NamedTuple):
    """The place at the server is free, and why."""

    t: float
    cause: str


class Leaving:
    """One such session (a :class:`simulation.machines.machine.Machine`)."""

    def __init__(
        self, settings: SessionSettings, *, now: float, active: float, condition: Condition, frozen: bool = False
    ) -> None:
        """*active*: when something last passed; *frozen*: HAProxy's process stands still and has not read the FIN."""
        self.settings = settings
        self._condition = condition
        self._active, self._closed = us(active), us(now)
        self._unacked = self._closed if condition == "silent" else FOREVER
        self._came = self._closed
        self._stopped: int | None = self._closed if frozen else None
        self.over = False

    @property
    def due(self) -> float:
        """When HAProxy ends it if everything stays as it is."""
        end = self._ends()[0]
        return NEVER if self.over or end >= FOREVER else seconds(end)

    def fire(self) -> list[Left]:
        """End it."""
        return self._left(*self._ends())

    def feed(self, now: float, input_: LeavingInput) -> list[Left]:
        """Take in what happens to the server or to HAProxy."""
        at = us(now)
        if self.over:
            return []
        if isinstance(input_, ShutDown):
            return self._left(at, "its server was marked DOWN") if self.settings.shutdown_sessions else []
        if isinstance(input_, Side):
            self._turn(at, input_.condition)
        elif input_.condition == "gone":
            return self._left(at, "HAProxy ended")
        elif input_.condition == "frozen":
            self._stopped = at if self._stopped is None else self._stopped
        elif self._stopped is not None:
            self._go_on(at)
        if self._stopped is None and self._condition in {"alive", "gone"}:
            return self._left(at, "the server closed")
        return []

    def _turn(self, now: int, condition: Condition) -> None:
        if condition == "silent":
            if self._condition != "silent":
                idle = self._keepalive()[0]
                self._came += max(0, now - 1 - self._came) // idle * idle
        elif self._condition == "silent":
            self._unacked, self._came = FOREVER, now
        self._condition = condition

    def _go_on(self, now: int) -> None:
        """HAProxy reads the FIN now, if it has not before."""
        assert self._stopped is not None
        if self.settings.hides_jumps:
            self._active += now - self._stopped
        if self._closed >= self._stopped:
            self._closed = now
            self._unacked = now if self._condition == "silent" else FOREVER
        elif self.settings.hides_jumps:
            self._closed += now - self._stopped
        self._stopped = None

    def _ends(self) -> tuple[int, str]:
        if self._stopped is not None:
            return FOREVER, ""
        fin, limit = self.settings.timeout_server_fin, self.settings.limits[1]
        timeout = self._active + _limit(limit) if fin is None else self._closed + _limit(fin)
        found = [(max(timeout, self._closed), "timeout")]
        if self._condition == "silent":
            if self._unacked < FOREVER:
                found.append((self._unacked + _limit(self.settings.gives_up), "FIN not acknowledged"))
            else:
                found.append((self._came + sum(self._keepalive()), "keepalive not answered"))
        return min(found)

    def _keepalive(self) -> tuple[int, int]:
        idle, probes = self.settings.keepalive("server")
        return _limit(idle), _limit(probes)

    def _left(self, now: int, cause: str) -> list[Left]:
        self.over = True
        return [Left(seconds(now), cause)]


def _limit(limit_s: float) -> int:
    return FOREVER if limit_s >= NEVER else us(limit_s)
