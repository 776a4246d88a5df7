"""A client's connection, as its program keeps it: rounds of attempts, pauses, blocking, and patience with confirms.

It behaves as the programs of integration/clients/session.py do, and the generated pika client: the endpoints in a
random order, each for the connect timeout (twice that until AMQP has opened); after a loss, and after a round without
success, the design's delay and a random part of its jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from simulation.machines.clocks import next_tick
from simulation.machines.machine import NEVER

__all__ = [
    "Abandon",
    "Accepted",
    "Blocked",
    "ClientConnection",
    "ClientSettings",
    "Close",
    "Ended",
    "Failed",
    "Lost",
    "Opened",
    "Ready",
    "Said",
    "Try",
    "Waits",
]

LOOK_S = 0.1
"""Between looks for a confirm that is too late: integration/clients/publish.py."""
TCP_LATE = "TCP connection attempt timed out"
AMQP_LATE = "Timeout during AMQP handshake"
BLOCKED_LONG = "Blocked connection timeout expired."
"""pika's words: adapters/utils/connection_workflow.py and connection.py of 1.3."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How a client keeps its connection; times in seconds."""

    endpoints: int = 1
    delay_s: float = 2.0
    jitter_s: float = 3.0
    connect_timeout_s: float = 5.0
    confirm_timeout_s: float = NEVER
    """Patience with one message's confirm, and with a broker that blocks (pika: blocked_connection_timeout)."""


class Accepted(NamedTuple):
    """The TCP connection of the attempt is made; AMQP has not opened yet."""


class Opened(NamedTuple):
    """AMQP has opened: the channel and what it is for come next."""


class Failed(NamedTuple):
    """The attempt failed."""

    reason: str


class Ready(NamedTuple):
    """The channel does what it is for."""


class Lost(NamedTuple):
    """The connection is gone, or was given up by what it is for; ending it takes *closing_s*."""

    reason: str
    closing_s: float = 0.0


class Blocked(NamedTuple):
    """The broker says that it blocks this connection, or no longer does."""

    on: bool


class Waits(NamedTuple):
    """When the message was sent that has waited longest for its confirm; ``inf`` if none waits."""

    since: float


class Ended(NamedTuple):
    """The client has come to its end: no event, no further attempt."""


Input: TypeAlias = Accepted | Opened | Failed | Ready | Lost | Blocked | Waits | Ended


class Try(NamedTuple):
    """It begins an attempt to connect to an endpoint, by its index."""

    t: float
    endpoint: int


class Abandon(NamedTuple):
    """It gives an attempt up."""

    t: float


class Close(NamedTuple):
    """It closes a connection that it takes for lost; :class:`Lost` is expected in the same instant."""

    t: float
    reason: str


class Said(NamedTuple):
    """What becomes of its connection: what an event of the timeline tells."""

    t: float
    state: Literal["connected", "failed", "lost", "blocked", "unblocked"]
    endpoint: int
    reason: str


Seen: TypeAlias = Try | Abandon | Close | Said
Phase: TypeAlias = Literal["resting", "trying", "setting_up", "connected", "ended"]


class ClientConnection:
    """One client's connection, from its first attempt on (a :class:`simulation.machines.machine.Machine`).

    *draw* gives its luck: orders and pauses. *look* is an instant at which it looks for late confirms.
    """

    def __init__(self, settings: ClientSettings, draw: Callable[[], float], now: float) -> None:
        self.settings = settings
        self.phase: Phase = "resting"
        self.blocked_at = NEVER
        self._draw = draw
        self._due = now
        self._look = now - LOOK_S * draw()
        self._order: list[int] = []
        self._endpoint = 0
        self._began = now
        self._since = NEVER

    @property
    def due(self) -> float:
        """When its pause or its patience is over."""
        if self.phase in {"resting", "trying"}:
            return self._due
        return min(self._too_late, self._blocked_long) if self.phase == "connected" else NEVER

    @property
    def _too_late(self) -> float:
        limit = self._since + self.settings.confirm_timeout_s
        return limit if limit == NEVER else next_tick(self._look, LOOK_S, limit)

    @property
    def _blocked_long(self) -> float:
        return self.blocked_at + self.settings.confirm_timeout_s

    def fire(self) -> list[Seen]:
        """Try, or lose patience."""
        now = self.due
        if self.phase == "resting":
            self._order = self._shuffled()
            return self._next(now)
        if self.phase == "trying":
            reason = AMQP_LATE if self._due > self._began + self.settings.connect_timeout_s else TCP_LATE
            return [Abandon(now), *self._failed(now, reason)]
        late = self._too_late <= self._blocked_long
        self._since = self.blocked_at = NEVER
        return [Close(now, f"no confirm within {self.settings.confirm_timeout_s:g} s" if late else BLOCKED_LONG)]

    def feed(self, now: float, input_: Input) -> list[Seen]:
        """Take in what becomes of an attempt, or of the connection."""
        match input_:
            case Ended():
                self.phase = "ended"
            case Accepted() if self.phase == "trying":
                self._due = self._began + 2 * self.settings.connect_timeout_s
            case Opened() if self.phase == "trying":
                self.phase = "setting_up"
            case Failed(reason) if self.phase == "trying":
                return self._failed(now, reason)
            case Ready() if self.phase == "setting_up":
                self.phase = "connected"
                return [self._said(now, "connected")]
            case Lost(reason, closing_s) if self.phase in {"setting_up", "connected"}:
                self._rest(now + closing_s)
                return [self._said(now, "lost", reason)]
            case Blocked(on) if self.phase == "connected" and on != (self.blocked_at < NEVER):
                self.blocked_at = now if on else NEVER
                return [self._said(now, "blocked" if on else "unblocked")]
            case Waits(since):
                self._since = since
            case _:
                pass
        return []

    # -- attempts -------------------------------------------------------------------------------------

    def _shuffled(self) -> list[int]:
        """Give the endpoints in a random order; a single one costs no luck."""
        order = list(range(self.settings.endpoints))
        for place in range(len(order) - 1, 0, -1):
            other = int(self._draw() * (place + 1))
            order[place], order[other] = order[other], order[place]
        return order

    def _next(self, now: float) -> list[Seen]:
        self._endpoint = self._order.pop(0)
        self.phase, self._began = "trying", now
        self._due = now + self.settings.connect_timeout_s
        return [Try(now, self._endpoint)]

    def _failed(self, now: float, reason: str) -> list[Seen]:
        said = self._said(now, "failed", reason)
        if self._order:
            return [said, *self._next(now)]
        self._rest(now)
        return [said]

    def _rest(self, now: float) -> None:
        self.phase = "resting"
        self._since = self.blocked_at = NEVER
        self._due = now + self.settings.delay_s + self.settings.jitter_s * self._draw()

    def _said(
        self, now: float, state: Literal["connected", "failed", "lost", "blocked", "unblocked"], reason: str = ""
    ) -> Said:
        return Said(now, state, self._endpoint, reason)
