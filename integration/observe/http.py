"""Small HTTP requests that hold nothing up: one connection each, a time limit, no thread."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl

__all__ = ["NoAnswer", "get"]


class NoAnswer(Exception):
    """Nobody is there, or the answer is not what was asked for."""


async def get(address: tuple[str, int], path: str, *, login: str = "", tls: bool = False, limit_s: float) -> str:
    """Give the body of the answer.

    Raises:
        NoAnswer: there is none within *limit_s*, or it is another status than 200.
    """
    lines = [f"GET {path} HTTP/1.0", f"Host: {address[0]}", "Accept: */*"]
    if login:
        lines.append(f"Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(limit_s):
            # The host's own daemon on the host's own address: its certificate proves nothing more.
            secured = ssl._create_unverified_context() if tls else None  # noqa: S323, SLF001
            reader, writer = await asyncio.open_connection(*address, ssl=secured)
            writer.write("\r\n".join([*lines, "", ""]).encode())
            answer = await reader.read(-1)
    except (OSError, EOFError) as error:
        raise NoAnswer(str(error)) from None
    finally:
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.transport.abort() if tls else writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise NoAnswer(head[:80].decode(errors="replace"))
    if b"transfer-encoding: chunked" in head.lower():
        body = _unchunked(body)
    return body.decode(errors="replace")


def _unchunked(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if not length:
            break
        parts.append(rest[:length])
        body = rest[length + 2 :]
    return b"".join(parts)
