"""What HAProxy on a host says of its servers, by whichever way the design has: its socket, or its page."""

from __future__ import annotations

import base64
import csv
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from rmqha_model.haproxy import StatsListener

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["parse", "servers"]

_PATIENCE_S = 3
_FETCH = """\
import sys, urllib.request
request = urllib.request.Request(sys.argv[1])
if auth := sys.stdin.read():
    request.add_header("Authorization", "Basic " + auth)
sys.stdout.buffer.write(urllib.request.urlopen(request, timeout=3).read())
"""


def servers(stack: Stack, host: str) -> dict[tuple[str, str], str] | None:
    """Give the state of each (listener, server) on *host*; ``None`` where the design has no way to ask.

    Raises:
        OSError: HAProxy does not answer.
    """
    haproxy = stack.topology.haproxy
    if haproxy is None:
        return None
    if haproxy.global_.stats_socket:
        return parse(_by_socket(stack.path_of(host, haproxy.global_.stats_socket)))
    for listener in haproxy.listeners.values():
        if isinstance(listener, StatsListener):
            return parse(_by_page(stack, host, listener))
    return None


def parse(text: str) -> dict[tuple[str, str], str]:
    """Give the state of each server from the CSV that ``show stat`` and the page give alike."""
    rows = csv.DictReader(text.lstrip("# ").splitlines())
    return {
        (row["pxname"], row["svname"]): row["status"]
        for row in rows
        if row.get("svname") and row["svname"] not in {"FRONTEND", "BACKEND"}
    }


def _by_socket(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(_PATIENCE_S)
        asked.connect(path)
        asked.sendall(b"show stat\n")
        parts = []
        while part := asked.recv(65536):
            parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def _by_page(stack: Stack, host: str, listener: StatsListener) -> str:
    address = stack.topology.ip(host)
    where = f"[{address}]" if ":" in address else address
    url = f"http://{where}:{listener.port}{listener.uri};csv"
    login = ""
    if listener.auth:
        password = stack.secrets[listener.auth.password]
        login = base64.b64encode(f"{listener.auth.user}:{password}".encode()).decode()
    # From the host itself, whatever the packet filter lets others see; not on its loopback, where it may not listen.
    done = subprocess.run(
        stack.host_command(host, sys.executable, "-I", "-c", _FETCH, url),
        input=login,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S * 3,
        check=False,
    )
    if done.returncode:
        raise OSError(done.stderr.strip().rpartition("\n")[2])
    return done.stdout
