"""Signals that end a program, kept waiting while something is undone that must be undone as a whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeAlias

__all__ = ["handled", "waiting"]

_Handler: TypeAlias = Callable[[int, FrameType | None], Any]


@contextlib.contextmanager
def handled(handler: _Handler, *signals: signal.Signals) -> Iterator[None]:
    """Have *handler* handle *signals*, but for those that are ignored, as nohup has it.

    Nothing happens in a thread that is not the main one: it may not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in signals if signal.getsignal(number) not in {signal.SIG_IGN, None}]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextlib.contextmanager
def waiting() -> Iterator[list[int]]:
    """Let SIGINT, SIGTERM and SIGHUP wait; gives the list of those that came, which grows meanwhile."""
    came: list[int] = []
    with handled(lambda number, _: came.append(number), signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield came
