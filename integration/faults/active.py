"""A fault that is on: begun, waited for, undone."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from integration.errors import FaultError, LabError, NotPossible
from integration.faults import journal
from integration.faults.acts import ACTORS
from integration.faults.roles import hosts_of
from integration.host import Insured

if TYPE_CHECKING:
    from integration.faults.plan import Plan
    from integration.host import Stack
    from rmqha_model.faults import Fault

__all__ = ["Active", "Prepared", "begin", "prepare"]


class Active:
    """A fault that was begun."""

    def __init__(self, stack: Stack, fault: Fault, hosts: tuple[str, ...], plan: Plan, number: int) -> None:
        self.fault = fault
        self.hosts = hosts
        self.began: float = 0
        """time.monotonic() at which it took effect: the signal was sent, the order was accepted, the cable was out."""
        self.ended: float | None = None
        """time.monotonic() at which it was over, or its undoing was ordered; None while it lasts.

        A broker that is started serves some time later; :meth:`undo` returns then, and this is the order to start.
        """
        self._stack = stack
        self._plan = plan
        self._number = number
        self._lock = threading.RLock()
        self._ordered = False
        self._done = False

    @property
    def over(self) -> bool:
        """Whether it was undone, or has ended by itself and somebody waited for that."""
        return self._done

    def wait(self, timeout_s: float) -> None:
        """Wait until a fault that ends by itself is over; of others return at once.

        Raises:
            FaultError: it is not over after *timeout_s*, or what it does failed.
        """
        if self._plan.over is None or self._done:
            return
        try:
            ended = self._plan.over(timeout_s)
        except LabError as error:
            raise FaultError(f"{self._words}: {error}") from error
        with self._lock:
            self._finish(ended)

    def order(self) -> None:
        """Have its undoing begin, if that has not been done: what is there to be waited for, :meth:`undo` waits for.

        Raises:
            FaultError: as :meth:`undo`.
        """
        with self._lock:
            if self._ordered or self._done:
                return
            failed: list[str] = []
            when: list[float] = []
            if self._plan.release is not None:
                _try(self._plan.release, when, failed)
            else:
                for step in self._plan.steps:
                    _try(functools.partial(step.order, self._stack), when, failed)
            if failed:
                raise FaultError(f"{self._words}: could not be undone: {'; '.join(failed)}")
            self._ordered = True
            self.ended = when[0] if when else time.monotonic()

    def undo(self) -> None:
        """Undo it, if that has not been done; returns when it is undone as its sentence says.

        Raises:
            FaultError: it could not be undone, or not all of it; what could was. It may be tried again.
        """
        with self._lock:
            if self._done:
                return
            self.order()
            try:
                for step in self._plan.steps:
                    step.settle(self._stack)
            except LabError as error:
                raise FaultError(f"{self._words}: was undone, and: {error}") from error
            self._finish(self.ended or time.monotonic())

    def act(self) -> None:
        """Do it; if that fails, what was done of it is undone."""
        try:
            if isinstance(self._stack, Insured):
                self._stack.insure(self._number, self._plan.steps)
            self.began = self._plan.act()
        except NotPossible:
            self._finish(time.monotonic())
            raise
        except BaseException as error:
            try:
                self.undo()
            except LabError as second:
                error.add_note(str(second))
            raise

    def _finish(self, ended: float) -> None:
        self.ended = self.ended or ended
        self._done = True
        journal.of(self._stack.journal).strike(self._number)
        if isinstance(self._stack, Insured):
            self._stack.release(self._number)

    @property
    def _words(self) -> str:
        return f"{self.fault.name} on {', '.join(self.hosts)}"


class Prepared:
    """A fault about which all is known that takes time to find out, such as the numbers of processes.

    What was found out must still be true when it is begun: not more than seconds later, with no other fault between.
    """

    def __init__(self, stack: Stack, fault: Fault, hosts: tuple[str, ...], plan: Plan) -> None:
        self.fault = fault
        self.hosts = hosts
        self._stack = stack
        self._plan = plan

    def begin(self) -> Active:
        """Do it, and return when it took effect; as :func:`begin`."""
        number = journal.of(self._stack.journal).write(self.fault.name, self.hosts, self._plan.steps)
        active = Active(self._stack, self.fault, self.hosts, self._plan, number)
        active.act()
        return active


def prepare(stack: Stack, fault: Fault, hosts: tuple[str, ...] = ()) -> Prepared:
    """Find out what *fault* takes, and change nothing.

    Raises:
        FaultError: it cannot be done: what it happens to is not there, or does not run.
    """
    chosen = hosts_of(fault, stack.topology, hosts)
    off = [name for name in chosen if not stack.hosts[name].running]
    if off:
        raise FaultError(f"{fault.name} at {fault.at}: {', '.join(off)}: has no power")
    return Prepared(stack, fault, chosen, ACTORS[fault.name](stack, fault, chosen))


def begin(stack: Stack, fault: Fault, hosts: tuple[str, ...] = ()) -> Active:
    """Do *fault* on *hosts*, by default those it names; returns when it took effect.

    It blocks for tens of ms; where rabbitmqctl is asked, for seconds, most of them before the fault takes effect.
    :func:`prepare` does a part of that earlier.

    Raises:
        FaultError: it could not be done; what was done of it is undone.
        NotPossible: these hosts cannot be asked to do it; nothing was done.
    """
    return prepare(stack, fault, hosts).begin()


def _try(act: Callable[[], float], when: list[float], failed: list[str]) -> None:
    try:
        when.append(act())
    except LabError as error:
        failed.append(str(error))
