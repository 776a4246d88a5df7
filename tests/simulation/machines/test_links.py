"""Distribution links against a reference in which every beat, tick, retransmission and SYN is an event."""

from __future__ import annotations

import math
from typing import Any

import pytest
from designs import design
from hypothesis import given, settings
from hypothesis import strategies as st
from ticking_links import ENDED, GONE, HANGS, RUNS, WHOLE, Ticking

from simulation.machines.clocks import last_tick, next_tick
from simulation.machines.link_parts import Disconnect, Heard, LinkDown, LinkSettings, LinkUp, LinkWorld, Phases, Seek
from simulation.machines.links import Link

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
    st.tuples(st.floats(-16, 0), st.floats(-16, 0)),
    st.sampled_from([0.204, 0.208, 0.236]),
)
def test_a_link_says_what_the_ticking_one_says(  # noqa: PLR0913, PLR0917 - each is a part of what is drawn
    phases: Any, schedule: Any, retries2: int, net_ticktime: float, wheels: Any, rto: float
) -> None:
    """A link whose ticks are skipped equals one whose every tick, beat and retransmission is an event."""
    known = LinkSettings(net_ticktime, beat_s=0.9, retries2=(retries2, 15), rto_s=rto, wheels=wheels)
    clocks = tuple(Phases(tick % known.tick_s, (tick * 7) % 0.9) for tick in phases)
    plan = possible(schedule)
    until = (plan[-1][0] if plan else 0.0) + 150.0
    said = play(Link(known, clocks), plan, until)
    assert plain(said) == plain(Ticking(known, clocks).run(plan, until))


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
    """With tcp_retries2 6 the kernel loses patience after 26.5 s; what hangs is acknowledged, and waited for."""
    impatient = LinkSettings(retries2=(6, 15))
    said = play(Link(impatient, PHASES), [(50.0, LinkWorld(process=(RUNS, GONE)))], 200.0)
    assert downs(said) == [(76.544, 0, "connection_closed")]
    said = play(Link(impatient, PHASES), [(50.0, LinkWorld(process=(RUNS, HANGS)))], 200.0)
    assert downs(said) == [(123.0, 0, "net_tick_timeout")]


def test_a_frozen_broker_learns_when_it_is_thawed() -> None:
    """Its peer's FIN has waited in its kernel; it connects again in the same instant."""
    hang = [(50.0, LinkWorld(process=(RUNS, HANGS))), (150.0, WHOLE)]
    said = play(Link(LinkSettings(), PHASES), hang, 151.0)
    assert downs(said) == [(123.0, 0, "net_tick_timeout"), (150.0, 1, "connection_closed")]
    assert [(one.t, one.end) for one in said if isinstance(one, LinkUp)] == [(150.0, 0), (150.0, 1)]


def test_a_stall_lasts_until_the_next_retransmission() -> None:
    """A cut of 4 s is silence for over 6: what was lost is sent again 0.2, 0.6, 1.5, 3.1, 6.4 s after."""
    said = play(Link(LinkSettings(), PHASES), [(50.0, CUT), (54.0, WHOLE)], 70.0)
    heard = [(round(one.t, 2), one.end) for one in said if isinstance(one, Heard) and one.hears]
    assert heard == [(56.58, 0), (56.58, 1)]
    assert not downs(said)


def test_after_a_cut_the_ends_meet_within_a_ping_and_an_attempt() -> None:
    """An attempt sends SYNs at its beginning and 1 and 3 s later, lasts 7 s, and the next begins 1 s after."""
    for healed in (200.0, 203.3, 206.9):
        said = play(Link(LinkSettings(), PHASES), [(50.0, CUT), (healed, WHOLE)], 300.0)
        (up, _) = [one.t for one in said if isinstance(one, LinkUp)]
        assert healed <= up <= healed + 5.0


def test_a_restarted_broker_that_was_not_missed_replaces_its_connection() -> None:
    """Power lost and back before net_ticktime: the survivor sees it go and come when it is sought."""
    link = Link(LinkSettings(), PHASES)
    assert play(link, [(50.0, LinkWorld(process=(RUNS, GONE))), (80.0, WHOLE)], 84.0)[1:] == []
    link.feed(84.0, Seek(1))
    said = play(link, [], 85.0)
    assert downs(said) == [(84.0, 0, "connection_closed")]
    assert len([one for one in said if isinstance(one, LinkUp)]) == 2


def test_a_restarted_broker_waits_until_its_loss_is_noticed() -> None:
    """By the survivor's next retransmission, which is refused [lab: after 9 s without power, 13.07 to 13.44 s]."""
    plan = [(50.0, LinkWorld(process=(RUNS, GONE))), (59.5, LinkWorld(process=(RUNS, ENDED))), (61.0, WHOLE)]
    said = play(Link(LinkSettings(), PHASES), plan, 70.0)
    ((down, _, _),) = downs(said)
    assert 63.06 <= down <= 63.44
    assert [(round(one.t, 3), one.end) for one in said if isinstance(one, LinkUp)] == [(down, 0), (down, 1)]


def test_nothing_is_due_while_nothing_happens() -> None:
    """A year without faults costs nothing."""
    assert Link(LinkSettings(), PHASES).due == math.inf


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


def test_a_link_that_is_given_up_is_back_after_a_second() -> None:
    """Both ends lose it in the same instant."""
    link = Link(LinkSettings(), PHASES)
    said = [*link.feed(50.0, Disconnect(0)), *play(link, [], 60.0)]
    assert downs(said) == [(50.0, 0, "connection_closed"), (50.0, 1, "connection_closed")]
    assert [(one.t, one.end) for one in said if isinstance(one, LinkUp)] == [(51.0, 0), (51.0, 1)]
    link.feed(70.0, CUT)
    assert len(downs([*link.feed(71.0, Disconnect(1)), *link.feed(71.5, Disconnect(1))])) == 1
