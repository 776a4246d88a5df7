"""The state of the servers as HAProxy tells it, through its runtime socket or its statistics page."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from integration.observe import http
from rmqha_model.events import ServerState

if TYPE_CHECKING:
    from integration.observe.spec import HaproxySource

__all__ = ["ask", "parse_stats"]

_PATIENCE_S = 1.0
_LONGEST_SOCKET_PATH = 107
"""Bytes: sun_path of sockaddr_un, less its NUL."""
_SERVERS = b"show stat -1 4 -1\n"
"""Every proxy, of type 4: servers."""


def parse_stats(text: str, host: str, proxies: Iterable[str], t: float) -> Iterator[ServerState]:
    """Give the servers of *proxies* that the CSV of ``show stat`` tells.

    ``check_health`` is the counter of the health checks, ``status`` and ``check_status`` say what follows of it. The
    code has ``* `` before it while a check is under way.
    """
    proxies = frozenset(proxies)
    rows = csv.reader(text.lstrip("# ").splitlines())
    names = next(rows, [])
    for cells in rows:
        row = dict(zip(names, cells, strict=False))
        if row.get("type") != "2" or row["pxname"] not in proxies:
            continue
        status = row["status"]
        checked = bool(row.get("check_rise"))
        yield ServerState(
            t,
            host,
            row["pxname"],
            row["svname"],
            up=status.startswith(("UP", "NOLB", "no check")),
            health=int(row["check_health"] or 0) if checked else 1,
            rise=int(row["check_rise"]) if checked else 1,
            fall=int(row["check_fall"] or 1) if checked else 1,
            check=row.get("check_status", "").removeprefix("* "),
        )


async def ask(source: HaproxySource) -> str:
    """Give the CSV; empty when HAProxy is not there, does not answer, or stands still."""
    with contextlib.suppress(OSError, EOFError, http.NoAnswer, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            if source.socket:
                return await _by_socket(source.socket)
            address = (source.address, source.port)
            return await http.get(address, f"{source.uri};csv", login=source.login, limit_s=_PATIENCE_S)
    return ""


async def _by_socket(path: str) -> str:
    # Without streams, which cost three times as much: this is done 40 times a second.
    loop = asyncio.get_running_loop()
    parts = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as asked:
        with _reachable(path) as near:
            asked.connect(near)
        asked.send(_SERVERS)
        while part := await loop.sock_recv(asked, 1 << 16):
            parts.append(part)
    return b"".join(parts).decode()


@contextlib.contextmanager
def _reachable(path: str) -> Iterator[str]:
    """Give a name of *path* that is short enough for the address of a socket."""
    if len(path.encode()) <= _LONGEST_SOCKET_PATH:
        yield path
        return
    there = PurePosixPath(path)
    folder = os.open(there.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{there.name}"
    finally:
        os.close(folder)
