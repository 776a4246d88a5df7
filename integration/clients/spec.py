"""What a client program is told: plain data that travels as one line of JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Self

from rmqha_model.workload import client_names

__all__ = [
    "ConsumeSpec",
    "DeclareSpec",
    "Login",
    "ProbeSpec",
    "PublishSpec",
    "QueueSpec",
    "SessionSpec",
    "Spec",
    "Target",
]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and how long that may take."""

    endpoints: tuple[tuple[str, int], ...]
    """Address and port of each; a client tries all of them, in an order of its own each time, as generated ones do."""
    connect_timeout_s: float = 5.0
    tls: bool = False
    ca: str = ""
    """Certificates in PEM that the server's must lead to; empty: any is taken. Its names are not looked at."""

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """Read it back."""
        return cls(**{**row, "endpoints": tuple((host, port) for host, port in row["endpoints"])})


@dataclass(frozen=True, slots=True)
class Login:
    """Who a client is, and how it keeps its connection and returns to it."""

    user: str
    password: str = field(repr=False)
    vhost: str = "/"
    heartbeat_s: int = 15
    delay_s: float = 2.0
    jitter_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Spec:
    """What every client program is told."""

    label: str
    target: Target
    seed: str = ""
    """Of its random waits and orders."""

    def line(self) -> str:
        """Give it as a line of JSON."""
        return json.dumps(dataclasses.asdict(self)) + "\n"

    @classmethod
    def read(cls, line: str) -> Self:
        """Read what :meth:`line` gave."""
        row = json.loads(line)
        row["target"] = Target.of(row["target"])
        if "login" in row:
            row["login"] = Login(**row["login"])
        if "queues" in row:
            row["queues"] = tuple(QueueSpec(**queue) for queue in row["queues"])
        return cls(**row)


@dataclass(frozen=True, slots=True)
class ProbeSpec(Spec):
    """Fresh connections at a steady pace."""

    every_s: float = 0.1
    patience_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec(Spec):
    """What a program with connections to a queue is told."""

    login: Login
    queue: str
    run: str
    """Name of the run: messages of another one are not counted."""
    count: int = 1

    def names(self) -> tuple[str, ...]:
        """Give the name of each connection: the label, and its number where there are several."""
        return client_names(self.label, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSpec(SessionSpec):
    """Numbered messages to a queue."""

    rate: float = 20.0
    payload: int = 256
    window: int = 1_000
    confirms: bool = True
    confirm_timeout_s: float = 30.0
    mandatory: bool = True
    retry: bool = True
    settle_s: float = 30.0
    """When asked to end: how long it goes on until each message has its confirm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumeSpec(SessionSpec):
    """Messages from a queue."""

    prefetch: int = 50
    auto_ack: bool = False
    work_s: float = 0.0
    until_empty: bool = False
    """End by itself when the queue has been empty for a while."""
    give_up_s: float = 60.0
    """With until_empty: end after so long anyway."""


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue to declare or to delete."""

    name: str
    durable: bool = True
    auto_delete: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareSpec(Spec):
    """Queues that are deleted, and then declared again if that is wanted."""

    login: Login
    queues: tuple[QueueSpec, ...]
    declare: bool = True
