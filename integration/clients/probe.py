"""The prober: fresh connections at a steady pace, each as far as connection.start.

An attempt tries the endpoints in a random order, as the generated clients do, each for as long as the client's connect
timeout and all of them within the probe's patience, until one answers. The event names the endpoint that answered, or
the last one that was tried. Attempts overlap: one that hangs delays none after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from integration.clients.outcome import HEADER, START_BYTES, answer, outcome_of
from integration.clients.tls import context
from rmqha_model.events import Attempt

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from integration.clients.spec import ProbeSpec
    from rmqha_model.events import Outcome

__all__ = ["Prober"]


class Prober:
    """One label's attempts."""

    def __init__(self, spec: ProbeSpec, emit: Callable[[Attempt], None]) -> None:
        self._spec, self._emit = spec, emit
        self._random = random.Random(spec.seed)  # noqa: S311 - an order of tries guards nothing
        self._tls = context(spec.target)
        self._pending: set[asyncio.Task[None]] = set()

    async def run(self, end: asyncio.Event) -> None:
        """Try until told to end; then wait for the attempts that are under way."""
        begun, number = time.monotonic(), 0
        while not end.is_set():
            task = asyncio.create_task(self._attempt())
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            number += 1
            wait_s = begun + number * self._spec.every_s - time.monotonic()
            if wait_s < -1:  # The machine stood still: what was missed is not made up for in a burst.
                begun, number, wait_s = time.monotonic(), 0, 0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), max(wait_s, 0.001))
        if self._pending:
            await asyncio.wait(self._pending)

    async def _attempt(self) -> None:
        endpoints = list(self._spec.target.endpoints)
        self._random.shuffle(endpoints)
        began = time.monotonic()
        limit = began + self._spec.patience_s
        outcome, at = "timeout", endpoints[0]
        for at in endpoints:
            left_s = min(limit - time.monotonic(), self._spec.target.connect_timeout_s)
            if left_s <= 0:
                break
            outcome = await _tried(at, left_s, self._tls)
            if outcome == "ok":
                break
        took_s = time.monotonic() - began
        name = f"[{at[0]}]:{at[1]}" if ":" in at[0] else f"{at[0]}:{at[1]}"
        self._emit(Attempt(began, self._spec.label, name, outcome, round(took_s, 6)))  # type: ignore[arg-type]


async def _tried(endpoint: tuple[str, int], limit_s: float, tls: ssl.SSLContext | None) -> Outcome:
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection(*endpoint, ssl=tls)
            writer.write(HEADER)
            return answer(await reader.readexactly(START_BYTES))
    except asyncio.IncompleteReadError as error:
        return answer(error.partial)
    except (OSError, EOFError) as error:
        return outcome_of(error)
    finally:
        if writer:
            # At once: an orderly end of TLS would wait for a server that may be gone.
            writer.transport.abort() if tls else writer.close()
