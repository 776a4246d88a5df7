"""The faults of a scenario, each at its time, in a thread of its own."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from integration.faults import prepare, resolve
from rmqha_model.events import FaultBegan, FaultUndone

if TYPE_CHECKING:
    from integration.faults import Active, Faults, Prepared
    from integration.host import Stack
    from integration.observe import View
    from rmqha_model.faults import Fault
    from rmqha_model.scenario import Scenario

__all__ = ["Schedule"]

_AHEAD_S = 2.0
"""How long before its time a fault is prepared, at most: what was found out must still be true."""
_LONGEST_S = 900.0
"""For a fault that ends by itself."""


class Schedule:
    """Begins and undoes faults from *start* on, until it is left; what it did is in *events*."""

    def __init__(self, stack: Stack, scenario: Scenario, faults: Faults, view: View, start: float) -> None:
        self._stack, self._scenario, self._faults, self._view, self._start = stack, scenario, faults, view, start
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._events: list[FaultBegan | FaultUndone] = []
        self._failures: list[Exception] = []
        self._active: dict[int, Active] = {}
        self._told: set[int] = set()
        self._threads = [
            threading.Thread(target=self._play, args=(index, fault), name=f"fault-{index}", daemon=True)
            for index, fault in enumerate(scenario.faults)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def events(self) -> tuple[FaultBegan | FaultUndone, ...]:
        """What was done, with absolute times."""
        with self._lock:
            return tuple(self._events)

    def check(self) -> None:
        """Raise what went wrong, if something did."""
        with self._lock:
            if self._failures:
                raise self._failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # No more is begun; what is still on, *faults* undoes.
        self._over.set()

    def end(self) -> None:
        """Begin no more, have everything that lasts undone, and wait for it."""
        self._over.set()
        with self._lock:
            active = dict(self._active)
        for each in reversed(active.values()):
            each.order()
        for thread in self._threads:
            thread.join()
        for index, each in reversed(active.items()):
            each.undo()
            self._undone(index, each)

    def _play(self, index: int, fault: Fault) -> None:
        try:
            self._do(index, fault)
        except Exception as error:  # noqa: BLE001 - told by whoever runs this
            with self._lock:
                self._failures.append(error)

    def _do(self, index: int, fault: Fault) -> None:
        at = self._start + fault.at.s
        if self._until(at - self._ahead_s(fault)):
            return
        told, prepared = self._prepared(fault)
        if self._until(at):
            return
        if (now := resolve(fault, self._view)) != told:
            told, prepared = now, prepare(self._stack, now)
        active = self._faults.begin(prepared)
        with self._lock:
            self._active[index] = active
            self._events.append(FaultBegan(active.began, index, fault.name, active.hosts))
        if not fault.undo:
            # At the scenario's end it is stopped, and this wait with it.
            active.wait(_LONGEST_S)
            self._undone(index, active)
        elif fault.lasts is not None and not self._until(at + fault.lasts.s):
            active.order()
            self._undone(index, active)
            active.undo()

    def _prepared(self, fault: Fault) -> tuple[Fault, Prepared]:
        told = resolve(fault, self._view)
        return told, prepare(self._stack, told)

    def _undone(self, index: int, active: Active) -> None:
        with self._lock:
            if index not in self._told and active.ended is not None:
                self._told.add(index)
                self._events.append(FaultUndone(active.ended, index, active.fault.name, active.hosts))

    def _ahead_s(self, fault: Fault) -> float:
        """Give how long before its time *fault* may be prepared: not while another one begins or ends."""
        times = [other.at.s for other in self._scenario.faults if other.at < fault.at]
        times += [other.at.s + other.lasts.s for other in self._scenario.faults if other.lasts is not None]
        before = [fault.at.s - moment for moment in times if moment <= fault.at.s and moment > 0]
        return min([_AHEAD_S, fault.at.s, *(gap / 2 for gap in before)])

    def _until(self, when: float) -> bool:
        """Wait until *when*; say whether all is over before."""
        wait_s = when - time.monotonic()
        if wait_s > 0.01 and self._over.wait(wait_s - 0.005):
            return True
        # The last few ms exactly.
        time.sleep(max(0.0, when - time.monotonic()))
        return self._over.is_set()
