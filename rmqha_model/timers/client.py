"""Clients: how soon they see that the other end is gone, and the broker that they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rmqha_model.timers.span import Span, never, number

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.topology import Topology

__all__ = ["broker_notices", "client_notices", "heartbeat_s", "next_segment", "reconnect"]

RESET = "RFC 9293 3.10.7.1: a segment for a connection that is not known is answered by a reset"


def heartbeat_s(topology: Topology, client: Client) -> int:
    """Give the heartbeat that client and broker agree on: the smaller, and when one says 0 the larger."""
    ours, theirs = client.heartbeat.whole_s, topology.rabbitmq.heartbeat.whole_s
    return min(ours, theirs) if ours and theirs else max(ours, theirs)


def client_notices(topology: Topology, client: Client) -> Span:
    """How soon a client sees that a peer fell silent which sends no reset: counted from the fault.

    A frame comes every half heartbeat at least, so the last one may lie that far back; that is the lower bound.
    """
    beat = heartbeat_s(topology, client)
    if not beat:
        return never("no heartbeat", "AMQP 0-9-1 connection.tune", "all")
    low, high, formula, source, versions = {
        "pika": (
            beat + 5,
            2 * (beat + 5),
            f"1..2 x check every heartbeat {beat} + 5",
            "pika heartbeat.py HeartbeatChecker",
            "pika 1.0 to 1.3",
        ),
        "java": (
            2.25 * beat,
            2.25 * beat,
            f"9 x read timeout, a quarter of heartbeat {beat}",
            "AMQConnection.java handleSocketTimeout",
            "Java client 5",
        ),
        "dotnet": (
            3 * beat,
            4 * beat,
            f"3..4 x heartbeat {beat}",
            "Connection.Heartbeat.cs; derived",
            ".NET client 7",
        ),
        "go": (
            1.5 * beat,
            1.5 * beat,
            f"read deadline 3 x half of heartbeat {beat}",
            "connection.go openTune, heartbeater",
            "amqp091-go 1.2 to 1.10",
        ),
    }[client.kind]
    return Span(low - beat / 2, high, f"{formula} - quiet before 0..{number(beat / 2)}", source, versions)


def broker_notices(topology: Topology, client: Client) -> Span:
    """How soon the broker sees that a client fell silent, and gives its unacknowledged messages to others."""
    beat = heartbeat_s(topology, client)
    if not beat:
        return never("no heartbeat", "AMQP 0-9-1 connection.tune", "all")
    formula = f"2..3 x heartbeat {beat} - quiet before 0..{number(beat / 2)}"
    return Span(1.5 * beat, 3 * beat, formula, "rabbit src/rabbit_heartbeat.erl", "RabbitMQ 3.8 to 4.3")


def next_segment(topology: Topology, client: Client) -> Span:
    """How soon a client sends something, and so learns from the new owner of an address that its connection is gone."""
    beat = heartbeat_s(topology, client)
    if not beat:
        return Span(0, math.inf, "its next segment; without heartbeats it may send none", RESET, "all")
    return Span(0, beat / 2, f"its next segment 0..{number(beat / 2)}, half a heartbeat", RESET, "all")


def reconnect(client: Client) -> Span:
    """How long a client waits before it connects again."""
    delay, jitter = client.reconnect.delay.s, client.reconnect.jitter.s
    formula = f"delay {number(delay)}" + (f" + jitter 0..{number(jitter)}" if jitter else "")
    return Span(delay, delay + jitter, formula, "clients of this design", "all")
