"""A client's connection to the brokers: made, kept, lost, and made again, as the generated pika client does.

Endpoints are tried in a random order, each for the connect timeout (and twice that until AMQP has opened). After a
loss, and after a round without success, it waits the design's delay and a random part of its jitter. A connection that
the broker blocks for longer than the confirm timeout is given up, as is one whose channel the broker closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from integration.clients.tls import context
from rmqha_model.events import Connection, Event

if TYPE_CHECKING:
    from pika.channel import Channel

    from integration.clients.spec import SessionSpec

__all__ = ["Lost", "Role", "Session", "settle"]

_CLOSE_S = 2.0
"""For the orderly end of a connection; the broker may be silent."""
_SLOW_S = 0.5
"""A step of setting up that took longer is told."""


T = TypeVar("T")


def settle(future: asyncio.Future[T], value: T) -> None:
    """Give *future* its value, unless it has one or nobody waits any more."""
    if not future.done():
        future.set_result(value)


class Lost(Exception):
    """The connection, or what it is for, is gone."""


class Role(Protocol):
    """What a connection is for."""

    name: str

    async def set_up(self, channel: Channel, give_up: Callable[[str], None]) -> None:
        """Make a fresh channel ready to use; *give_up* takes the connection for lost, for a reason."""

    def lost(self) -> None:
        """Take notice that the channel is gone."""

    def blocked(self, on: bool) -> None:  # noqa: FBT001 - the broker's own word
        """Take notice that the broker blocks this connection, or no longer does."""

    async def tear_down(self, channel: Channel) -> None:
        """Finish what is to be finished before an orderly end."""


class Session:
    """A connection of *role*, for as long as :meth:`run` runs."""

    def __init__(
        self, role: Role, spec: SessionSpec, emit: Callable[[Event], None], *, blocked_s: float | None = None
    ) -> None:
        self._role, self._target, self._login, self._emit = role, spec.target, spec.login, emit
        self._random = random.Random(f"{spec.seed}/{role.name}")  # noqa: S311 - waits and orders guard nothing
        self._blocked_s = blocked_s
        # By this name whoever ran it can find what the broker still holds of it when it has ended.
        self._connection_name = f"{role.name}@{spec.run}"
        self._tls = context(spec.target)
        self._gone: asyncio.Future[str] | None = None

    def give_up(self, reason: str) -> None:
        """Take the connection for lost."""
        if self._gone:
            settle(self._gone, reason)

    async def run(self, end: asyncio.Event) -> None:
        """Keep a connection until told to end."""
        while not end.is_set():
            await self._round(end)
            if not end.is_set():
                wait_s = self._login.delay_s + self._random.uniform(0, self._login.jitter_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(end.wait(), wait_s)

    async def _round(self, end: asyncio.Event) -> None:
        endpoints = list(self._target.endpoints)
        self._random.shuffle(endpoints)
        for host, port in endpoints:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            began = time.monotonic()
            result = await self._connect(host, port, end)
            if end.is_set() and not isinstance(result, AsyncioConnection):
                return
            if isinstance(result, AsyncioConnection):
                await self._serve(result, where, end, began)
                return
            self._tell("failed", where, result)

    async def _connect(self, host: str, port: int, end: asyncio.Event) -> AsyncioConnection | str:
        """Give a connection that has opened, or why there is none."""
        connect_s = self._target.connect_timeout_s
        parameters = pika.ConnectionParameters(
            host=host,
            port=port,
            virtual_host=self._login.vhost,
            credentials=pika.PlainCredentials(self._login.user, self._login.password),
            # The smaller of both: pika's own way is that the client's always wins.
            heartbeat=lambda _, offered: min(filter(None, (self._login.heartbeat_s, offered)), default=0),
            socket_timeout=connect_s,
            stack_timeout=2 * connect_s,
            blocked_connection_timeout=self._blocked_s,
            client_properties={"connection_name": self._connection_name},
            ssl_options=pika.SSLOptions(self._tls, host) if self._tls else None,
        )
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_done(result: Any) -> None:
            if not done.done():
                done.set_result(result)
            elif isinstance(result, AsyncioConnection):  # Opened when nobody waited any more.
                result.close()

        workflow = AsyncioConnection.create_connection([parameters], on_done)
        ended = asyncio.ensure_future(end.wait())
        await asyncio.wait({done, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not done.done():
            workflow.abort()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(done), _CLOSE_S)
            return "told to end"
        result = done.result()
        return result if isinstance(result, AsyncioConnection) else reason_of(result)

    async def _serve(self, connection: AsyncioConnection, where: str, end: asyncio.Event, began: float) -> None:
        """Use a connection until it is lost, or until told to end."""
        loop = asyncio.get_running_loop()
        self._gone = gone = loop.create_future()
        closed: asyncio.Future[None] = loop.create_future()

        def on_closed(_: Any, error: BaseException) -> None:
            self.give_up(reason_of(error))
            settle(closed, None)

        connection.add_on_close_callback(on_closed)
        connection.add_on_connection_blocked_callback(lambda *_: self._blocked(where, on=True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._blocked(where, on=False))
        steps = [("connection", time.monotonic() - began)]
        channel: Channel | None = None
        try:
            channel = await self._until_lost(self._open_channel(connection, steps), gone, end)
            await self._until_lost(self._set_up(channel, steps), gone, end)
            slow = ", ".join(f"{step} took {took_s:.1f} s" for step, took_s in steps if took_s > _SLOW_S)
            self._tell("connected", where, slow)
            await self._until_lost(end.wait(), gone, end)
        except (Lost, pika.exceptions.AMQPError) as error:
            self._role.lost()
            self._tell("lost", where, str(error) if isinstance(error, Lost) else reason_of(error))
        except _Ended:
            if channel is not None and channel.is_open:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(self._role.tear_down(channel), _CLOSE_S)
        await _close(connection, closed)

    async def _until_lost(self, work: Any, gone: asyncio.Future[str], end: asyncio.Event) -> Any:
        """Await *work*, unless the connection is lost or the end comes first."""
        task, ended = asyncio.ensure_future(work), asyncio.ensure_future(end.wait())
        try:
            await asyncio.wait({task, gone, ended}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise Lost(gone.result())
            if task.done() and not end.is_set():
                return task.result()
            raise _Ended
        finally:
            for future in (task, ended):
                future.cancel()

    async def _open_channel(self, connection: AsyncioConnection, steps: list[tuple[str, float]]) -> Channel:
        began = time.monotonic()
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        channel = connection.channel(on_open_callback=lambda made: settle(opened, made))
        channel.add_on_close_callback(lambda _, error: self.give_up(reason_of(error)))
        await opened
        steps.append(("channel", time.monotonic() - began))
        return channel

    async def _set_up(self, channel: Channel, steps: list[tuple[str, float]]) -> None:
        began = time.monotonic()
        await self._role.set_up(channel, self.give_up)
        steps.append(("set-up", time.monotonic() - began))

    def _blocked(self, where: str, *, on: bool) -> None:
        self._role.blocked(on)
        self._tell("blocked" if on else "unblocked", where)

    def _tell(
        self, state: Literal["connected", "failed", "lost", "blocked", "unblocked"], where: str, reason: str = ""
    ) -> None:
        now = time.monotonic()
        self._emit(Connection(now, self._role.name, state, where, reason))
        sys.stderr.write(f"{now:.3f} {self._role.name}: {state} {where} {reason}\n")


class _Ended(Exception):
    """It was told to end."""


async def _close(connection: AsyncioConnection, closed: asyncio.Future[None]) -> None:
    if not connection.is_closed:
        with contextlib.suppress(Exception):
            if not connection.is_closing:
                connection.close()
            await asyncio.wait_for(asyncio.shield(closed), _CLOSE_S)
    if not connection.is_closed:
        # The broker does not answer: what is left is taken down without it.
        with contextlib.suppress(Exception):
            connection._adapter_disconnect_stream()  # noqa: SLF001 - pika has no other way to drop a silent connection


def reason_of(error: Any) -> str:
    """Give in a few words why a connection failed or ended, whatever wraps it."""
    while True:
        inner = getattr(error, "exceptions", None) or getattr(error, "args", None)
        if isinstance(inner, tuple | list) and inner and isinstance(inner[-1], BaseException):
            error = inner[-1]
            continue
        inner = getattr(error, "exception", None)
        if isinstance(inner, BaseException):
            error = inner
            continue
        break
    text = getattr(error, "reply_text", "") or str(error) or type(error).__name__
    return " ".join(text.split())[:200]
