"""What the observer of a host is told: plain data that travels as one line of JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Api", "HaproxySource", "ObserveSpec"]


@dataclass(frozen=True, slots=True)
class HaproxySource:
    """Where HAProxy tells the state of its servers."""

    proxies: tuple[str, ...]
    socket: str = ""
    """The runtime socket, as this machine sees it; empty where the design has none."""
    address: str = ""
    port: int = 0
    uri: str = ""
    """The statistics page, for want of a socket."""
    login: str = field(default="", repr=False)
    """user:password of that page; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Api:
    """The management API of the broker on this host."""

    address: str
    port: int
    login: str = field(repr=False)
    tls: bool = False
    nodes: tuple[tuple[str, str], ...] = ()
    """Node name and host of every broker."""
    queues: tuple[tuple[str, str], ...] = ()
    """Vhost and name of every queue that is looked at."""


@dataclass(frozen=True, slots=True)
class ObserveSpec:
    """What is watched on one host."""

    host: str
    addresses: tuple[str, ...] = ()
    """Virtual addresses."""
    broker_port: int | None = None
    haproxy_port: int | None = None
    haproxy: HaproxySource | None = None
    api: Api | None = None

    def line(self) -> str:
        """Give it as a line of JSON."""
        return json.dumps(dataclasses.asdict(self)) + "\n"

    @classmethod
    def read(cls, line: str) -> Self:
        """Read what :meth:`line` gave."""
        row: dict[str, Any] = json.loads(line)
        if row["haproxy"]:
            row["haproxy"] = HaproxySource(**{**row["haproxy"], "proxies": tuple(row["haproxy"]["proxies"])})
        if row["api"]:
            pairs = {name: tuple((a, b) for a, b in row["api"][name]) for name in ("nodes", "queues")}
            row["api"] = Api(**{**row["api"], **pairs})
        return cls(**{**row, "addresses": tuple(row["addresses"])})
