"""What a health check is told, and what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from rmqha_model.events import ServerState
from simulation.machines.wire import Target

if TYPE_CHECKING:
    from simulation.machines.check_settings import CheckSettings

__all__ = ["CheckInput", "Observed", "Paused", "Reason", "Resumed", "ServerChanged"]

Reason: TypeAlias = tuple[tuple[str, float], ...]
"""What the time went by with, in order: words and seconds."""


class Observed(NamedTuple):
    """A client's connection to the server was made, or one attempt to make it failed (`observe layer4`)."""

    failed: bool


class Paused(NamedTuple):
    """HAProxy's process stands still (SIGSTOP); its host's kernel does not."""


class Resumed(NamedTuple):
    """It goes on. *hidden*: the time it stood still does not count for its timers.

    So before 3.1, where a jump of the clock is undone (src/clock.c clock_update_date; measured on 2.6.12); from 3.1
    on the monotonic clock is used as it is (clock_update_local_date).
    """

    hidden: bool


class ServerChanged(NamedTuple):
    """What HAProxy thinks of a server has changed: its counter, its state, its last check's code, or its weight.

    *steps* is the effective weight in sixteenths; *running* is false while it is DOWN or the weight rises (STARTING).
    *reason* tells how the time went since the target last changed; its seconds add up to that time.
    """

    t: float
    up: bool
    health: int
    code: str
    became: Literal["", "UP", "DOWN"]
    steps: int
    running: bool
    reason: Reason

    def event(self, host: str, proxy: str, server: str, settings: CheckSettings) -> ServerState:
        """Give it as the event both worlds know."""
        rise, fall = settings.rise, settings.fall
        return ServerState(self.t, host, proxy, server, self.up, self.health, rise, fall, self.code)


CheckInput: TypeAlias = Target | Observed | Paused | Resumed
