"""The suite as a client of the design: who logs in where, and which names it may use."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.diagnose.asking import at_host, program, told
from integration.errors import LabError
from integration.host import Distant
from integration.suite import amqp as _program
from rmqha_model.usual import DEFAULT_EXCHANGE, OWN

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.clients import Client

__all__ = ["authority", "do", "login", "names_for"]


def do(stack: Stack, *requests: dict[str, Any], host: str | None = None) -> list[dict[str, Any]]:
    """Do each of *requests*, one after the other, from where the clients are, or from *host*."""
    limit_s = sum(request.get("timeout_s", 20.0) for request in requests) + 30
    line = program(str(Path(_program.__file__)))
    if host is not None and isinstance(stack, Distant):
        return [_through(stack, host, line, request, limit_s) for request in requests]
    command = stack.client_command(*line) if host is None else at_host(stack, host, *line)
    answers: list[dict[str, Any]] = told(command, list(requests), timeout_s=limit_s)
    return answers


def _through(stack: Distant, host: str, line: list[str], request: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """Do one request by connections that are led through *host*."""
    try:
        with contextlib.ExitStack() as led:
            endpoints = [led.enter_context(stack.relayed(host, tuple(each))) for each in request["endpoints"]]
            answer: dict[str, Any] = told(line, [{**request, "endpoints": endpoints}], timeout_s=limit_s)[0]
            return answer
    except LabError as error:
        return {"error": str(error)}


def login(
    stack: Stack,
    client: Client,
    *,
    endpoints: Sequence[tuple[str, int]] | None = None,
    vhost: str | None = None,
    timeout_s: float = 20.0,
) -> dict[str, Any]:
    """Give the words of a request that say who connects where: the design's *client*, where it does."""
    topology = stack.topology
    user = topology.user_of(client)
    return {
        "endpoints": [list(each) for each in endpoints or topology.endpoints_of(client)],
        "user": user,
        "password": stack.secrets[topology.password_of(user)],
        "vhost": vhost or topology.vhost_of(client),
        "tls": client.tls,
        "ca": authority(stack) if client.tls else "",
        "timeout_s": timeout_s,
    }


def authority(stack: Stack) -> str:
    """Give the certificates that the brokers' must lead to, as they stand on a broker; empty without TLS."""
    tls = stack.topology.rabbitmq.tls.clients
    if tls is None:
        return ""
    return stack.hosts[stack.topology.rabbitmq.seed].run("/bin/cat", tls.ca).out


def names_for(stack: Stack, client: Client) -> tuple[str, str] | None:
    """Give a queue and an exchange that *client* may have; nothing where its permissions leave no such names.

    The exchange is empty where it may use the default one.
    """
    topology = stack.topology
    vhost = topology.vhost_of(client)
    may = topology.permissions_of(topology.user_of(client)).get(vhost)
    if may is None:
        return None
    known = [thing.name for thing in (*topology.rabbitmq.queues, *topology.rabbitmq.exchanges) if thing.vhost == vhost]
    for stem in ("", *(f"{name}." for name in known)):
        name = f"{stem}{OWN}"
        if all(re.search(pattern, f"{name}.path") for pattern in (may.configure, may.write, may.read)):
            return f"{name}.path", "" if re.search(may.write, DEFAULT_EXCHANGE) else f"{name}.exchange"
    return None
