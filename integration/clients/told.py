"""What a program is told while it runs: lines on standard input, SIGTERM, and the end of whoever started it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable

__all__ = ["Told"]

_FLUSH_S = 0.1


class Told:
    """Standard input of a program, line by line, in its event loop."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        """Set when it is asked to come to an orderly end."""
        self._reader = asyncio.StreamReader()

    @classmethod
    async def begin(cls) -> Told:
        """Start to listen."""
        told = cls()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, told.end.set)
        # An interrupt from a terminal reaches every process on it; the one that started this one will say what to do.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told._reader), sys.stdin)
        return told

    async def line(self) -> str:
        """Give the next line; empty at the end."""
        return (await self._reader.readline()).decode()

    async def lines(self) -> AsyncIterator[str]:
        """Give each further line, until standard input closes."""
        while line := await self.line():
            yield line.strip()

    async def follow(self, flush: Callable[[], None]) -> None:
        """Wait for ``end``; when standard input closes first, end the program at once."""
        async for line in self.lines():
            if line == "end":
                self.end.set()
        if not self.end.is_set():
            flush()
            os._exit(0)

    @staticmethod
    async def flushing(flush: Callable[[], None]) -> None:
        """Call *flush* now and then, for ever."""
        while True:
            await asyncio.sleep(_FLUSH_S)
            flush()
