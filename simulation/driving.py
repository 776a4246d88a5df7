"""Machines in SimPy's time: each is woken when something is due, and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from simulation.machines.machine import NEVER, Machine

if TYPE_CHECKING:
    import simpy

__all__ = ["Clock", "Driven"]

In = TypeVar("In")
Out = TypeVar("Out")

TOLERANCE_S = 1e-9
"""What sums of instants may be off by: doubles at an hour are 5e-13 apart."""


class Clock:
    """The time of a run: instants are those that machines compute, to the last bit, not SimPy's sums of delays."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.now = float(env.now)

    def at(self, t: float, call: Callable[[], None]) -> None:
        """Call at *t*, or at once if that is over; in the order of asking within an instant."""

        def wake(_: simpy.Event) -> None:
            self.now = max(self.now, t)
            call()

        callbacks = self.env.timeout(max(0.0, t - self.env.now)).callbacks
        assert callbacks is not None  # it has not happened yet
        callbacks.append(wake)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call in so many seconds."""
        self.at(self.now + seconds, call)

    def run(self, until: float) -> None:
        """Let time pass until an instant, all that happens in it included."""
        while self.env.peek() <= until:
            self.env.step()
        self.now = max(self.now, until)


class Driven(Generic[In, Out]):
    """A machine that is fired when it is due, whose outputs go to *seen* one by one.

    *feeds_first*: what is fed in the instant in which it is due comes before what is due, as machines of HAProxy want
    it; else after.
    """

    __slots__ = ("_armed", "_clock", "_feeds_first", "_over", "_seen", "machine")

    def __init__(
        self, clock: Clock, machine: Machine[In, Out], seen: Callable[[Out], None], *, feeds_first: bool = False
    ) -> None:
        self.machine = machine
        self._clock, self._seen, self._feeds_first = clock, seen, feeds_first
        self._armed = NEVER
        self._over = False
        self._arm()

    def feed(self, input_: In) -> None:
        """Tell it something, now."""
        if self._over:
            return
        now = self._clock.now
        self._catch_up(now - TOLERANCE_S if self._feeds_first else now + TOLERANCE_S)
        self._say(list(self.machine.feed(now, input_)))

    def stop(self) -> None:
        """Take it away: it is neither told nor asked any more."""
        self._over = True

    def _say(self, outputs: list[Out]) -> None:
        # Armed first: whoever hears an output may feed this machine again.
        self._arm()
        for output in outputs:
            if self._over:
                return
            self._seen(output)

    def _catch_up(self, until: float) -> None:
        while not self._over and self.machine.due <= until:
            self._say(list(self.machine.fire()))

    def _arm(self) -> None:
        due = self.machine.due
        if due == self._armed or self._over:
            return
        self._armed = due
        if due < NEVER:
            self._clock.at(due, lambda: self._wake(due))

    def _wake(self, due: float) -> None:
        if self._armed == due:  # else it was told something meanwhile, and is armed anew
            self._armed = NEVER
            self._catch_up(self._clock.now + TOLERANCE_S)
            self._arm()
