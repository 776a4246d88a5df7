"""HTTP of a host asked through one shell that stays: a connection by ssh for each question would cost more than it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from collections.abc import Callable
from typing import Self

from integration.ssh.command import invocation, program

__all__ = ["Asker"]

_DAY_S = 86_400
_LONGEST = 1 << 24
"""Bytes of an answer: the queues of a large broker are some hundred KiB."""
_PATIENCE_S = 5

# A question is a line: address, port, and what is to be sent, in base64. So is its answer; empty where there is none.
_SERVE = """
while read -r address port question; do
  if { exec 3<>"/dev/tcp/$address/$port"; } 2>/dev/null; then
    base64 -d <<<"$question" >&3
    timeout "$1" cat <&3 | base64 -w 0
    exec 3>&-
  fi
  echo
done
"""


class Asker:
    """A listening socket on the loopback that passes each request on to *endpoint*, as a host reaches it."""

    def __init__(self, line: Callable[[str], list[str]], endpoint: tuple[str, int], *, sudo: bool) -> None:
        self._line, self._endpoint, self._sudo = line, endpoint, sudo
        self._lock = asyncio.Lock()
        self._shell: asyncio.subprocess.Process | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._asked, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._end()

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        address, port = self._server.sockets[0].getsockname()
        return str(address), int(port)

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            question = await reader.readuntil(b"\r\n\r\n")
            async with self._lock:
                answer = await self._answer(question)
            writer.write(answer)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def _answer(self, question: bytes) -> bytes:
        try:
            async with asyncio.timeout(_PATIENCE_S + 1):
                shell = await self._started()
                assert shell.stdin is not None and shell.stdout is not None  # noqa: PT018 - for the type checker
                address, port = self._endpoint
                shell.stdin.write(f"{address} {port} {base64.b64encode(question).decode()}\n".encode())
                await shell.stdin.drain()
                line = await shell.stdout.readline()
        except (OSError, TimeoutError):
            line = b""
        if not line:
            # It is gone, or late: a later answer must not be taken for the next one's.
            await self._end()
        return base64.b64decode(line)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._shell is None:
            command = ("bash", "-c", _SERVE, "bash", str(_PATIENCE_S))
            told = program(command, secrets.token_hex(8), sudo=self._sudo, timeout_s=_DAY_S)
            pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
            words = self._line(invocation(len(told)))
            self._shell = await asyncio.create_subprocess_exec(
                *words, stdin=pipe, stdout=pipe, stderr=null, limit=_LONGEST
            )
            assert self._shell.stdin is not None
            self._shell.stdin.write(told)
        return self._shell

    async def _end(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            with contextlib.suppress(ProcessLookupError):
                shell.kill()
            await shell.wait()
