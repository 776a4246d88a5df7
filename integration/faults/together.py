"""All faults that a program begins, undone when it is through with them, by whatever way it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from integration.errors import FaultError, LabError
from integration.faults import journal
from integration.faults.active import Active, Prepared, begin
from integration.faults.sweep import sweep, undo_left
from integration.signals import handled, waiting

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.faults import Fault

__all__ = ["Faults"]

_BEGIN_S = 330
"""How long the undoing waits for faults that other threads are just beginning: rabbitmqctl may wait for as long."""


class Faults:
    """Faults on one design, all of which are undone, the last first, when this is left, by whatever way.

    Entered in the main thread it has SIGTERM and SIGHUP end the program as Ctrl-C does, and lets all three wait while
    it undoes. After a SIGKILL the next program that enters one, or calls :func:`sweep`, undoes what is left.
    """

    def __init__(self, stack: Stack) -> None:
        self.swept: list[str] = []
        """What an earlier program had left, in words."""
        self._stack = stack
        self._begun: list[Active] = []
        self._changed = threading.Condition()
        self._beginning = 0
        self._closed = False
        self._signals = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as entered:
            entered.enter_context(handled(_interrupt, signal.SIGTERM, signal.SIGHUP))
            self.swept = sweep(self._stack)
            self._signals = entered.pop_all()
        return self

    def begin(self, fault: Fault | Prepared, hosts: tuple[str, ...] = ()) -> Active:
        """As :func:`begin`, or as a prepared fault's own; from any thread.

        Raises:
            FaultError: all is being undone already; or as :func:`begin`.
        """
        with self._changed:
            if self._closed:
                raise FaultError("found a fault to begin; allowed: none, as all are being undone")
            self._beginning += 1
        try:
            active = fault.begin() if isinstance(fault, Prepared) else begin(self._stack, fault, hosts)
            with self._changed:
                self._begun.append(active)
            return active
        finally:
            with self._changed:
                self._beginning -= 1
                self._changed.notify_all()

    def undo(self) -> list[str]:
        """Undo all that is on, the last first, and give what went wrong in words."""
        with self._changed:
            self._changed.wait_for(lambda: not self._beginning, _BEGIN_S)
            left = [active for active in reversed(self._begun) if not active.over]
        # All orders before any waiting: brokers that were stopped wait for each other when they start.
        for active in left:
            with contextlib.suppress(LabError):
                active.order()
        told = []
        for active in left:
            try:
                active.undo()
            except LabError as error:
                told.append(str(error))
        # What is still written down failed above, for a reason that another's undoing may have ended by now; or it was
        # begun in the instant in which the program was interrupted.
        kept = journal.of(self._stack.journal)
        if not kept.kept:
            return []
        failed = undo_left(self._stack, kept)
        kept.release()
        return told if failed else []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._signals, waiting() as came:
            with self._changed:
                self._closed = True
            failed = self.undo()
        if error is not None:
            for told in failed:
                error.add_note(told)
        elif came:
            _interrupt(came[0], None)
        elif failed:
            raise FaultError("\n".join(failed))


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
