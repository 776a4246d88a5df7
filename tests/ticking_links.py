"""A distribution link once more, plainly: every beat, tick, retransmission and SYN is an event of its own."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from simulation.machines.clocks import next_tick
from simulation.machines.link_parts import Heard, LinkSettings, LinkUp, LinkWorld, Phases, Process

RUNS, HANGS, ENDED, GONE = Process.RUNS, Process.HANGS, Process.ENDED, Process.GONE
WHOLE = LinkWorld()


def goes_off(jiffy: int, pause: int) -> int:
    """Count jiffies until a timer's bucket is due: the next one after its time, of the size that its pause needs."""
    size = next(size for size in (1, 8, 64, 512, 4096) if pause < 63 * size)
    due = jiffy + pause + 1
    while due % size:
        due += 1
    return due


@dataclass
class Half:
    """One end, with counters as dist_util and the kernel have them."""

    phases: Phases
    process: Process = RUNS
    up: bool = True
    hearing: bool = True
    last: float = -math.inf
    read: int = 0  # bytes so far
    seen: int = -1  # bytes at the last tick
    ticked: int = 0  # ticks without new ones
    unacked: float | None = None
    jiffy: int = 0  # in which what is not acknowledged was sent last
    pause: int = 0  # and how many are to pass before it is sent again
    again: int | None = None  # in which it was sent for the second time
    closing: bool = False  # it is to read that the connection is closed
    hung_at: float = 0.0
    buffered: bool = False
    life: int = 0  # what is planned for an earlier life of clocks, connection or attempt is void
    clocks: int = 0
    attempt: int = 0
    stage: str = ""
    alone: bool = False  # it was started, and waits to be missed


@dataclass
class Ticking:
    """A link in which nothing is skipped."""

    settings: LinkSettings
    phases: tuple[Phases, Phases]
    world: LinkWorld = WHOLE
    said: list[Any] = field(default_factory=list)
    plan: list[Any] = field(default_factory=list)
    order: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Start the clocks."""
        self.ends = [Half(one) for one in self.phases]
        for i in (0, 1):
            self.start_clocks(i)

    def start_clocks(self, i: int) -> None:
        """Plan first beat and first tick of an end."""
        end = self.ends[i]
        end.clocks += 1
        self.at(end.phases.beat, 0, self.beat, i, 0, end.clocks)
        self.at(end.phases.tick, 3, self.tick, i, 0, end.clocks)

    def at(self, t: float, rank: int, what: Any, i: int, *rest: Any) -> None:
        """Plan something; what arrives comes before what is concluded from silence, end 0 before end 1."""
        heapq.heappush(self.plan, (t, rank, i, next(self.order), what, rest))

    def run(self, schedule: list[tuple[float, LinkWorld]], until: float) -> list[Any]:
        """Play a schedule."""
        for now, world in [*schedule, (until, None)]:
            while self.plan and self.plan[0][0] <= now:
                t, _, i, _, what, rest = heapq.heappop(self.plan)
                what(t, i, *rest)
            if world is not None:
                self.change(now, world)
        return self.said

    @property
    def passes(self) -> bool:
        """Whether both directions are open."""
        return all(self.world.passes)

    def answers(self, i: int) -> bool:
        """Whether the kernel at the other end answers."""
        return self.passes and self.ends[1 - i].process is not GONE

    def beat(self, now: float, i: int, k: int, clocks: int) -> None:
        """Send a heartbeat."""
        end = self.ends[i]
        if clocks != end.clocks or end.process is not RUNS:
            return
        self.at(end.phases.beat + (k + 1) * self.settings.beat_s, 0, self.beat, i, k + 1, clocks)
        if end.up and end.unacked is None:
            self.send(now, i)

    def send(self, now: float, i: int) -> None:
        """Send what there is, and plan its retransmission if nobody acknowledges it."""
        end, peer = self.ends[i], self.ends[1 - i]
        if self.answers(i):
            end.unacked = None
            if not peer.up:
                self.at(now, 1, self.close, i, end.life)
            elif end.process is RUNS:
                self.arrive(now, 1 - i)
            return
        if end.unacked is None:
            end.unacked, end.again = now, None
            end.jiffy, end.pause = (
                math.floor((now - self.settings.wheels[i]) / 0.004),
                round(self.settings.rto_s / 0.004),
            )
        end.jiffy = goes_off(end.jiffy, end.pause)
        end.pause = min(2 * end.pause, 30_000)
        self.at(self.settings.wheels[i] + 0.004 * end.jiffy, 0, self.again, i, end.life, end.unacked)

    def again(self, now: float, i: int, life: int, sent: float) -> None:
        """Retransmit, or lose patience."""
        end = self.ends[i]
        if life != end.life or end.unacked != sent or not end.up:
            return
        if end.again is None:
            end.again = end.jiffy
        limit = sum(50 * 2**number if number <= 9 else 30_000 for number in range(self.settings.retries2[i] + 1))
        if not self.answers(i) and end.jiffy - end.again >= limit:
            end.closing = True
            if end.process is RUNS:
                self.at(now, 4, self.down, i, "connection_closed", life)
            return
        self.send(now, i)

    def arrive(self, now: float, i: int) -> None:
        """Bytes reach an end."""
        end = self.ends[i]
        if end.process is HANGS:
            end.buffered, end.last = True, now
            return
        end.read += 1
        end.last = now
        if not end.hearing:
            end.hearing = True
            self.said.append(Heard(now, i, hears=True, last=now))

    def tick(self, now: float, i: int, k: int, clocks: int) -> None:
        """Compare counters."""
        end = self.ends[i]
        if clocks != end.clocks or end.process is not RUNS:
            return
        self.at(end.phases.tick + (k + 1) * self.settings.tick_s, 3, self.tick, i, k + 1, clocks)
        if not end.up:
            return
        end.ticked = end.ticked + 1 if end.seen == end.read else 0
        end.seen = end.read
        if end.ticked == 4:
            self.down(now, i, "net_tick_timeout", end.life)

    def close(self, now: float, i: int, life: int) -> None:
        """Read that the connection is closed."""
        end = self.ends[i]
        if life == end.life and end.up:
            end.closing = True
            if end.process is RUNS:
                self.down(now, i, "connection_closed", life)

    def down(self, now: float, i: int, cause: str, life: int) -> None:
        """Conclude that the peer is gone, and tell it so where that is possible."""
        end, peer = self.ends[i], self.ends[1 - i]
        if life != end.life or not end.up:
            return
        self.disconnect(end)
        self.find(now, 1 - i)
        self.said.append((now, i, cause))
        self.plan_attempt(i, now + self.settings.ping_s)
        if peer.up and self.passes and peer.process in {RUNS, HANGS}:
            self.close(now, 1 - i, peer.life)
        if peer.up and peer.hearing:
            peer.hearing = False
            self.said.append(Heard(now, 1 - i, hears=False, last=peer.last))

    def find(self, now: float, i: int) -> None:
        """Have one that waits to be missed try to connect."""
        end = self.ends[i]
        if end.alone and not end.up and end.process is RUNS:
            end.alone = False
            self.plan_attempt(i, now)

    def disconnect(self, end: Half) -> None:
        """Forget a connection."""
        end.up = end.closing = end.buffered = False
        end.unacked, end.ticked, end.seen = None, 0, -1
        end.life += 1

    def plan_attempt(self, i: int, t: float) -> None:
        """Plan to try to connect."""
        end = self.ends[i]
        end.attempt += 1
        end.stage = ""
        self.at(t, 5, self.attempt, i, end.attempt, 0, t)

    def attempt(self, now: float, i: int, number: int, syn: int, base: float) -> None:
        """Send a SYN of an attempt; attempts in one world begin at multiples of their cycle after its first."""
        end, peer = self.ends[i], self.ends[1 - i]
        if number != end.attempt or end.up or end.process is not RUNS:
            return
        if not self.answers(i):
            end.stage = "syn"
            if syn < 2:
                self.at(base + (1.0, 3.0)[syn], 5, self.attempt, i, number, syn + 1, base)
            elif syn == 2:
                self.at(base + self.settings.setup_s, 5, self.attempt_ends, i, number, base)
        elif peer.process is ENDED:
            self.plan_attempt(i, now + self.settings.ping_s)
        elif peer.process is HANGS:
            end.stage = "open"
            self.at(now + self.settings.setup_s, 5, self.attempt_ends, i, number, now)
        else:
            self.connect(now)

    def attempt_ends(self, _: float, i: int, number: int, base: float) -> None:
        """Have no patience left with an attempt."""
        if number == self.ends[i].attempt:
            self.plan_attempt(i, base + self.settings.setup_s + self.settings.ping_s)

    def connect(self, now: float) -> None:
        """Meet again."""
        for i, end in enumerate(self.ends):
            if end.up:
                self.said.append((now, i, "connection_closed"))
        for i, end in enumerate(self.ends):
            self.disconnect(end)
            end.attempt += 1
            end.up, end.hearing, end.last = True, True, now
            end.read += 1
            self.said.append(LinkUp(now, i))

    def change(self, now: float, world: LinkWorld) -> None:
        """Change the world."""
        before, self.world = self.world, world
        for i, end in enumerate(self.ends):
            was, end.process = before.process[i], world.process[i]
            if was is not end.process:
                self.change_process(now, i, was)
        for i, end in enumerate(self.ends):
            flows = self.passes and self.ends[1 - i].process is RUNS and self.ends[1 - i].up
            if end.up and end.hearing and not flows:
                end.hearing = False
                self.said.append(Heard(now, i, hears=False, last=end.last))
        for i, end in enumerate(self.ends):
            if end.up and end.closing and end.process is RUNS:
                self.down(now, i, "connection_closed", end.life)
        for i, end in enumerate(self.ends):
            peer = self.ends[1 - i]
            if end.up or end.process is not RUNS or end.stage != "open":
                continue
            if self.answers(i) and peer.process is RUNS:
                self.at(now, 5, self.connected_late, i, end.attempt)
            elif self.answers(i) and peer.process is ENDED:
                self.plan_attempt(i, now + self.settings.ping_s)
            elif not self.answers(i):
                end.stage = "deaf"

    def connected_late(self, now: float, i: int, number: int) -> None:
        """Be answered by a peer that no longer hangs."""
        peer = self.ends[1 - i]
        if number == self.ends[i].attempt and self.answers(i) and peer.process is RUNS and not self.ends[i].up:
            self.connect(now)

    def change_process(self, now: float, i: int, was: Process) -> None:
        """End, hang, resume or start."""
        end, peer = self.ends[i], self.ends[1 - i]
        if end.process in {ENDED, GONE}:
            self.disconnect(end)
            end.alone = False
            self.find(now, 1 - i)
            end.attempt += 1
            if end.process is ENDED and was is not GONE and self.passes and peer.up:
                peer.closing = True
        elif end.process is HANGS:
            end.hung_at, end.buffered = now, end.hearing
            end.attempt += 1
        elif was is HANGS:
            overdue = math.nextafter(end.hung_at, math.inf)
            tick = now if next_tick(end.phases.tick, self.settings.tick_s, overdue) <= now else end.phases.tick
            beat = now if next_tick(end.phases.beat, self.settings.beat_s, overdue) <= now else end.phases.beat
            end.phases = Phases(tick, beat)
            if end.buffered:
                end.read += 1
                end.buffered, end.last = False, now
                if end.up and not end.hearing:
                    end.hearing = True
                    self.said.append(Heard(now, i, hears=True, last=now))
            self.resume_clocks(now, i)
            if not end.up:
                self.plan_attempt(i, now)
        else:
            end.phases = Phases(now + self.settings.tick_s, now + self.settings.beat_s)
            self.start_clocks(i)
            end.alone = peer.up
            if not end.alone:
                self.plan_attempt(i, now)

    def resume_clocks(self, now: float, i: int) -> None:
        """Plan the next beat and tick after a hang."""
        end = self.ends[i]
        end.clocks += 1
        for first, period, rank, what in (
            (end.phases.beat, self.settings.beat_s, 0, self.beat),
            (end.phases.tick, self.settings.tick_s, 3, self.tick),
        ):
            k = 0 if first == now else round((next_tick(first, period, math.nextafter(now, 9e9)) - first) / period)
            self.at(first + k * period, rank, what, i, k, end.clocks)
