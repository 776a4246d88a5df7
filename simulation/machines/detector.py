"""Aten, the failure detector of Raft groups: when a broker calls a silent peer down, and up again.

Sources: rabbitmq/aten v0.5.0 to v0.6.0 (``aten_detector.erl``, ``aten_detect.erl``, ``aten_sink.erl``,
``aten_emitter.erl``); the poll interval RabbitMQ sets: ``rabbit_prelaunch_conf.erl``, release-notes/3.8.9.md.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from rmqha_model.versions import Version
from simulation.machines.clocks import Reason, last_tick, next_tick
from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["Detector", "DetectorInput", "DetectorSettings", "Judged"]

WINDOW = 1000
"""Intervals between beats that are kept: WINDOW_SIZE, aten_detect.erl."""

DetectorInput: TypeAlias = Literal["silent", "heard", "nodedown", "nodeup", "hangs", "runs"]
"""What happens to the detector on one node as to one peer.

- *silent*: beats no longer arrive; the last one did at or before that instant, at a tick of the beat's clock;
- *heard*: they arrive again, and those that were held back arrive with the first;
- *nodedown*, *nodeup*: Erlang says so; with the first the peer's beats are forgotten;
- *hangs*, *runs*: the detector's own VM is frozen, and goes on.
"""


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What decides how soon a peer is suspected."""

    poll_s: float = 5.0  # 3.8.9 to 4.3; before, aten's own 1 s
    beat_s: float = 0.1  # aten_emitter.erl INTERVAL
    scaling: float = 1.5  # aten_sink.erl
    threshold: float = 0.99  # aten_detector.erl DEFAULT_THRESHOLD

    @classmethod
    def from_design(cls, topology: Topology) -> DetectorSettings:
        """Give those of a design: its own, else those of its release."""
        own = topology.rabbitmq.raft_detector
        old = Version.parse(topology.versions.rabbitmq) < Version(3, 8, 9)
        given = {
            "poll_s": own.poll_interval.s if own.poll_interval else 1.0 if old else None,
            "beat_s": own.heartbeat_interval.s if own.heartbeat_interval else None,
            "scaling": own.scaling_factor,
            "threshold": own.detection_threshold,
        }
        return cls(**{name: value for name, value in given.items() if value is not None})


class Judged(NamedTuple):
    """What the detector tells those who watch the peer's node."""

    t: float
    up: bool
    reason: Reason


class _Gap(NamedTuple):
    """Beats that did not come one by one: number *number* came late, after *length*, and *burst* more with it."""

    number: int
    length: float
    burst: int


class Detector:
    """Aten on one node as it judges one peer.

    Beats are not simulated: while they come, the window holds nothing but the beat's interval and the gaps of the
    past. At each poll the share of intervals that, scaled, are shorter than the silence is compared with the
    threshold; the first poll at which that changes is computed.
    """

    def __init__(self, settings: DetectorSettings, poll: float, beat: float, since: float = -math.inf) -> None:
        """Take the first instants of the poll's and of the peer's beat's clock, and since when beats come."""
        self.settings = settings
        self.poll = poll
        self.beat = beat
        self.now = -math.inf
        self._gaps: deque[_Gap] = deque()
        self._taken = WINDOW if since == -math.inf else 0  # intervals before `_from`
        self._from = last_tick(beat, settings.beat_s, 0.0) if since == -math.inf else since
        self._last: float | None = None  # the last beat, while none come
        self._known_at = -math.inf  # the first beat of this connection
        self._suspected: bool | None = False  # at the last poll; None where it had no data
        self._hung_at: float | None = None

    @property
    def up(self) -> bool:
        """What one who begins to watch is told at once: aten_detector:handle_cast register."""
        return self._suspected is False

    @property
    def due(self) -> float:
        """When a poll changes the verdict."""
        if self._hung_at is not None or (self._suspected is None and self._known_at == NEVER):
            return NEVER
        following = next_tick(self.poll, self.settings.poll_s, math.nextafter(self.now, math.inf))
        if self._suspected is None:
            return next_tick(self.poll, self.settings.poll_s, max(following, self._known_at))
        silent = self._last is not None
        if following < self._known_at or (self._suspected and not silent):
            return following
        return self._first_suspicion(following) if silent and not self._suspected else NEVER

    def _first_suspicion(self, following: float) -> float:
        """Give the first poll, from *following* on, that finds the silence too long."""
        certain = self._certain_after()
        if certain == NEVER:
            return NEVER
        period, last = self.settings.poll_s, self._last or 0.0
        poll = next_tick(self.poll, period, max(following, last + certain))
        number = round((poll - self.poll) / period)
        while number > 0 and self._is_suspect(earlier := self.poll + (number - 1) * period) and earlier >= following:
            number -= 1
        while not self._is_suspect(self.poll + number * period):
            number += 1
        return self.poll + number * period

    def fire(self) -> list[Judged]:
        """Poll."""
        return self._polls(self.due)

    def feed(self, now: float, input_: DetectorInput) -> list[Judged]:
        """Take in what happens."""
        self.now = now
        if input_ == "silent":
            if self._known_at < NEVER and self._last is None:
                self._last = max(self._from, last_tick(self.beat, self.settings.beat_s, now))
                self._count(self._last)
        elif input_ == "heard":
            self._hear(now)
        elif input_ == "nodedown":
            self._known_at, self._last, self._taken = NEVER, None, 0
            self._gaps.clear()
        elif input_ == "nodeup":
            # The first beat makes the record, the second sets its clock, the third is the first interval's end.
            self._known_at = next_tick(self.beat, self.settings.beat_s, now)
            self._last, self._taken, self._from = None, 0, self._known_at + self.settings.beat_s
        elif input_ == "hangs":
            self._hung_at = now
        elif self._hung_at is not None:
            return self._runs_again(now)
        return []

    # -- polls ------------------------------------------------------------------------------------

    def _polls(self, now: float) -> list[Judged]:
        self.now = now
        before = self._suspected
        known = self._known_at <= now
        self._suspected = self._is_suspect(now) if known else None
        if before is False and self._suspected is not False:
            silence = now - self._last if self._last is not None else 0.0
            certain = min(silence, self._certain_after())
            reason = (("silence until aten is sure", certain), ("wait for its poll", silence - certain))
            return [Judged(now, up=False, reason=reason)]
        if before is not False and self._suspected is False:
            return [Judged(now, up=True, reason=())]
        return []

    def _is_suspect(self, now: float) -> bool:
        """Whether the share of intervals that are short beside the silence is large enough."""
        last = self._last
        if last is None or last > now:
            return False  # beats come: the silence is shorter than their interval
        total, settings = min(self._taken, WINDOW), self.settings
        silence = now - last
        lost = self._taken - WINDOW  # the index of the last interval that is no longer kept
        at_once = sum(min(gap.burst, max(0, gap.number + gap.burst - lost)) for gap in self._gaps)
        late = [gap.length for gap in self._gaps if gap.number > lost]
        small = at_once + sum(length * settings.scaling <= silence for length in late)
        if settings.beat_s * settings.scaling <= silence:
            small += total - at_once - len(late)
        return small / max(1, total) >= settings.threshold

    def _certain_after(self) -> float:
        """Give the silence from which on it is suspicious."""
        if not self._taken or self._last is None:
            return NEVER
        lengths = {self.settings.beat_s, *(gap.length for gap in self._gaps)}
        for length in sorted(lengths):
            silence = length * self.settings.scaling
            if self._is_suspect(self._last + silence * (1 + 1e-9)):
                return silence
        return NEVER

    # -- beats ------------------------------------------------------------------------------------

    def _count(self, until: float) -> None:
        """Count the intervals since beats come one by one."""
        self._taken += max(0, round((until - self._from) / self.settings.beat_s))

    def _hear(self, now: float) -> None:
        if self._last is None:
            return
        missed = max(0, math.ceil((now - self._last) / self.settings.beat_s) - 1)
        burst = min(missed, WINDOW - 1)
        self._gaps.append(_Gap(self._taken + 1, now - self._last, burst))
        self._taken += 1 + burst
        while self._gaps and self._gaps[0].number + self._gaps[0].burst <= self._taken - WINDOW:
            self._gaps.popleft()
        self._last, self._from = None, now

    def _runs_again(self, now: float) -> list[Judged]:
        """Go on after a freeze: an overdue poll comes at once, and the clock begins anew from it."""
        hung_at, self._hung_at = self._hung_at or now, None
        if self._known_at <= hung_at and self._last is None:
            self._last = max(self._from, last_tick(self.beat, self.settings.beat_s, hung_at))
            self._count(self._last)
            self._hear(now)
        if next_tick(self.poll, self.settings.poll_s, math.nextafter(hung_at, math.inf)) > now:
            return []
        self.poll = now
        return self._polls(now)
