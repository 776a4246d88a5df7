"""One health check from its first SYN to its result code, against a target that may change while it lasts.

Source: src/tcpcheck.c tcpcheck_eval_connect and tcpcheck_main, src/check.c chk_report_conn_err, 2.2 to 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulation.machines.wire import FOREVER, Dial, Target, us

if TYPE_CHECKING:
    from simulation.machines.check_settings import CheckSettings

__all__ = ["CheckAttempt"]


class _Sleep(NamedTuple):
    """Time in which HAProxy's process stood still; *hidden* from its timers or not."""

    begin: int
    end: int
    hidden: bool


class _Reply(NamedTuple):
    """What comes back, when."""

    instant: int
    code: str


_NOTHING = _Reply(FOREVER, "")


class CheckAttempt:
    """One check under way: ``end`` and ``code`` are what comes of it if the target stays as it is."""

    __slots__ = ("_cuts", "_dial", "_heard", "_s", "_secured", "_since", "_sleeps", "_target", "code", "end", "start")

    def __init__(self, start: int, target: Target, settings: CheckSettings) -> None:
        self.start = start
        self._s = settings
        self._target = target
        self._dial = Dial(start, target, settings.kernel)
        self._cuts: tuple[tuple[int, int], ...] = ()
        self._since = start
        self._secured = self._heard = _NOTHING
        self._sleeps: tuple[_Sleep, ...] = ()
        self.end, self.code = self._outcome()

    def change(self, now: int, target: Target) -> None:
        """Take in that from *now* on the target behaves otherwise; what came back before stays."""
        if (secured := self._handshake()).instant < now:
            self._secured = secured
        if self._s.kind != "tcp" and (heard := self._reply()).instant < now:
            self._heard = heard
        self._dial.change(now, target)
        self._target, self._since = target, now
        self.end, self.code = self._outcome()

    def sleep(self, now: int) -> None:
        """Take in that HAProxy's process stands still."""
        self._sleeps += (_Sleep(now, FOREVER, hidden=True),)
        self.end, self.code = self._outcome()

    def wake(self, now: int, *, hidden: bool) -> None:
        """Take in that it goes on, and whether its timers know of the time between."""
        if self._sleeps:
            self._sleeps = (*self._sleeps[:-1], _Sleep(self._sleeps[-1].begin, now, hidden))
            self.end, self.code = self._outcome()

    def shorten(self, now: int, limit_ms: int) -> None:
        """Take in that it has to end *limit_ms* from *now*, if its own limit is not earlier."""
        self._cuts += ((now, limit_ms),)
        self.end, self.code = self._outcome()

    @property
    def dialled(self) -> str:
        """What comes of its connect: see :class:`simulation.machines.wire.Dial`."""
        return self._dial.result

    def next_syn(self, now: int) -> int | None:
        """Give its first SYN at or after *now*, unless it ends before."""
        syn = self._dial.next_syn(now)
        return syn if syn is not None and syn < min(self.end, self._dial.end) else None

    def _outcome(self) -> tuple[int, str]:
        done = self._seen(self._dial.end)
        limit = min(self._expires(self.start, self._s.connect_limit), self._cut(0, FOREVER))
        if done >= limit:
            return limit, "L4TOUT"
        if self._dial.result != "connected":
            return done, "L4CON"
        if self._s.tls:
            # The handshake is part of the connect (CO_FL_WAIT_XPRT), whose limit `timeout check` does not move.
            secured = self._handshake()
            done = self._seen(secured.instant)
            if done >= limit:
                return limit, "L6TOUT"
            if secured.code != "L6OK":
                return done, secured.code
        if self._s.kind == "tcp":
            return done, "L6OK" if self._s.tls else "L4OK"
        if self._s.timeout_check is not None:
            first = min(self._expires(self.start, self._s.connect_limit), self._cut(0, done))
            own = min(self._expires(done, self._s.timeout_check), later := self._cut(done, FOREVER))
            limit = max(first, own) if self._s.late_timeout and own < later else own
        reply = self._reply()
        heard = self._seen(reply.instant)
        return (limit, "L7TOUT") if heard >= limit else (heard, reply.code)

    def _cut(self, begin: int, end: int) -> int:
        return min((self._expires(at, ms) for at, ms in self._cuts if begin <= at < end), default=FOREVER)

    def _handshake(self) -> _Reply:
        if not self._s.tls or self._dial.result != "connected" or self._secured is not _NOTHING:
            return self._secured
        began = max(self._seen(self._dial.end), self._since)
        if self._target.kind == "refused":
            return _Reply(began, "L6RSP")
        return _Reply(began + us(self._target.handshake_s), "L6OK") if self._target.speaks else _NOTHING

    def _reply(self) -> _Reply:
        """Give what answers the question, which is asked as soon as the connection is ready."""
        if self._heard is not _NOTHING or self._dial.result != "connected":
            return self._heard
        secured = self._handshake()
        if self._s.tls and secured.code != "L6OK":
            return _NOTHING
        asked = max(self._seen(secured.instant if self._s.tls else self._dial.end), self._since)
        if self._target.kind == "refused":
            # The process died: its kernel closes what it had accepted.
            return _Reply(asked, "L7RSP")
        if not self._target.speaks:
            return _NOTHING
        bad = "L7STS" if self._s.kind == "http" and self._target.answer == "bad" else "L7RSP"
        return _Reply(asked + us(self._target.answer_s), "L7OK" if self._target.answer == "good" else bad)

    # -- a process that stood still -------------------------------------------------------------------

    def _seen(self, instant: int) -> int:
        """Give when HAProxy sees what happened at *instant*."""
        for sleep in self._sleeps:
            if sleep.begin <= instant < sleep.end:
                return sleep.end
        return instant

    def _expires(self, begin: int, limit_ms: int) -> int:
        """Give when a limit that began to run at *begin* is over."""
        end = begin + limit_ms * 1000
        for sleep in self._sleeps:
            if begin <= sleep.begin < end:
                # What arrived meanwhile is read before timers are looked at (src/haproxy.c run_poll_loop).
                end = end + sleep.end - sleep.begin if sleep.hidden else max(end, sleep.end + 1)
        return end
