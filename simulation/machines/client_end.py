"""A client's half of an established connection, where the other half is silent, or has forgotten it.

It learns of that by its heartbeats: what it says meets a host that knows nothing of the connection, and resets it, or
it has heard nothing for a whole window of pika's. And the other half of a direct connection: a broker whose client is
silent.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from simulation.machines.clocks import give_up, next_tick, retransmitted
from simulation.machines.machine import NEVER

__all__ = ["ClientEnd", "Condition", "Hung", "Says", "Way", "server_misses"]

RTO_S = 0.21
"""Retransmission timeout of the client's kernel on a local network: 200 ms and the round trip. In the lab heartbeats
into silence were answered with a reset 3.33 s (fifteen times that) after they were said, publishes after 6.5 s."""
RETRIES2 = 15
"""TCP_RETR2, include/net/tcp.h: the clients' hosts are no part of the design."""
MARGIN_S = 5.0
"""pika 1.0 to 1.3 heartbeat.py: it looks every heartbeat timeout + 5 s, and closes after a window without a byte."""


Condition: TypeAlias = Literal["alive", "frozen", "silent", "reset"]


class Way(NamedTuple):
    """What becomes of the client's bytes from now on, and whether it hears of the other side.

    ``alive``; ``frozen``: acknowledged, no answer; ``silent``: lost; ``reset``: they meet a host that resets it.
    """

    condition: Condition


class Says(NamedTuple):
    """It says something beyond its heartbeats: a message."""


class Hung(NamedTuple):
    """The client's end is over."""

    t: float
    cause: Literal["reset", "heartbeat", "unacknowledged"]


Input: TypeAlias = Way | Says


class ClientEnd:
    """The client's end of one connection, made at *now* (a :class:`simulation.machines.machine.Machine`)."""

    def __init__(self, heartbeat_s: float, now: float) -> None:
        self.condition: Condition = "alive"
        self._heartbeat = heartbeat_s
        self._made = now
        self._heard = NEVER
        """When it last heard something; while it is alive, that is always."""
        self._unacked = NEVER
        self._reset_from = NEVER
        self._over = False

    @property
    def due(self) -> float:
        """When it ends if everything stays as it is."""
        return NEVER if self._over or self.condition == "alive" else min(self._ends())[0]

    def fire(self) -> list[Hung]:
        """End it."""
        end, cause = min(self._ends())
        self._over = True
        return [Hung(end, cause)]

    def feed(self, now: float, input_: Input) -> list[Hung]:
        """Take in what its bytes meet, or that it says something."""
        if isinstance(input_, Says):
            if self.condition not in {"alive", "frozen"}:
                self._unacked = min(self._unacked, now)
            return []
        was, self.condition = self.condition, input_.condition
        if was == "alive":
            self._heard = now
        if self.condition in {"alive", "frozen"}:
            self._unacked = self._reset_from = NEVER
            return []
        if was in {"alive", "frozen"}:
            self._unacked = next_tick(self._made, self._heartbeat / 2, now) if self._heartbeat else NEVER
        if self.condition == "silent":
            self._reset_from = NEVER
        elif was != "reset":
            self._reset_from = now
        return []

    def _ends(self) -> list[tuple[float, Literal["reset", "heartbeat", "unacknowledged"]]]:
        found: list[tuple[float, Literal["reset", "heartbeat", "unacknowledged"]]] = [(NEVER, "heartbeat")]
        if self._heartbeat:
            window = self._heartbeat + MARGIN_S
            # The first look whose whole window was silent.
            found.append((next_tick(self._made, window, self._heard) + window, "heartbeat"))
        if self._unacked < NEVER:
            late = self._unacked >= self._reset_from
            if self._reset_from < NEVER:
                at = self._unacked if late else retransmitted(self._unacked, RTO_S, self._reset_from)
                found.append((at, "reset"))
            found.append((give_up(self._unacked, RTO_S, RETRIES2), "unacknowledged"))
        return found


def server_misses(made: float, heartbeat_s: float, last: float) -> float:
    """Give when a broker gives up a client that it has last heard at *last*.

    It looks every interval, and fires on the second look in a row without a new byte (rabbit_heartbeat.erl).
    """
    return next_tick(made, heartbeat_s, last) + 2 * heartbeat_s if heartbeat_s else NEVER
