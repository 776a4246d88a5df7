"""HAProxy's health check of one server: when a change of the server is noticed, and why then.

Source: src/check.c and src/server.c of HAProxy 2.2 to 3.2, the functions named below.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from simulation.machines.check_attempt import CheckAttempt
from simulation.machines.check_words import CheckInput, Observed, Paused, Resumed, ServerChanged
from simulation.machines.machine import NEVER
from simulation.machines.wire import FOREVER, Target, seconds, us

if TYPE_CHECKING:
    from simulation.machines.check_settings import CheckSettings

__all__ = ["HealthCheck"]

FULL_WEIGHT = 16
"""BE_WEIGHT_SCALE, include/haproxy/backend-t.h: the parts of a weight in which slowstart raises it."""

WARM_UP = 1_000_000
"""Microseconds between two looks of server_warmup: MAX(1000, slowstart / 20) ms with slowstart in seconds."""


class HealthCheck:
    """The check of one server by one HAProxy (a :class:`simulation.machines.machine.Machine`).

    It is told how its target behaves (a :class:`Target`), what clients' connections meet (:class:`Observed`), and when
    HAProxy's process stands still. What is fed at the instant of a check comes before it. *first* is when its first
    check begins (:func:`simulation.machines.check_settings.first_checks`, after the start); *draw* gives uniform
    numbers in 0 to 1, one a check, and is asked only with `spread-checks`.
    """

    def __init__(
        self, settings: CheckSettings, target: Target, *, first: float, draw: Callable[[], float] | None = None
    ) -> None:
        self.settings = settings
        self.health, self.up = settings.start
        self.code = ""
        self.steps, self.running = FULL_WEIGHT, self.up
        self._target = target
        self._draw = draw
        self._next = self._since = self._told = us(first)
        self._parts: tuple[tuple[str, int], ...] = ()
        self._wait = "first check"
        self._attempt: CheckAttempt | None = None
        self._spoiled = self._forced = False
        self._errors = 0
        self._stopped: int | None = None
        self._warm, self._up_since = FOREVER, 0
        self._check_due = FOREVER
        self._plan()

    def settle(self) -> None:
        """Take it that checks have been made for long before the first one, and all have found what that finds."""
        attempt = CheckAttempt(self._next, self._target, self.settings)
        self._parts, self._since, self._told = (), attempt.end, attempt.end
        while (*self._after(attempt.code), attempt.code) != (self.health, self.up, self.code):
            self._count(attempt.code)
        self.steps, self.running = FULL_WEIGHT, self.up
        self._rest(attempt.end)
        self._plan()

    @property
    def due(self) -> float:
        """The end of the next check that changes something, or that was under way at the last change."""
        due = FOREVER if self._stopped is not None else min(self._check_due, self._warm)
        return NEVER if due >= FOREVER else seconds(due)

    def fire(self) -> tuple[ServerChanged, ...]:
        """End that check, or raise the weight."""
        if self._warm < self._check_due:
            return (self._warm_up(self._warm),)
        if self._attempt is None:
            self._begin()
        return self._end()

    def feed(self, now: float, input_: CheckInput) -> tuple[ServerChanged, ...]:
        """Take in a change of the target, a client's connection, or a stop of the process."""
        at = us(now)
        if self._stopped is None:
            self._roll(at)
        found: tuple[ServerChanged, ...] = ()
        if isinstance(input_, Target):
            self._target = input_
            if self._attempt is not None:
                self._attempt.change(at, input_)
            self._since = self._told = at
            self._parts, self._wait = (), "wait for the next check"
        elif isinstance(input_, Observed):
            found = self._observe(at, failed=input_.failed)
        elif isinstance(input_, Paused):
            self._pause(at)
        elif isinstance(input_, Resumed):
            self._resume(at, hidden=input_.hidden)
        self._plan()
        return found

    def next_packet(self, now: float) -> float:
        """Give when it next sends a SYN, at or after *now*, if its target stays as it is.

        It is what :func:`simulation.machines.wire.fails_at` asks for.
        """
        at, ahead = us(now), copy.copy(self)
        if self._draw is not None:
            ahead._draw = lambda: 0.5  # noqa: SLF001 - its own copy; a look ahead must not use up draws
        while True:
            while us(min(ahead.due, now + 1)) < at:
                ahead.fire()
            ahead._roll(at)  # noqa: SLF001
            ahead._plan()  # noqa: SLF001
            if ahead._attempt is None:  # noqa: SLF001
                return seconds(ahead._next)  # noqa: SLF001
            if (syn := ahead._attempt.next_syn(at)) is not None:  # noqa: SLF001
                return seconds(syn)
            ahead.fire()

    def last_packet(self, now: float) -> float:
        """Give when the last check before *now* ended; *now*, if one is under way."""
        ahead = copy.copy(self)
        if self._draw is not None:
            ahead._draw = lambda: 0.5  # noqa: SLF001 - its own copy; a look ahead must not use up draws
        ahead._roll(us(now))  # noqa: SLF001
        return now if ahead._attempt is not None else min(now, seconds(ahead._told))  # noqa: SLF001

    # -- one check after the other ------------------------------------------------------------------

    def _begin(self) -> None:
        self._tell(self._wait, self._next)
        self._attempt = CheckAttempt(self._next, self._target, self.settings)

    def _end(self) -> tuple[ServerChanged, ...]:
        attempt = self._attempt
        assert attempt is not None
        now, self._attempt = attempt.end, None
        self._tell(f"check {attempt.code}", now)
        before = (self.health, self.up, self.code)
        if self._spoiled:
            # on-error has given it its result; what it would have found counts no more (process_chk_conn).
            self._spoiled = False
        else:
            self._count(attempt.code)
        found = self._compare(now, before)
        self._rest(now)
        self._plan()
        return found

    def _rest(self, now: int) -> None:
        """Pause from *now* on, the end of a check: process_chk_conn."""
        self._wait, pause = self.settings.pause(self.health, up=self.up, forced=self._forced)
        self._forced = False
        self._next = now + self._spread(pause) * 1000

    def _spread(self, pause: int) -> int:
        if not self.settings.spread:
            return pause
        assert self._draw is not None
        noise = pause * self.settings.spread // 100
        return pause + noise - int(2 * noise * self._draw())

    def _roll(self, now: int) -> None:
        """Skip the checks that ended before *now*: they changed nothing, or something would have been due."""
        while self._attempt is None and self._next < now:
            attempt = CheckAttempt(self._next, self._target, self.settings)
            if attempt.end >= now:
                self._begin()
                return
            if attempt.code.endswith("OK"):
                self._errors = 0
            period = -self._next
            self._rest(attempt.end)
            self._told = attempt.end
            if not self.settings.spread:
                period += self._next
                skipped = max(0, (now - 1 - self._next) // period) * period
                self._next += skipped
                self._told += skipped
            self._parts = (("checks that changed nothing", self._told - self._since),)

    def _plan(self) -> None:
        """Find the end of the next check that has to be looked at."""
        if self._attempt is not None:
            self._check_due = self._attempt.end
            return
        attempt = CheckAttempt(self._next, self._target, self.settings)
        after = (*self._after(attempt.code), attempt.code)
        # A forced pause is followed by one of another length: such a check begins no row of equal ones.
        self._check_due = attempt.end if self._forced or after != (self.health, self.up, self.code) else FOREVER

    def _after(self, code: str) -> tuple[int, bool]:
        """Give counter and state after a result: set_server_check_status, check_notify_failure and _success."""
        s = self.settings
        if code.endswith("OK"):
            health = s.full if self.health + 1 >= s.rise else self.health + 1
            return health, self.up or health >= s.rise
        health = self.health - 1 if self.health > s.rise else 0
        return health, self.up and health > 0

    def _count(self, code: str) -> None:
        self.health, self.up = self._after(code)
        self.code = code
        if code.endswith("OK"):
            self._errors = 0

    def _compare(self, now: int, before: tuple[int, bool, str]) -> tuple[ServerChanged, ...]:
        """Give what is new since *before*."""
        if before == (self.health, self.up, self.code):
            return ()
        became: Literal["", "UP", "DOWN"] = ""
        if before[1] != self.up:
            became = "UP" if self.up else "DOWN"
            slow = self.up and self.settings.slowstart > 0
            self._up_since, self._warm = now, FOREVER
            self.steps, self.running = 1 if slow else FULL_WEIGHT, self.up and not slow
            if slow:
                self._warm = self._next_step()
        reason = tuple((words, seconds(part)) for words, part in self._parts)
        return (ServerChanged(seconds(now), self.up, self.health, self.code, became, self.steps, self.running, reason),)

    def _tell(self, words: str, until: int) -> None:
        if until < self._told:  # before the first check
            self._since = self._told = until
        self._parts = (*self._parts, (words, until - self._told))
        self._told = until

    # -- what else moves it --------------------------------------------------------------------------

    def _observe(self, now: int, *, failed: bool) -> tuple[ServerChanged, ...]:
        """Count the errors of clients' connections: src/check.c __health_adjust."""
        s = self.settings
        self._errors = self._errors + 1 if failed else 0
        if not s.observe or self._errors < s.error_limit:
            return ()
        self._errors = 0
        self._forced = s.forced_fastinter
        before = (self.health, self.up, self.code)
        if s.on_error != "fastinter":
            if s.on_error == "mark-down":
                self.health = s.rise
            elif s.on_error == "sudden-death" and self.health > s.rise:
                self.health = s.rise + 1
            self._count("HANA")
            self._spoiled = self._attempt is not None
        self._tell("until clients' connections failed", now)
        found = self._compare(now, before)
        if s.fastinter:
            self._hasten(now, s.fastinter)
        return found

    def _hasten(self, now: int, fastinter: int) -> None:
        """Bring the next check forward, which nothing does without `fastinter`."""
        if not self.settings.forced_fastinter:
            if self._attempt is not None:
                self._attempt.shorten(now, fastinter)
            self._next = min(self._next, now + fastinter * 1000)
        elif self._attempt is not None:
            if self._spoiled:
                self._attempt, self._spoiled = None, False
                self._rest(now)
        elif now + self.settings.pause(self.health, up=self.up, forced=True)[1] * 1000 <= self._next:
            self._rest(now)

    def _pause(self, now: int) -> None:
        if self._stopped is None:
            self._stopped = now
            if self._attempt is not None:
                self._attempt.sleep(now)

    def _resume(self, now: int, *, hidden: bool) -> None:
        if self._stopped is None:
            return
        gap = now - self._stopped if hidden else 0
        self._stopped = None
        if self._attempt is not None:
            self._attempt.wake(now, hidden=hidden)
        self._next = max(self._next + gap, now)
        if self._warm < FOREVER:
            self._up_since += gap
            self._warm = max(self._warm + gap, now)

    def _next_step(self) -> int:
        """Give when server_warmup next finds another weight: server_recalc_eweight."""
        slow = self.settings.slowstart
        looks = min(-(-self.steps * slow // FULL_WEIGHT), slow)
        return self._up_since + looks * WARM_UP

    def _warm_up(self, now: int) -> ServerChanged:
        slow, elapsed = self.settings.slowstart, (now - self._up_since) // WARM_UP
        self.running = elapsed >= slow
        self.steps = FULL_WEIGHT if self.running else (FULL_WEIGHT * elapsed + slow) // slow
        self._warm = FOREVER if self.running else self._next_step()
        reason = (("slowstart", seconds(now - self._up_since)),)
        return ServerChanged(seconds(now), self.up, self.health, self.code, "", self.steps, self.running, reason)
