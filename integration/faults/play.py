"""A fault that goes on by itself for a while, in a thread, and can be stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from integration.errors import FaultError

if TYPE_CHECKING:
    from integration.faults.steps import Step
    from integration.host import Stack

__all__ = ["Play"]

_STOP_S = 330
"""How long a thread may take to end when it is told to: it may wait for a service to start."""


class Play:
    """What happens after the first instant of a fault, until it is over."""

    def __init__(self, act: Callable[[threading.Event], object]) -> None:
        self._act = act
        self._stopped = threading.Event()
        self._ended: float | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="fault", daemon=True)

    def start(self, first: Callable[[], float] = time.monotonic) -> float:
        """Do the *first* thing here, then begin; give when the first was done."""
        when = first()
        self._thread.start()
        return when

    def over(self, timeout_s: float) -> float:
        """Wait until it is over, and give when that was.

        Raises:
            FaultError: it is not over after *timeout_s*.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise FaultError(f"not over after {timeout_s:.0f} s")
        if self._error is not None:
            raise self._error
        assert self._ended is not None
        return self._ended

    def stop(self) -> float:
        """End it, if it is not over, and give when it ended."""
        if not self._thread.ident:
            return time.monotonic()
        self._stopped.set()
        self._thread.join(_STOP_S)
        return self._ended or time.monotonic()

    def stop_then(self, step: Step, stack: Stack) -> Callable[[], float]:
        """Give what ends it, and then does *step*."""

        def release() -> float:
            self.stop()
            return step.order(stack)

        return release

    def _run(self) -> None:
        try:
            self._act(self._stopped)
        except Exception as error:  # noqa: BLE001 - told by whoever waits
            self._error = error
        self._ended = time.monotonic()
