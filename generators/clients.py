"""Client programs: for each kind of application one that connects, publishes and consumes as the design says.

A failover ends in the client, so these are part of it: the same heartbeat, confirms and reconnect delays that the
design counts on, in the language the application is written in. Each is a whole program: it runs as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.bundle import Artefact
from generators.header import header
from generators.quoting import Quoted, verbatim
from generators.render import render

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["FILES", "artefacts"]

FILES = {
    "pika": ("client.py", "#"),
    "java": ("Client.java", "//"),
    "dotnet": ("Client.cs", "//"),
    "go": ("client.go", "//"),
}
"""File name and comment sign by kind of client."""


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:
    """Give a program for each client of the design; passwords come from the environment, never from the file."""
    del secrets
    for name, client in topology.clients.items():
        file, comment = FILES[client.kind]
        what = f"Client {name}: connects, publishes and consumes as the design says."
        content = render(
            f"clients/{file}.j2",
            header=header(topology, what, comment),
            endpoints=topology.endpoints_of(client),
            user=topology.user_of(client),
            vhost=topology.vhost_of(client),
            queue=_queue(topology, client),
            client=client,
            heartbeat_s=client.heartbeat.whole_s,
            delay_ms=client.reconnect.delay.ms,
            jitter_ms=client.reconnect.jitter.ms,
            connect_ms=client.reconnect.connect_timeout.ms,
            confirm_ms=client.confirm_timeout.ms,
            flags={
                language: {field: _flag(getattr(client, field), language) for field in ("confirms", "mandatory", "tls")}
                for language in ("python", "other")
            },
            auto_ack={"python": _flag(client.ack == "auto", "python"), "other": _flag(client.ack == "auto", "other")},
        )
        yield Artefact(None, f"clients/{name}/{file}", content)


def _flag(value: bool, language: str) -> Quoted:  # noqa: FBT001
    return verbatim(str(value) if language == "python" else str(value).lower())


def _queue(topology: Topology, client: Client) -> str:
    """Give a queue the client can use: the first of its vhost, or a name to change."""
    return next(
        (queue.name for queue in topology.rabbitmq.queues if queue.vhost == topology.vhost_of(client)), "change-me"
    )
