"""An Erlang distribution link: when each of two brokers sees that the other is gone, and when they meet again.

Sources: OTP ``lib/kernel/src/dist_util.erl`` (``send_tick``, ``setup_timer``), ``net_kernel.erl`` (one ticker a node);
RabbitMQ ``rabbit_node_monitor.erl`` (``ping_down_nodes``), 3.8 to 4.3; Linux ``net/ipv4/tcp_timer.c``.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from simulation.machines.clocks import Reason, last_tick, next_tick
from simulation.machines.link_parts import (
    TICKS,
    Disconnect,
    Heard,
    LinkDown,
    LinkInput,
    LinkOutput,
    LinkSettings,
    LinkUp,
    LinkWorld,
    Phases,
    Process,
    Seek,
)
from simulation.machines.machine import NEVER
from simulation.machines.reconnecting import Mode, Pinger
from simulation.machines.retransmitting import gives_up, resent

__all__ = ["Link"]


@dataclass(slots=True)
class _End:
    """What one end knows and has to do."""

    phases: Phases
    up: bool = True
    since: float = -math.inf  # bytes arrive since then
    ticked: float = -math.inf  # its connection is ticked from here on
    last: float | None = None  # when the last bytes arrived, while none do
    unread: bool = False  # they wait in its kernel while it hangs
    counting: float = 0.0  # ticks from here on have counted no byte
    counted: int = 0  # and so many before it hung
    heard_at: float = NEVER  # when bytes arrive again
    unacked: float | None = None  # when the first segment that is not acknowledged was sent
    acked_at: float = NEVER
    closed_at: float = NEVER  # when it reads that the connection is closed
    pinger: Pinger | None = None
    hung_at: float = 0.0


class _Kind(enum.IntEnum):
    """What can be due, in the order in which it happens within an instant."""

    HEARD = 0
    CLOSED = 1
    NET_TICK = 2
    GAVE_UP = 3
    CONNECTED = 4


class Link:
    """The distribution link of two brokers, seen from both ends (0 and 1).

    Each end has its own verdict: the other end's FIN or RST, net_ticktime (four ticks without a byte after the one
    that counted the last), or its kernel's patience. The end that is alone then tries to connect until it can.
    """

    def __init__(self, settings: LinkSettings, phases: tuple[Phases, Phases]) -> None:
        self.settings = settings
        self.world = LinkWorld()
        self.now = -math.inf
        self._ends = (_End(phases[0]), _End(phases[1]))

    @property
    def up(self) -> tuple[bool, bool]:
        """Whether each end sees the other."""
        return self._ends[0].up, self._ends[1].up

    @property
    def due(self) -> float:
        """When the next thing happens that somebody sees."""
        return min((when for when, _, _ in self._candidates()), default=NEVER)

    def fire(self) -> list[LinkOutput]:
        """Do what is due."""
        when, kind, end = min(self._candidates())
        self._settle(when)
        return list(self._happens(when, kind, end))

    def feed(self, now: float, input_: LinkInput) -> list[LinkOutput]:
        """Take in what there is from *now* on."""
        self._settle(now)
        if isinstance(input_, Disconnect):
            up = self._ends[input_.end].up and self._runs(input_.end)
            reason = (("it makes a partial partition a whole one", 0.0),)
            return list(self._down(now, input_.end, "connection_closed", reason)) if up else []
        if isinstance(input_, Seek):
            self._seek(now, input_.end)
            return []
        before, self.world = self.world, input_
        return list(self._turns(now, before))

    # -- what is due ------------------------------------------------------------------------------

    @property
    def _passes(self) -> bool:
        return all(self.world.passes)

    def _runs(self, end: int) -> bool:
        return self.world.process[end] is Process.RUNS

    def _candidates(self) -> Iterator[tuple[float, _Kind, int]]:
        for i, end in enumerate(self._ends):
            if not self._runs(i):
                continue
            if not end.up:
                if end.pinger and self._met(i) is Mode.ANSWERS:
                    yield end.pinger.reaches(self.now), _Kind.CONNECTED, i
                continue
            if end.closed_at < NEVER:
                yield end.closed_at, _Kind.CLOSED, i
            if end.last is None:
                continue
            if end.heard_at < NEVER:
                yield end.heard_at, _Kind.HEARD, i
            yield self._verdict(end), _Kind.NET_TICK, i
            if end.unacked is not None and end.acked_at == NEVER:
                limit = gives_up(end.unacked, self.settings.rto_s, self.settings.retries2[i], self.settings.wheels[i])
                yield max(limit, self.now), _Kind.GAVE_UP, i

    def _again(self, end: int, sent: float, t: float) -> float:
        """Give when an end sends again, not before *t*, what it sent first at *sent*."""
        return resent(sent, self.settings.rto_s, t, self.settings.wheels[end])

    def _ticks_before(self, end: _End, t: float) -> int:
        first, period = end.phases.tick, self.settings.tick_s
        return round((next_tick(first, period, t) - first) / period)

    def _verdict(self, end: _End) -> float:
        number = self._ticks_before(end, end.counting) - end.counted + TICKS
        return end.phases.tick + number * self.settings.tick_s

    def _met(self, end: int) -> Mode:
        peer = self.world.process[1 - end]
        if not self._passes or peer is Process.GONE:
            return Mode.SILENT
        return {Process.ENDED: Mode.REFUSED, Process.HANGS: Mode.WAITS}.get(peer, Mode.ANSWERS)

    # -- what happens -----------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        self.now = now
        for end in self._ends:
            if end.acked_at <= now:
                end.unacked, end.acked_at = None, NEVER

    def _happens(self, now: float, kind: _Kind, i: int) -> Iterator[LinkOutput]:
        end = self._ends[i]
        silent = end.last if end.last is not None else now
        if kind is _Kind.HEARD:
            end.last, end.unread, end.heard_at, end.since = None, False, NEVER, now
            yield Heard(now, i, hears=True, last=now)
        elif kind is _Kind.CLOSED:
            yield from self._down(now, i, "connection_closed", (("the peer's FIN or RST", now - silent),))
        elif kind is _Kind.NET_TICK:
            ticks = TICKS * self.settings.tick_s
            words = f"{TICKS} ticks of {self.settings.tick_s:g} s without a byte"
            reason = (("from the last byte to the tick that counts it", now - ticks - silent), (words, ticks))
            yield from self._down(now, i, "net_tick_timeout", reason)
        elif kind is _Kind.GAVE_UP:
            words = f"the kernel's patience, tcp_retries2 {self.settings.retries2[i]}"
            yield from self._down(now, i, "connection_closed", ((words, now - silent),))
        else:
            yield from self._connect(now)

    def _down(
        self, now: float, i: int, cause: Literal["connection_closed", "net_tick_timeout"], reason: Reason
    ) -> Iterator[LinkOutput]:
        end, peer = self._ends[i], self._ends[1 - i]
        self._ends[i].up = False
        self._reset(end)
        self._begin_pings(now, i, now + self.settings.ping_s)
        yield LinkDown(now, i, cause, reason)
        if not peer.up:
            self._seek(now, 1 - i)
            return
        if self._passes and self._runs(1 - i):
            yield from self._down(now, 1 - i, "connection_closed", (("the peer's FIN or RST", 0.0),))
        elif self._passes and self.world.process[1 - i] is Process.HANGS:
            peer.closed_at = now
            yield from self._hearing_turns(now, 1 - i)
        # Else it is told when its own next retransmission gets through, see _turns.

    def _connect(self, now: float) -> Iterator[LinkOutput]:
        for i, end in enumerate(self._ends):
            if end.up:  # it had not noticed: the new connection replaces the old one (net_kernel, up_pending)
                yield LinkDown(now, i, "connection_closed", (("the peer is back with a new connection", 0.0),))
        for i, end in enumerate(self._ends):
            self._reset(end)
            end.up, end.pinger, end.since, end.ticked = True, None, now, math.nextafter(now, math.inf)
            yield LinkUp(now, i)

    @staticmethod
    def _reset(end: _End) -> None:
        end.last, end.unread, end.counted, end.heard_at = None, False, 0, NEVER
        end.unacked, end.acked_at, end.closed_at = None, NEVER, NEVER

    def _seek(self, now: float, i: int) -> None:
        """Have a VM that waited to be found connect, as its peer sends to it at once when it knows of its loss.

        Who started has nobody to call before it asks for its database; who misses it calls every second, and who does
        not does nothing: in 3 of 3 returns of power in the lab whose VM ran before its peers had noticed the loss, they
        saw it go and come within 10 ms, when their own retransmission was refused.
        """
        end = self._ends[i]
        if not end.up and end.pinger is None and self._runs(i):
            self._begin_pings(now, i, now)

    def _begin_pings(self, now: float, i: int, base: float) -> None:
        pinger = self._ends[i].pinger = Pinger(base, self.settings.setup_s, self.settings.ping_s)
        pinger.turn(now, self._met(i))

    # -- the world changes --------------------------------------------------------------------------

    def _turns(self, now: float, before: LinkWorld) -> Iterator[LinkOutput]:
        for i in (0, 1):
            was, is_ = before.process[i], self.world.process[i]
            if was is not is_:
                yield from self._process_turns(now, i, was, is_)
        for i in (0, 1):
            yield from self._hearing_turns(now, i)
        for i in (0, 1):
            self._acknowledgement_turns(now, i)
        for i, end in enumerate(self._ends):
            if end.up and end.closed_at <= now and self._runs(i):
                yield from self._happens(now, _Kind.CLOSED, i)
        for i, end in enumerate(self._ends):
            if end.pinger:
                end.pinger.turn(now, self._met(i))

    def _process_turns(self, now: float, i: int, was: Process, is_: Process) -> Iterator[LinkOutput]:
        end, tick_s, beat_s = self._ends[i], self.settings.tick_s, self.settings.beat_s
        if is_ in {Process.ENDED, Process.GONE}:
            end.up, end.pinger = False, None
            self._reset(end)
            peer = self._ends[1 - i]
            if peer.up and is_ is Process.ENDED and was is not Process.GONE and self._passes:
                peer.closed_at = now
            self._seek(now, 1 - i)
        elif is_ is Process.HANGS:
            end.hung_at, end.pinger = now, None
            if end.closed_at > now:
                end.closed_at = NEVER  # what would have been answered is perhaps never sent
            if end.last is not None:
                after = self._ticks_before(end, math.nextafter(now, math.inf))
                end.counted += max(0, after - self._ticks_before(end, end.counting))
        elif was is Process.HANGS:
            overdue = math.nextafter(end.hung_at, math.inf)
            # A timer that ran out while it hung goes off once, and begins anew from there.
            tick = now if next_tick(end.phases.tick, tick_s, overdue) <= now else end.phases.tick
            beat = now if next_tick(end.phases.beat, beat_s, overdue) <= now else end.phases.beat
            end.phases = Phases(tick, beat)
            end.counting = now
            if end.last is not None and (end.unread or end.heard_at <= now):
                yield from self._happens(now, _Kind.HEARD, i)  # it reads what its kernel kept
            if end.last is None:
                end.since = now
            if end.last is not None and tick != now:
                end.counting = math.nextafter(now, math.inf)
            if not end.up:
                self._begin_pings(now, i, now)
        else:
            end.phases = Phases(now + tick_s, now + beat_s)
            if not self._ends[1 - i].up:
                self._begin_pings(now, i, now)

    def _hearing_turns(self, now: float, i: int) -> Iterator[LinkOutput]:
        end, peer = self._ends[i], self._ends[1 - i]
        if not end.up:
            return
        flows = self._passes and self._runs(1 - i) and peer.up
        if not flows:
            if end.heard_at > now:
                end.heard_at = NEVER
            if end.last is None:
                end.last = max(end.since, last_tick(peer.phases.beat, self.settings.beat_s, now))
                end.counting, end.counted, end.unread = max(end.last, end.ticked), 0, not self._runs(i)
                yield Heard(now, i, hears=False, last=end.last)
        elif end.last is not None and end.heard_at == NEVER:
            # What it sent into the void is sent again, each time after twice as long; nothing new overtakes it.
            sent = peer.unacked
            beat = next_tick(peer.phases.beat, self.settings.beat_s, now)
            end.heard_at = beat if sent is None or sent >= now else self._again(1 - i, sent, now)

    def _acknowledgement_turns(self, now: float, i: int) -> None:
        end, peer = self._ends[i], self._ends[1 - i]
        if not end.up:
            return
        # What is sent in the instant of a change was sent before it, but for what a thawed one had left to send.
        after = now if end.phases.beat == now else math.nextafter(now, math.inf)
        beat = next_tick(end.phases.beat, self.settings.beat_s, after) if self._runs(i) else NEVER
        if not self._passes or self.world.process[1 - i] is Process.GONE:
            end.acked_at = NEVER
            if end.closed_at > now:
                end.closed_at = NEVER
            if end.unacked is None and self._runs(i):
                end.unacked = beat
            return
        if end.unacked is not None and end.unacked >= now:
            end.unacked = None
        answered = beat if end.unacked is None else self._again(i, end.unacked, now)
        if not peer.up:
            end.closed_at = min(end.closed_at, answered)
        elif end.unacked is not None and end.acked_at == NEVER:
            end.acked_at = answered
