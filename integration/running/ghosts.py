"""Connections that outlived their clients: a broker holds deliveries for them until it misses their heartbeats.

When a virtual address moves, or a host falls silent, the client's side of a connection ends and nobody tells the
broker's. What was delivered to such a ghost is neither consumed nor in the queue, and would be counted as lost.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from integration.errors import LabError

if TYPE_CHECKING:
    from integration.host import Host

__all__ = ["close", "parse"]

_PATIENCE_S = 30
_LIST = ("rabbitmqctl", "--quiet", "list_connections", "pid", "client_properties", "--formatter", "json")


def close(broker: Host, run: str) -> list[str]:
    """Have the brokers close every connection that a client of *run* left; say what could not be done."""
    try:
        for pid in parse(broker.check(*_LIST, timeout_s=_PATIENCE_S), run):
            broker.run("rabbitmqctl", "--quiet", "close_connection", pid, "its client has ended", timeout_s=_PATIENCE_S)
    except LabError as error:
        return [f"connections that outlived their clients: {' '.join(str(error).split())[:150]}"]
    return []


def parse(text: str, run: str) -> list[str]:
    """Give the process of each connection whose client says it is of *run*."""
    start = text.find("[")
    rows: list[dict[str, Any]] = json.loads(text[start:]) if start >= 0 else []
    return [row["pid"] for row in rows if f"@{run}" in json.dumps(row.get("client_properties"))]
