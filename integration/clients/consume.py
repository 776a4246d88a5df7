"""The consumer: takes deliveries, works on one after the other, acknowledges each, and tells what it was given.

When the broker cancels it, or closes its channel, it gives its connection up and comes again, as the generated client
does. Messages of another run are acknowledged and not told.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from integration.clients.session import Session, settle
from rmqha_model.events import Delivered, Event

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.frame import Method
    from pika.spec import Basic, BasicProperties

    from integration.clients.spec import ConsumeSpec

__all__ = ["Consumer"]

_IDLE_S = 1.5
"""A queue that is empty for so long, and gives nothing, is taken for empty: longer than a requeue takes."""
_LOOK_S = 0.5


class Consumer:
    """One connection's deliveries."""

    def __init__(self, name: str, spec: ConsumeSpec, emit: Callable[[Event], None]) -> None:
        self.name = name
        self.foreign = 0
        """Messages of other runs that it was given."""
        self._spec, self._emit = spec, emit
        self._channel: Channel | None = None
        self._tag = ""
        self._todo: deque[int] = deque()
        self._working: asyncio.TimerHandle | None = None
        self._last = time.monotonic()

    # -- as a role of a session -------------------------------------------------------------------

    async def set_up(self, channel: Channel, give_up: Callable[[str], None]) -> None:
        """Subscribe."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(_: Method) -> None:
            settle(ready, None)

        channel.add_on_cancel_callback(lambda _: give_up("the broker cancelled the consumer"))
        if self._spec.prefetch:
            channel.basic_qos(prefetch_count=self._spec.prefetch, callback=done)
            await ready
            ready = asyncio.get_running_loop().create_future()
        self._channel, self._last = channel, time.monotonic()
        self._tag = channel.basic_consume(
            self._spec.queue, self._delivered, auto_ack=self._spec.auto_ack, callback=done
        )
        await ready

    def lost(self) -> None:
        """Forget the work: its messages come again."""
        self._channel = None
        self._todo.clear()
        if self._working:
            self._working.cancel()
            self._working = None

    def blocked(self, on: bool) -> None:  # noqa: FBT001 - the broker's own word
        """A consumer's connection is not blocked."""

    async def tear_down(self, channel: Channel) -> None:
        """Take no more deliveries, and let the acknowledgements go out."""
        cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        channel.basic_cancel(self._tag, lambda _: settle(cancelled, None))
        await cancelled

    # -- its own ----------------------------------------------------------------------------------

    async def run(self, end: asyncio.Event) -> None:
        """Consume until told to end; with `until_empty`, until the queue is empty."""
        spec, over = self._spec, asyncio.Event()
        session = Session(self, spec, self._emit)
        keeping = asyncio.create_task(session.run(over))
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(end.wait())]
        if spec.until_empty:
            waiting.append(asyncio.create_task(self._until_empty()))
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        over.set()
        await keeping
        if self.foreign:
            sys.stderr.write(f"{self.name}: {self.foreign} messages of other runs were taken out of {spec.queue}\n")

    def _delivered(self, channel: Channel, method: Basic.Deliver, properties: BasicProperties, _body: bytes) -> None:
        now = time.monotonic()
        self._last = now
        publisher, _, number = (properties.message_id or "").rpartition("/")
        if properties.app_id == self._spec.run and number.isdecimal():
            self._emit(Delivered(now, self.name, publisher, int(number), method.redelivered))
        else:
            self.foreign += 1
        if self._spec.auto_ack:
            return
        if not self._spec.work_s:
            channel.basic_ack(method.delivery_tag)
            return
        self._todo.append(method.delivery_tag)
        if self._working is None:
            self._work()

    def _work(self) -> None:
        self._working = asyncio.get_running_loop().call_later(self._spec.work_s, self._worked)

    def _worked(self) -> None:
        self._working = None
        tag = self._todo.popleft()
        if self._channel is not None and self._channel.is_open:
            self._channel.basic_ack(tag)
        if self._todo:
            self._work()

    async def _until_empty(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._spec.give_up_s):
                while True:
                    await asyncio.sleep(_LOOK_S)
                    idle_s = time.monotonic() - self._last
                    if self._channel is not None and self._channel.is_open and idle_s > _IDLE_S and await self._empty():
                        return
        sys.stderr.write(
            f"{self.name}: {self._spec.queue} was not empty, or had other consumers, after {self._spec.give_up_s:g} s\n"
        )

    async def _empty(self) -> bool:
        """Ask the broker whether the queue is empty and nobody else may hold messages of it.

        A queue that has no leader gives no answer.
        """
        assert self._channel is not None
        told: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

        def answered(frame: Method) -> None:
            settle(told, (frame.method.message_count, frame.method.consumer_count))

        self._channel.queue_declare(self._spec.queue, passive=True, callback=answered)
        with contextlib.suppress(TimeoutError):
            messages, consumers = await asyncio.wait_for(told, 5)
            return messages == 0 and consumers <= 1
        return False
