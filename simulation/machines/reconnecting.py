"""Connection attempts of an Erlang node that lost a peer: when one gets through.

Sources: RabbitMQ ``rabbit_node_monitor.erl`` (``ping_down_nodes``), 3.8 to 4.3; OTP ``dist_util.erl``
(``setup_timer``).
"""

from __future__ import annotations

import enum
import math

from simulation.machines.clocks import next_tick

__all__ = ["Mode", "Pinger"]

SYN_S = (0.0, 1.0, 3.0)
"""When a connection attempt sends its SYN: TCP_TIMEOUT_INIT 1 s, doubled; the next, at 7 s, is after the limit."""


class Mode(enum.Enum):
    """What a connection attempt meets."""

    SILENT = enum.auto()
    REFUSED = enum.auto()
    WAITS = enum.auto()  # the kernel accepts, and nobody reads
    ANSWERS = enum.auto()


_SETUP = {Mode.SILENT: "syn", Mode.WAITS: "open"}


class Pinger:
    """Connection attempts of an end without its peer: number n begins at ``base + n * cycle``.

    An attempt that is not answered lasts for net_setuptime, and the next begins a ping interval later. Its stage is
    *syn*, repeated while nobody answers, *open*, accepted by the kernel of a peer that hangs, or *deaf*: it was open
    when its packets began to be lost.
    """

    def __init__(self, base: float, setup_s: float, ping_s: float) -> None:
        self.base = base
        self.setup_s = setup_s
        self.ping_s = ping_s
        self.mode = Mode.SILENT
        self.first = "syn"

    def _under_way(self, now: float) -> tuple[float, str, float]:
        """Give beginning and stage of the attempt under way, ``""`` for none, and when the next begins."""
        setup, ping = self.setup_s, self.ping_s
        if now < self.base or self.mode is Mode.REFUSED:
            return now, "", next_tick(self.base, ping, now)
        cycle = setup + ping
        following = next_tick(self.base, cycle, math.nextafter(now, math.inf))
        number = round((following - self.base) / cycle) - 1
        begun = self.base + number * cycle
        if now >= begun + setup:
            return now, "", following
        return begun, _SETUP[self.mode] if number else self.first, following

    def reaches(self, now: float) -> float:
        """Give when an attempt is answered, if somebody answers from *now* on."""
        begun, stage, following = self._under_way(now)
        if stage == "open":
            return now
        sent = (begun + offset for offset in SYN_S if stage == "syn" and begun + offset >= now)
        return min(next(sent, following), following)

    def turn(self, now: float, mode: Mode) -> None:
        """Attempts meet something else from *now* on."""
        if mode in {self.mode, Mode.ANSWERS}:
            return
        begun, stage, following = self._under_way(now)
        reached = self.reaches(now)
        if mode is Mode.SILENT:
            self.base = begun if stage else following
            self.first = "syn" if stage in {"", "syn"} else "deaf"
        elif mode is Mode.WAITS:
            self.base, self.first = reached, "open"
        else:
            self.base = reached + self.ping_s if stage and reached < following else following
        self.mode = mode
