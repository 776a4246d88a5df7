"""The brokers' HTTP API, asked from the place of each broker with a user of the design."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from integration.diagnose.asking import ask

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["Answer", "get", "request", "user_with"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: its status and content, or why there was no answer."""

    status: int
    content: Any = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was answered as asked."""
        return self.status == 200


def user_with(stack: Stack, *tags: str) -> str | None:
    """Give a user of the design that has one of *tags*, where there is a management API to ask; else nothing."""
    rabbitmq = stack.topology.rabbitmq
    if "rabbitmq_management" not in rabbitmq.plugins:
        return None
    return next((name for name, user in rabbitmq.users.items() if set(tags) & set(user.tags)), None)


def request(stack: Stack, host: str, path: str, user: str, password: str | None = None) -> dict[str, Any]:
    """Give the question that asks the API of the broker on *host*."""
    topology = stack.topology
    ports, tls = topology.rabbitmq.ports, topology.rabbitmq.tls.management is not None
    secret = stack.secrets[topology.password_of(user)] if password is None else password
    port = ports.management_tls if tls else ports.management
    words = {"host": topology.ip(host), "port": port, "path": path, "tls": tls, "user": user, "password": secret}
    return {"ask": "http", **words, "timeout_s": 15}


def get(stack: Stack, host: str, path: str, user: str, *names: str) -> Answer:
    """Ask the API of the broker on *host*; ``{}`` in *path* stand for *names*, which may hold any character."""
    wanted = path.format(*(quote(name, safe="") for name in names))
    (said,) = ask(stack, [request(stack, host, wanted, user)], host=host)
    return answer_of(said)


def answer_of(said: dict[str, Any]) -> Answer:
    """Read what came back."""
    if "error" in said:
        return Answer(0, error=said["error"])
    try:
        return Answer(said["status"], json.loads(said["body"]) if said["body"] else None)
    except ValueError:
        return Answer(said["status"], error="an answer that is not JSON")
