"""How an attempt to connect ended, told from what the sockets said."""

from __future__ import annotations

import errno
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmqha_model.events import Outcome

__all__ = ["HEADER", "START_BYTES", "answer", "outcome_of"]

HEADER = b"AMQP\x00\x00\x09\x01"
"""AMQP 0-9-1, section 4.2.2: what a client says first."""
START_BYTES = 11
"""As far as a frame tells that it is connection.start: type, channel, size, class, method."""

_OF_NUMBERS: dict[int | None, Outcome] = {
    **dict.fromkeys((errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN), "reset"),
    **dict.fromkeys((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN), "unreachable"),
    **dict.fromkeys((errno.ENONET, errno.EADDRNOTAVAIL), "unreachable"),
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
}
_OF_KINDS: tuple[tuple[type[BaseException], Outcome], ...] = (
    (TimeoutError, "timeout"),
    (ssl.SSLEOFError, "reset"),
    (ssl.SSLZeroReturnError, "reset"),
    (ssl.SSLError, "protocol"),
    (EOFError, "reset"),
)


def answer(data: bytes) -> Outcome:
    """Judge what a server said to the header: ``ok`` if it begins connection.start, ``reset`` if it hung up before."""
    if len(data) < START_BYTES:
        return "protocol" if data and not b"\x01\x00\x00".startswith(data[:3]) else "reset"
    method_frame_of_channel_0 = data[:3] == b"\x01\x00\x00"
    return "ok" if method_frame_of_channel_0 and data[7:11] == b"\x00\x0a\x00\x0a" else "protocol"


def outcome_of(error: BaseException) -> Outcome:
    """Give the class of what went wrong."""
    for kind, outcome in _OF_KINDS:
        if isinstance(error, kind):
            return outcome
    number = error.errno if isinstance(error, OSError) else None
    return _OF_NUMBERS.get(number, "reset" if isinstance(error, ConnectionError) else "protocol")
