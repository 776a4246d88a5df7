"""How an attempt to connect is judged."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from integration.clients.outcome import answer, outcome_of
from integration.clients.probe import Prober
from integration.clients.spec import ProbeSpec, Target

if TYPE_CHECKING:
    from rmqha_model.events import Attempt

START = bytes.fromhex("01000000000200000a000a0009")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TimeoutError(), "timeout"),
        (OSError(errno.ETIMEDOUT, "x"), "timeout"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "reset"),
        (ConnectionResetError(), "reset"),
        (BrokenPipeError(errno.EPIPE, "x"), "reset"),
        (EOFError(), "reset"),
        (OSError(errno.EHOSTUNREACH, "x"), "unreachable"),
        (OSError(errno.ENETUNREACH, "x"), "unreachable"),
        (ssl.SSLEOFError(), "reset"),
        (ssl.SSLCertVerificationError(), "protocol"),
        (ssl.SSLError(), "protocol"),
        (OSError(errno.EMFILE, "x"), "protocol"),
    ],
)
def test_errors_have_their_class(error: BaseException, outcome: str) -> None:
    """What sockets and TLS say is put into the classes of the timeline."""
    assert outcome_of(error) == outcome


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (START[:11], "ok"),
        (b"", "reset"),
        (START[:5], "reset"),
        (b"HTTP/1.1 40", "protocol"),
        (b"AMQP\x00\x00\x09\x01", "protocol"),
        (b"\x01\x00\x00\x00\x00\x02\x00\x00\x0a\x00\x32", "protocol"),
    ],
)
def test_answers_have_their_class(data: bytes, outcome: str) -> None:
    """Only the beginning of connection.start is a broker that serves."""
    assert answer(data) == outcome


def attempts(spec: ProbeSpec, *, seconds: float) -> list[Attempt]:
    """Let a prober run for a while, and give what it told."""
    told: list[Attempt] = []

    async def probe() -> None:
        end = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, end.set)
        await Prober(spec, told.append).run(end)

    asyncio.run(probe())
    return sorted(told, key=lambda attempt: attempt.t)


def listener(*, backlog: int = 16) -> socket.socket:
    """Give a socket that listens on this machine."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    listening.settimeout(5)
    return listening


def test_attempts_that_hang_delay_none_after_them() -> None:
    """A server that accepts and is silent costs each attempt its patience, and the pace is kept."""
    with listener(backlog=64) as silent:
        where = silent.getsockname()
        spec = ProbeSpec("fresh", Target((where,)), every_s=0.01, patience_s=0.1)
        told = attempts(spec, seconds=0.095)
    assert {attempt.outcome for attempt in told} == {"timeout"}
    assert all(0.09 < attempt.took_s < 1 for attempt in told)
    assert 5 <= len(told) <= 11
    assert told[-1].t - told[0].t < 0.15


def test_the_endpoint_that_answers_is_named() -> None:
    """Endpoints are tried until one answers, and that one is told."""
    with listener() as refusing, listener() as reset:
        dead, closing = refusing.getsockname(), reset.getsockname()
        refusing.close()

        def close_one() -> None:
            reset.accept()[0].close()

        async def both() -> list[Attempt]:
            told: list[Attempt] = []
            end = asyncio.Event()
            prober = Prober(ProbeSpec("fresh", Target((dead,)), every_s=5), told.append)
            asyncio.get_running_loop().call_later(0.02, end.set)
            await prober.run(end)
            end = asyncio.Event()
            closing_spec = ProbeSpec("fresh", Target((closing,)), every_s=5, patience_s=1)
            asyncio.get_running_loop().call_later(0.02, end.set)
            await asyncio.gather(Prober(closing_spec, told.append).run(end), asyncio.to_thread(close_one))
            return told

        refused, closed = asyncio.run(both())
    assert (refused.outcome, refused.endpoint) == ("refused", f"127.0.0.1:{dead[1]}")
    assert (closed.outcome, closed.endpoint) == ("reset", f"127.0.0.1:{closing[1]}")


def test_all_endpoints_are_tried_until_one_answers() -> None:
    """An attempt that meets a dead endpoint first goes on to the next, and is fine."""

    async def probe() -> list[Attempt]:
        told: list[Attempt] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(8)
            writer.write(START)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        good = server.sockets[0].getsockname()
        with listener() as gone:
            dead = gone.getsockname()
        end = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, end.set)
        await Prober(ProbeSpec("fresh", Target((dead, good)), every_s=0.01, patience_s=2), told.append).run(end)
        server.close()
        assert {attempt.endpoint for attempt in told} == {f"127.0.0.1:{good[1]}"}
        return told

    assert {attempt.outcome for attempt in asyncio.run(probe())} == {"ok"}
