"""Declares the queues of a workload on a fresh start, and deletes them at its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pika

from integration.clients.tls import context

if TYPE_CHECKING:
    from integration.clients.spec import DeclareSpec

__all__ = ["declare"]


def declare(spec: DeclareSpec) -> None:
    """Do it, by the first endpoint that answers; ends the program with a word when that fails."""
    tls, login = context(spec.target), spec.login
    parameters = [
        pika.ConnectionParameters(
            host,
            port,
            login.vhost,
            pika.PlainCredentials(login.user, login.password),
            socket_timeout=spec.target.connect_timeout_s,
            stack_timeout=2 * spec.target.connect_timeout_s,
            ssl_options=pika.SSLOptions(tls, host) if tls else None,
        )
        for host, port in spec.target.endpoints
    ]
    try:
        connection = pika.BlockingConnection(parameters)
        channel = connection.channel()
        for queue in spec.queues:
            # Left by a run that was killed: its messages, and perhaps other arguments.
            channel.queue_delete(queue.name)
            if spec.declare:
                arguments = dict(queue.arguments)
                channel.queue_declare(
                    queue.name, durable=queue.durable, auto_delete=queue.auto_delete, arguments=arguments
                )
        connection.close()
    except pika.exceptions.AMQPError as error:
        sys.exit(f"{type(error).__name__}: {error}")
