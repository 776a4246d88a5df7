"""The publisher: numbered messages on a schedule, and what the broker said of each.

A message is due every 1/rate seconds. When it cannot be sent then (no connection, blocked, window full), it is not
made: a publisher that was held back goes on at its rate and sends no burst. After a late timer it makes up for a tenth
of a second at most. What is to be sent again takes the next places of the schedule, before new messages. Without a
confirm for the client's confirm timeout the connection is given up, as the generated clients do, and whatever waits on
it is unknown. Asked to end, it makes no new message, sends again what it must without pause, and waits until nothing is
open or its time for that is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pika

from integration.clients.outbox import Outbox
from integration.clients.session import Session, settle
from rmqha_model.events import Confirmed, Event, Nacked, Published, Returned, Unknown

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.frame import Method
    from pika.spec import Basic, BasicProperties

    from integration.clients.spec import PublishSpec

__all__ = ["Publisher"]

_MAKE_UP_S = 0.1
_SHORTEST_PAUSE_S = 0.005
_LOOK_S = 0.1
"""Between looks for a confirm that is too late."""


class Publisher:
    """One connection's messages."""

    def __init__(self, name: str, spec: PublishSpec, emit: Callable[[Event], None]) -> None:
        self.name = name
        self._spec, self._emit = spec, emit
        self._outbox = Outbox(confirms=spec.confirms, retry=spec.retry)
        self._channel: Channel | None = None
        self._give_up: Callable[[str], None] = lambda _: None
        self._is_blocked = False

    # -- as a role of a session -------------------------------------------------------------------

    async def set_up(self, channel: Channel, give_up: Callable[[str], None]) -> None:
        """Ask for confirms, and hear of what is returned."""
        channel.add_on_return_callback(self._returned)
        if self._spec.confirms:
            selected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            channel.confirm_delivery(self._answered, lambda _: settle(selected, None))
            await selected
        self._channel, self._give_up = channel, give_up

    def lost(self) -> None:
        """Take what waits for unknown."""
        self._channel, self._is_blocked = None, False
        now = time.monotonic()
        for number in self._outbox.lost():
            self._emit(Unknown(now, self.name, number))

    def blocked(self, on: bool) -> None:  # noqa: FBT001 - the broker's own word
        """Publish nothing while the broker blocks publishers."""
        self._is_blocked = on

    async def tear_down(self, channel: Channel) -> None:
        """Nothing is left to do: what waits has been waited for."""

    # -- its own ----------------------------------------------------------------------------------

    async def run(self, end: asyncio.Event) -> None:
        """Publish until told to end, and settle."""
        spec, over = self._spec, asyncio.Event()
        session = Session(self, spec, self._emit, blocked_s=spec.confirm_timeout_s)
        keeping = asyncio.create_task(session.run(over))
        with contextlib.suppress(TimeoutError):
            await self._publish(end)
            async with asyncio.timeout(spec.settle_s):
                await self._settle()
        over.set()
        await keeping
        self.lost()

    async def _publish(self, end: asyncio.Event) -> None:
        step_s, due, look = 1 / self._spec.rate, time.monotonic(), 0.0
        while not end.is_set():
            now = time.monotonic()
            due = max(due, now - _MAKE_UP_S)
            while due <= now:
                self._send()
                due += step_s
            if now >= look:
                look = now + _LOOK_S
                self._look_for_late_ones(now)
            wait_s = max(min(due, look) - time.monotonic(), _SHORTEST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), wait_s)

    async def _settle(self) -> None:
        while not self._outbox.settled:
            while self._send(new=False):
                pass
            self._look_for_late_ones(time.monotonic())
            await asyncio.sleep(0.02)

    def _send(self, *, new: bool = True) -> bool:
        """Send a message, if it can be sent now."""
        spec, channel = self._spec, self._channel
        if channel is None or not channel.is_open or self._is_blocked or self._outbox.waiting >= spec.window:
            return False
        now = time.monotonic()
        number = self._outbox.send(now, new=new)
        if number is None:
            return False
        name = f"{self.name}/{number}"
        properties = pika.BasicProperties(delivery_mode=2, message_id=name, app_id=spec.run)
        body = name.encode().ljust(spec.payload, b".")[: spec.payload]
        # Before it is sent: the stamp is never later than what the broker makes of it.
        self._emit(Published(now, self.name, number))
        channel.basic_publish("", spec.queue, body, properties, mandatory=spec.mandatory)
        return True

    def _look_for_late_ones(self, now: float) -> None:
        oldest = self._outbox.oldest
        if oldest is not None and now - oldest > self._spec.confirm_timeout_s:
            self._give_up(f"no confirm within {self._spec.confirm_timeout_s:g} s")

    def _answered(self, frame: Method) -> None:
        now = time.monotonic()
        method = frame.method
        ack = method.NAME == "Basic.Ack"
        for number in self._outbox.answered(method.delivery_tag, multiple=method.multiple, ack=ack):
            self._emit((Confirmed if ack else Nacked)(now, self.name, number))

    def _returned(self, _: Channel, __: Basic.Return, properties: BasicProperties, ___: bytes) -> None:
        now = time.monotonic()
        publisher, _, number = (properties.message_id or "").rpartition("/")
        if publisher == self.name and number.isdecimal():
            self._emit(Returned(now, self.name, int(number)))
