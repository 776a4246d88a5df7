"""VRRP instances, as measured and as keepalived's source tells."""

from __future__ import annotations

import pytest
from vrrp_wire import ONE, TWO, S, Wire, entered, pair

from simulation.machines.vrrp_settings import LINK, VrrpSettings
from simulation.machines.vrrp_words import (
    AddressDeleted,
    Addresses,
    Advert,
    Entered,
    Freeze,
    Garp,
    Sent,
    Start,
    Stop,
    Thaw,
    Tracked,
)


def test_start_alone() -> None:
    """Priority 100 + 10 with a script that succeeds at once: master 3.57 s later (measured, and 0.1 s of parsing)."""
    told = VrrpSettings(source=ONE, priority=100, weights={LINK: 0, "script": 10})
    wire = Wire([told])
    wire.feed(0.0, ONE, Start({LINK: True}))
    wire.feed(0.02, ONE, Tracked("script", ok=True))
    wire.run(10.0)
    (at,) = entered(wire, ONE)
    assert at == pytest.approx(3.570312)
    reason = next(output for _, output in wire.seen if isinstance(output, Entered) and output.state == "MASTER")
    assert reason.why == (("3 x advert 1", 3.0), ("skew 146/256 of 1 s (priority 110)", 0.570312))


def test_second_round_of_gratuitous_arp() -> None:
    """Five when it becomes master, five more 5 s later, and never again."""
    wire = Wire([VrrpSettings(source=ONE, priority=110)])
    wire.feed(0.0, ONE, Start({LINK: True}))
    wire.run(1000.0)
    garps = [output for _, output in wire.seen if isinstance(output, Garp)]
    assert [(round(at, 6), packets) for at, packets in garps] == [(3.570312, 5), (8.570312, 5)]


def test_weight_zero_script_holds_it_until_its_first_result() -> None:
    """Until then it is silent, and a whole master-down begins with the result."""
    wire = Wire([VrrpSettings(source=ONE, priority=110, weights={LINK: 0, "script": 0})])
    wire.feed(0.0, ONE, Start({LINK: True}))
    wire.feed(1.5, ONE, Tracked("script", ok=True))
    wire.run(10.0)
    assert entered(wire, ONE) == [pytest.approx(5.070312)]


def test_owner_is_master_at_once() -> None:
    """Priority 255 and state MASTER: a microsecond; after a fault it waits like everybody."""
    wire = Wire([VrrpSettings(source=ONE, priority=255, owner=True)])
    wire.feed(0.0, ONE, Start({LINK: True}))
    wire.run(10.0)
    wire.feed(10.0, ONE, Tracked(LINK, ok=False))
    wire.feed(20.0, ONE, Tracked(LINK, ok=True))
    wire.run(30.0)
    assert entered(wire, ONE) == [pytest.approx(1e-6), pytest.approx(23.003906)]


@pytest.mark.parametrize(("second", "after"), [(60, 0.765625), (50, 0.804687)])
def test_graceful_stop(second: int, after: float) -> None:
    """The other one takes over after its skew (measured 0.767 to 0.777; 0.81)."""
    wire = pair(110, second)
    wire.feed(100.0, ONE, Stop())
    assert wire.seen[:2] == [
        (ONE, Sent(100.0, Advert(ONE, 0, S))),
        (ONE, Addresses(100.0, held=False)),
    ]
    wire.run(110.0)
    assert entered(wire, TWO) == [pytest.approx(100.0 + after)]


def test_silence() -> None:
    """Killed, frozen or cut off: 3.766 s after the last advert, whenever that was (measured 2.94 to 3.77)."""
    found = []
    for step in range(40):
        at = 100.0 + step / 40
        wire = pair(at=at)
        wire.kill(at, ONE)
        wire.run(at + 10)
        found.append(entered(wire, TWO)[0] - at)
    assert min(found) == pytest.approx(2.765625, abs=0.03)
    assert max(found) == pytest.approx(3.765625, abs=0.03)


def test_child_killed_and_back() -> None:
    """Back 50 ms later it is master after 3.62 s, and the backup, if it was first, yields (measured)."""
    for step in range(10):
        at = 100.0 + step / 10
        wire = pair(at=at)
        wire.kill(at, ONE)
        wire.feed(at + 0.05, ONE, Start({LINK: True}, left_over=True))
        assert (ONE, Addresses(at + 0.05, held=False)) in wire.seen
        wire.run(at + 10)
        assert entered(wire, ONE) == [pytest.approx(at + 3.620312)]
        between = entered(wire, TWO)
        assert not between or at + 2.76 < between[0] < at + 3.63
        assert wire.machines[TWO].state == "BACKUP"


def test_address_deleted() -> None:
    """It says priority 0 and takes it back after its own skew, as the other one's is longer (measured 0.61)."""
    wire = pair(100, 50)
    wire.feed(100.0, ONE, AddressDeleted())
    wire.run(110.0)
    assert entered(wire, ONE) == [pytest.approx(100.609375)]
    assert entered(wire, TWO) == []


def test_link_blip() -> None:
    """A link that is away for a moment costs a whole master-down; the other one needs its own."""
    wire = pair()
    wire.reach(100.0, {(ONE, TWO), (TWO, ONE)}, cut=True)
    wire.feed(100.0, ONE, Tracked(LINK, ok=False))
    wire.reach(100.2, {(ONE, TWO), (TWO, ONE)}, cut=False)
    wire.feed(100.2, ONE, Tracked(LINK, ok=True))
    wire.run(110.0)
    assert entered(wire, ONE) == [pytest.approx(103.770312)]
    assert 102.76 < entered(wire, TWO)[0] < 103.77


def test_failback_and_nopreempt() -> None:
    """A better one takes over 3.57 s after it started, in any phase of the other (measured); with nopreempt never."""
    for preempt, expected in ((True, [203.570312]), (False, [])):
        wire = pair(preempt=preempt)
        wire.kill(100.0, ONE)
        wire.feed(200.0, ONE, Start({LINK: True}))
        wire.run(300.0)
        assert entered(wire, ONE) == [pytest.approx(at) for at in expected]
        assert entered(wire, TWO, "BACKUP") == [pytest.approx(at) for at in expected]


def test_preempt_delay() -> None:
    """5 s after the first lower advert they are dropped: takeover 2.57 to 3.57 s after that (measured 8.59)."""
    wire = pair(preempt_delay_us=5 * S)
    wire.kill(100.0, ONE)
    wire.run(200.0)
    said = wire.streams[TWO].clock
    wire.feed(200.0, ONE, Start({LINK: True}))
    wire.run(300.0)
    first = said.after(200.0)
    last = said.before(first + 5.0)
    assert entered(wire, ONE) == [pytest.approx(last + 3.570312)]


def test_a_long_preempt_delay_is_no_event() -> None:
    """Adverts that are taken while the delay runs are left out as all others are."""
    wire = pair(preempt_delay_us=900 * S)
    wire.kill(100.0, ONE)
    wire.run(200.0)
    wire.fired = 0
    wire.feed(200.0, ONE, Start({LINK: True}))
    wire.run(2000.0)
    assert 1100.0 < entered(wire, ONE)[0] < 1105.0
    assert wire.fired < 6


def test_weights_have_to_turn_the_order() -> None:
    """Weight 10 between 100 and 50 moves nothing, ever (measured); 60 does, after the other's own timer."""
    for weight, moves in ((10, False), (60, True)):
        weights = {LINK: 0, "script": weight}
        wire = Wire(
            [VrrpSettings(source=each, priority=base, weights=weights) for each, base in ((ONE, 100), (TWO, 50))]
        )
        for each in (ONE, TWO):
            wire.feed(each * 1.0, each, Start({LINK: True}))
            wire.feed(each * 1.0 + 0.1, each, Tracked("script", ok=True))
        wire.run(100.3)
        wire.feed(100.3, ONE, Tracked("script", ok=False))
        wire.run(200.0)
        found = entered(wire, TWO)
        assert bool(found) == moves
        if moves:
            assert 102.5 < found[0] < 103.9


def test_priority_changes_start_the_count_again() -> None:
    """A backup that drops a lower master's adverts waits a whole master-down from the last of them on a change."""
    wire = Wire(
        [
            VrrpSettings(source=ONE, priority=100, weights={LINK: 0, "script": 20}),
            VrrpSettings(source=TWO, priority=50),
        ]
    )
    wire.feed(0.0, TWO, Start({LINK: True}))
    wire.run(20.0)
    said = wire.streams[TWO].clock
    wire.feed(20.0, ONE, Start({LINK: True}))
    wire.feed(23.5, ONE, Tracked("script", ok=True))
    wire.run(40.0)
    assert entered(wire, ONE) == [pytest.approx(said.last(23.5) + 3.53125)]


def test_frozen_master_is_back_at_once() -> None:
    """It reads the other's adverts, answers, and the other yields; its addresses were there all the time (measured)."""
    wire = pair()
    wire.feed(100.0, ONE, Freeze())
    wire.run(150.0)
    (took,) = entered(wire, TWO)
    assert 102.7 < took < 103.8
    assert not any(who == ONE and isinstance(output, Addresses) for who, output in wire.seen)
    wire.feed(150.0, ONE, Thaw())
    assert entered(wire, TWO, "BACKUP") == [150.0]
    assert (ONE, Garp(150.0, 5)) in wire.seen


def test_split_and_healing() -> None:
    """Two masters from 2.77 to 3.77 s on; healed, the first advert of either ends it."""
    wire = pair()
    both = {(ONE, TWO), (TWO, ONE)}
    wire.reach(100.0, both, cut=True)
    wire.run(150.0)
    assert [machine.state for machine in wire.machines.values()] == ["MASTER", "MASTER"]
    healed = min(stream.clock.after(150.0) for stream in wire.streams.values())
    wire.reach(150.0, both, cut=False)
    wire.run(160.0)
    assert entered(wire, TWO, "BACKUP") == [healed]
    assert 0.0 < healed - 150.0 <= 1.0


def test_version_three_takes_the_masters_interval() -> None:
    """A master of 0.2 s is missed after 0.71 s (measured), whatever one's own interval."""
    told = [
        VrrpSettings(source=ONE, priority=150, version=3, advert_us=200_000),
        VrrpSettings(source=TWO, priority=110, version=3),
    ]
    wire = Wire(told)
    wire.feed(0.0, ONE, Start({LINK: True}))
    wire.feed(0.1, TWO, Start({LINK: True}))
    wire.run(50.0)
    last = wire.streams[ONE].clock.last(50.0)
    wire.kill(50.0, ONE)
    wire.run(60.0)
    assert entered(wire, TWO)[-1] == pytest.approx(last + 0.6 + 146 / 256 * 0.2)


@pytest.mark.parametrize(("release", "waits"), [((2, 1, 5), 0.380468), ((2, 2, 7), None)])
@pytest.mark.parametrize("by_clock", [False, True])
def test_yielding_in_version_three(release: tuple[int, int, int], waits: float | None, *, by_clock: bool) -> None:
    """Before 2.2.0 one that yields to a slower master waits by its own interval, which is over too soon."""
    wire = Wire(
        [
            VrrpSettings(source=ONE, priority=50, version=3, advert_us=100_000, release=release),
            VrrpSettings(source=TWO, priority=100, version=3, release=release),
        ]
    )
    wire.feed(0.0, ONE, Start({LINK: True}))
    wire.feed(0.3, TWO, Start({LINK: True}))
    wire.reach(0.3, {(ONE, TWO), (TWO, ONE)} if by_clock else {(ONE, TWO)}, cut=True)
    wire.run(8.0)
    wire.reach(8.0, {(TWO, ONE)}, cut=False)
    wire.run(15.0)
    yielded = entered(wire, ONE, "BACKUP")[1]
    assert (yielded > 8.0) == by_clock
    again = [at for at in entered(wire, ONE) if at > yielded]
    assert bool(again) == (waits is not None)
    assert not again or again[0] - yielded == pytest.approx(waits, abs=2e-6)


@pytest.mark.parametrize("release", [(2, 1, 5), (2, 2, 7), (2, 2, 8)])
def test_startup_delay(release: tuple[int, int, int]) -> None:
    """D + master-down alone; in 2.2.0 to 2.2.7 each advert dropped within the delay adds what is left of it."""
    wire = Wire(
        [
            VrrpSettings(source=ONE, priority=110, startup_delay_us=3 * S, release=release),
            VrrpSettings(source=TWO, priority=60),
        ]
    )
    wire.feed(0.0, TWO, Start({LINK: True}))
    wire.run(97.0)
    first = wire.streams[TWO].clock.after(97.0)
    wire.feed(97.0, ONE, Start({LINK: True}))
    wire.run(200.0)
    added = sum(100.0 - (first + index) for index in range(3)) if release == (2, 2, 7) else 0.0
    assert entered(wire, ONE) == [pytest.approx(103.570312 + added)]


def test_nothing_happens_in_a_year() -> None:
    """A year of adverts is no event."""
    wire = pair()
    wire.fired = 0
    wire.run(31_536_000.0)
    assert wire.fired == 0
    wire.kill(31_536_000.0, ONE)
    wire.run(31_536_010.0)
    assert len(entered(wire, TWO)) == 1
