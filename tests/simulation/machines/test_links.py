"""Distribution links against a reference in which every beat, tick, retransmission and SYN is an event."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from designs import design
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.machines.clocks import backoff, give_up, last_tick, next_tick
from simulation.machines.link_parts import Heard, LinkDown, LinkSettings, LinkUp, LinkWorld, Phases, Process
from simulation.machines.links import Link

RUNS, HANGS, ENDED, GONE = Process.RUNS, Process.HANGS, Process.ENDED, Process.GONE
WHOLE = LinkWorld()
CUT = LinkWorld((False, False))
PHASES = (Phases(3.0, 0.03), Phases(7.0, 0.06))


def play(link: Link, schedule: list[tuple[float, LinkWorld]], until: float) -> list[Any]:
    """Drive a link through a schedule and give what it says until an instant."""
    said: list[Any] = []
    for now, world in [*schedule, (until, None)]:
        while link.due <= now:
            said += link.fire()
        if world is not None:
            said += link.feed(now, world)
    return said


def downs(said: list[Any]) -> list[tuple[float, int, str]]:
    """Give instant, end and cause of each nodedown."""
    return [(round(one.t, 3), one.end, one.cause) for one in said if isinstance(one, LinkDown)]


# -- the reference ------------------------------------------------------------------------------------


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
    times: int = 0
    closing: bool = False  # it is to read that the connection is closed
    hung_at: float = 0.0
    buffered: bool = False
    life: int = 0  # what is planned for an earlier life of clocks, connection or attempt is void
    clocks: int = 0
    attempt: int = 0
    stage: str = ""


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
            end.unacked, end.times = now, 0
        end.times += 1
        self.at(end.unacked + backoff(self.settings.rto_s, end.times), 0, self.again, i, end.life, end.unacked)

    def again(self, now: float, i: int, life: int, sent: float) -> None:
        """Retransmit, or lose patience."""
        end = self.ends[i]
        if life != end.life or end.unacked != sent or not end.up:
            return
        if not self.answers(i) and now >= give_up(sent, self.settings.rto_s, self.settings.retries2[i]):
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
        self.said.append((now, i, cause))
        self.plan_attempt(i, now + self.settings.ping_s)
        if peer.up and self.passes and peer.process in {RUNS, HANGS}:
            self.close(now, 1 - i, peer.life)
        if peer.up and peer.hearing:
            peer.hearing = False
            self.said.append(Heard(now, 1 - i, hears=False, last=peer.last))

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


def plain(said: list[Any]) -> list[Any]:
    """Leave out what only one of the two says."""
    rows = [(one.t, one.end, one.cause) if isinstance(one, LinkDown) else one for one in said]
    return sorted(rows, key=lambda one: (one[0] if isinstance(one, tuple) else one.t, repr(one)))


ticks = st.integers(0, 1499).map(lambda n: n / 100 + 0.0013)
waits = st.floats(0.01, 1).map(lambda x: round(x, 4)) | st.floats(0.1, 100).map(lambda x: round(x, 3))
worlds = st.builds(
    LinkWorld,
    st.sampled_from([(True, True), (True, True), (False, False), (True, False)]),
    st.tuples(st.sampled_from([RUNS, RUNS, HANGS, ENDED, GONE]), st.sampled_from([RUNS, RUNS, RUNS, HANGS, ENDED])),
)


def possible(schedule: list[tuple[float, LinkWorld]]) -> list[tuple[float, LinkWorld]]:
    """Have whatever ended start before it hangs, and leave out a cut of a frozen node's network."""
    done, process = [], (RUNS, RUNS)
    now = 20.0
    for wait, world in schedule:
        pairs = zip(process, world.process, strict=True)
        process = tuple(RUNS if was in {ENDED, GONE} and is_ is HANGS else is_ for was, is_ in pairs)
        passes = (True, True) if HANGS in process or HANGS in (done[-1][1].process if done else ()) else world.passes
        now += wait
        done.append((now, LinkWorld(passes, process)))
    return done


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.tuples(ticks, ticks),
    st.lists(st.tuples(waits, worlds), max_size=6),
    st.sampled_from([15, 6, 5]),
    st.sampled_from([60.0, 12.0]),
)
def test_a_link_says_what_the_ticking_one_says(phases: Any, schedule: Any, retries2: int, net_ticktime: float) -> None:
    """A link whose ticks are skipped equals one whose every tick, beat and retransmission is an event."""
    known = LinkSettings(net_ticktime_s=net_ticktime, beat_s=0.9, retries2=(retries2, 15))
    clocks = tuple(Phases(tick % known.tick_s, (tick * 7) % 0.9) for tick in phases)
    plan = possible(schedule)
    until = (plan[-1][0] if plan else 0.0) + 150.0
    said = play(Link(known, clocks), plan, until)
    assert plain(said) == plain(Ticking(known, clocks).run(plan, until))


# -- examples -----------------------------------------------------------------------------------------


def test_a_killed_broker_is_seen_at_once() -> None:
    """Its kernel's FIN ends the link in the same instant."""
    said = play(Link(LinkSettings(), PHASES), [(50.0, LinkWorld(process=(RUNS, ENDED)))], 60.0)
    assert downs(said) == [(50.0, 0, "connection_closed")]


@pytest.mark.slow
@given(ticks)
def test_silence_takes_net_ticktime_to_five_quarters_of_it(phase: float) -> None:
    """From the last byte on: a tick that still counts bytes, and four that do not [M: 62, 64.6 and 72 s]."""
    link = Link(LinkSettings(), (Phases(phase, 0.03), PHASES[1]))
    said = play(link, [(50.0, LinkWorld(process=(RUNS, GONE)))], 200.0)
    (down,) = [one for one in said if isinstance(one, LinkDown)]
    assert 60.0 - 0.1 <= down.t - 50.0 <= 75.0
    assert down.cause == "net_tick_timeout"
    assert math.isclose(sum(seconds for _, seconds in down.reason), down.t - 49.96, abs_tol=0.011)


def test_each_end_of_a_cut_has_its_own_verdict() -> None:
    """Ticks at 3 and at 7 s of every 15: ends 0 and 1 see each other go at 123 and at 127 s after a cut at 50 s."""
    said = play(Link(LinkSettings(), PHASES), [(50.0, CUT)], 200.0)
    assert downs(said) == [(112.0, 1, "net_tick_timeout"), (123.0, 0, "net_tick_timeout")]


def test_one_cut_direction_silences_both_ends() -> None:
    """Without acknowledgements TCP sends nothing new."""
    said = play(Link(LinkSettings(), PHASES), [(50.0, LinkWorld((True, False)))], 200.0)
    assert [end for _, end, _ in downs(said)] == [1, 0]


def test_six_retransmissions_end_a_silent_link_long_before_net_ticktime() -> None:
    """With tcp_retries2 6 the kernel loses patience after 26 s; what hangs is acknowledged, and waited for."""
    impatient = LinkSettings(retries2=(6, 15))
    said = play(Link(impatient, PHASES), [(50.0, LinkWorld(process=(RUNS, GONE)))], 200.0)
    assert downs(said) == [(round(50.03 + 0.204 * 127, 3), 0, "connection_closed")]
    said = play(Link(impatient, PHASES), [(50.0, LinkWorld(process=(RUNS, HANGS)))], 200.0)
    assert downs(said) == [(123.0, 0, "net_tick_timeout")]


def test_a_frozen_broker_learns_when_it_is_thawed() -> None:
    """Its peer's FIN has waited in its kernel; it connects again in the same instant."""
    hang = [(50.0, LinkWorld(process=(RUNS, HANGS))), (150.0, WHOLE)]
    said = play(Link(LinkSettings(), PHASES), hang, 151.0)
    assert downs(said) == [(123.0, 0, "net_tick_timeout"), (150.0, 1, "connection_closed")]
    assert [(one.t, one.end) for one in said if isinstance(one, LinkUp)] == [(150.0, 0), (150.0, 1)]


def test_a_stall_lasts_until_the_next_retransmission() -> None:
    """A cut of 4 s is silence for over 6: what was lost is sent again 0.2, 0.6, 1.4, 3.1, 6.4 s after."""
    said = play(Link(LinkSettings(), PHASES), [(50.0, CUT), (54.0, WHOLE)], 70.0)
    heard = [(round(one.t, 2), one.end) for one in said if isinstance(one, Heard) and one.hears]
    assert heard == [(round(50.06 + 0.204 * 31, 2), 0), (round(50.03 + 0.204 * 31, 2), 1)] or [
        (round(50.03 + 0.204 * 31, 2), 1),
        (round(50.06 + 0.204 * 31, 2), 0),
    ]
    assert not downs(said)


def test_after_a_cut_the_ends_meet_within_a_ping_and_an_attempt() -> None:
    """An attempt sends SYNs at its beginning and 1 and 3 s later, lasts 7 s, and the next begins 1 s after."""
    for healed in (200.0, 203.3, 206.9):
        said = play(Link(LinkSettings(), PHASES), [(50.0, CUT), (healed, WHOLE)], 300.0)
        (up, _) = [one.t for one in said if isinstance(one, LinkUp)]
        assert healed <= up <= healed + 5.0


def test_a_restarted_broker_that_was_not_missed_replaces_its_connection() -> None:
    """Power lost and back before net_ticktime: the survivor sees it go and come in one instant."""
    plan = [(50.0, LinkWorld(process=(RUNS, GONE))), (80.0, WHOLE)]
    said = play(Link(LinkSettings(), PHASES), plan, 81.0)
    assert downs(said) == [(80.0, 0, "connection_closed")]
    assert len([one for one in said if isinstance(one, LinkUp)]) == 2


def test_nothing_is_due_while_nothing_happens() -> None:
    """A year without faults costs nothing."""
    assert Link(LinkSettings(), PHASES).due == math.inf


@pytest.mark.parametrize(("retries2", "rto", "after"), [(15, 0.2, 1044.6), (6, 0.2, 51.0), (6, 0.21, 26.67)])
def test_the_kernels_patience(retries2: int, rto: float, after: float) -> None:
    """tcp_retries2 is a lower bound; the timer that passes it ends the connection."""
    assert math.isclose(give_up(0.0, rto, retries2), after, abs_tol=0.01)


@pytest.mark.slow
@given(st.floats(0, 10), st.floats(0.1, 10), st.floats(0, 1e6))
def test_ticks_are_found_by_arithmetic(first: float, period: float, t: float) -> None:
    """The next tick is not before an instant and the last one not after it."""
    assert next_tick(first, period, t) >= t
    assert last_tick(first, period, t) <= t
    assert next_tick(first, period, max(t, first)) - last_tick(first, period, max(t, first)) <= period * 1.0001


def test_settings_come_from_the_design() -> None:
    """Ticktime, patience of each host, and the beat, which is never rarer than ticks."""
    topology = design(
        rabbitmq={"nodes": ["r1", "r2", "r3"], "net_ticktime": "12s", "raft_detector": {"heartbeat_interval": "5s"}},
        os={"tcp_retries2": None},
        hosts={"r2": {"address": "10.0.0.12/24", "os": {"tcp_retries2": 8}}},
    )
    assert LinkSettings.from_design(topology, "r1", "r2") == LinkSettings(12.0, 3.0, (15, 8))
