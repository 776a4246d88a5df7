"""VRRP instances, as if they were a segment on which every advert is an event."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ticking_vrrp import Segment
from vrrp_wire import ONE, TWO, S, Wire, entered

from simulation.machines.vrrp_settings import LINK, VrrpSettings
from simulation.machines.vrrp_words import AddressDeleted, Entered, Freeze, Start, Stop, Thaw, Tracked, VrrpInput


@st.composite
def members(draw: st.DrawFn) -> list[VrrpSettings]:
    """Two or three members of one instance."""
    version = draw(st.sampled_from([2, 3]))
    own_pace = st.sampled_from([100_000, 330_000, 1_000_000, 1_500_000])
    pace = draw(own_pace) if version == 3 else draw(st.integers(1, 3)) * S
    mixed = version == 3 and draw(st.booleans())
    release = draw(st.sampled_from([(2, 1, 5), (2, 2, 4), (2, 2, 7), (2, 2, 8), (2, 3, 4)]))
    startup = draw(st.sampled_from([0, 0, 0, 4_500_000]))
    adverts = draw(st.sampled_from([3, 3, 1, 5]))
    refresh = draw(st.sampled_from([0, 0, 7, 10]))
    weights = {LINK: 0, "script": draw(st.sampled_from([0, 10, -40, 60, 110]))}
    found = []
    for source in range(1, draw(st.sampled_from([2, 2, 3])) + 1):
        mode = draw(st.sampled_from(["preempt", "nopreempt", "delay"]))
        found.append(
            VrrpSettings(
                source=source,
                priority=draw(st.sampled_from([50, 100, 100, 150, 200, 254])),
                version=version,
                advert_us=draw(own_pace) if mixed else pace,
                down_timer_adverts=adverts,
                preempt=mode != "nopreempt",
                preempt_delay_us=draw(st.sampled_from([1, 5, 12])) * S if mode == "delay" else 0,
                startup_delay_us=startup,
                weights=weights,
                garp_lower_packets=draw(st.sampled_from([5, 0])),
                garp_refresh_s=refresh,
                release=release,
            )
        )
    if draw(st.integers(0, 9)) == 0:
        found[0] = VrrpSettings(
            source=1,
            priority=255,
            owner=True,
            weights=weights,
            version=version,
            release=release,
            advert_us=pace,
            down_timer_adverts=adverts,
        )
    return found


OFTEN = ("cut", "heal", "kill", "start", "fail", "well")
SELDOM = ("oneway", "stop", "link down", "link up", "delete", "freeze", "thaw")
COMMANDS = OFTEN * 3 + SELDOM * 2


@st.composite
def schedules(draw: st.DrawFn, most: int = 16) -> list[tuple[int, str, int, int]]:
    """Commands in time, no two in one instant, with whom they are for."""
    gaps = draw(st.lists(st.one_of(st.integers(1, 1_500), st.integers(1_500, 12_000)), min_size=6, max_size=most))
    found, at = [], 0
    for index, gap in enumerate(gaps):
        at += gap * 1000 + 7 * index + 1
        found.append((at, draw(st.sampled_from(COMMANDS)), draw(st.integers(0, 2)), draw(st.integers(1, 2))))
    return found


class Play:
    """A schedule played on both segments."""

    def __init__(self, told: list[VrrpSettings]) -> None:
        self.wire, self.plain = Wire(told), Segment(told)
        self.names = [each.source for each in told]
        self.known: dict[int, dict[str, bool]] = {name: {LINK: True} for name in self.names}
        self.stopped = set(self.names)
        self.frozen: set[int] = set()
        self.down: set[int] = set()
        self.blocked: set[tuple[int, int]] = set()
        for index, name in enumerate(self.names):
            self.start(index * 400_000 + 13 * index + 1, name)
            if told[0].weights["script"] == 0:
                self.judge(index * 400_000 + 100_000 + index, name, "script", ok=True)

    def tell(self, at: int, name: int, input_: VrrpInput, what: str, *arguments: object) -> None:
        """Tell both."""
        self.plain.command(at, name, what, *arguments)
        self.wire.feed(at / S, name, input_)

    def judge(self, at: int, name: int, thing: str, *, ok: bool) -> None:
        """A thing it tracks is well, or is not."""
        self.known[name][thing] = ok
        if name not in self.stopped:
            self.tell(at, name, Tracked(thing, ok), "tracked", thing, ok)

    def start(self, at: int, name: int) -> None:
        """Start one, with what it had left behind."""
        held = [entry[3] for entry in self.plain.log if entry[1:3] == (name, "addresses")]
        left_over = bool(held and held[-1])
        self.stopped.discard(name)
        self.frozen.discard(name)
        known = dict(self.known[name])
        self.tell(at, name, Start(known, left_over), "start", known, left_over)

    def reach(self, at: int, pairs: set[tuple[int, int]], *, cut: bool) -> None:
        """Cut, or heal what is not cut for another reason."""
        if not cut:
            pairs = {pair for pair in pairs - self.blocked if not self.down & set(pair)}
        self.plain.command(at, 0, "cut" if cut else "heal", *pairs)
        self.wire.reach(at / S, pairs, cut=cut)

    def link(self, at: int, name: int, *, up: bool) -> None:
        """A carrier comes or goes."""
        (self.down.discard if up else self.down.add)(name)
        self.reach(at, {pair for pair in permutations(self.names, 2) if name in pair}, cut=not up)
        self.judge(at, name, LINK, ok=up)

    def network(self, at: int, what: str, name: int, other: int) -> None:
        """Something happens between two."""
        pairs = {(name, other)} if what == "oneway" else {(name, other), (other, name)}
        # With three of them, who hears one that does not hear him can be due with another in one instant.
        if name == other or (what == "oneway" and len(self.names) > 2):
            return
        self.blocked = self.blocked - pairs if what == "heal" else self.blocked | pairs
        self.reach(at, pairs, cut=what != "heal")

    def process(self, at: int, what: str, name: int) -> None:
        """Something happens to one that runs."""
        if what == "kill":
            self.stopped.add(name)
            self.plain.run(at)
            self.plain.daemons[name].kill()
            self.wire.kill(at / S, name)
        elif what == "thaw" and name in self.frozen:
            self.frozen.discard(name)
            self.tell(at, name, Thaw(), "thaw")
        elif what in {"stop", "delete", "freeze"} and name not in self.frozen:
            if what == "stop":
                self.stopped.add(name)
            elif what == "freeze":
                self.frozen.add(name)
            inputs: dict[str, VrrpInput] = {"stop": Stop(), "delete": AddressDeleted(), "freeze": Freeze()}
            self.tell(at, name, inputs[what], "deleted" if what == "delete" else what)

    def command(self, at: int, what: str, name: int, other: int) -> None:
        """Let one thing of a schedule happen."""
        if what in {"cut", "heal", "oneway"}:
            self.network(at, what, name, other)
        elif what in {"link down", "link up"}:
            self.link(at, name, up=what == "link up")
        elif what in {"fail", "well"}:
            if name not in self.stopped:
                self.judge(at, name, "script", ok=what == "well")
        elif name not in self.stopped:
            self.process(at, what, name)
        elif what == "start":
            self.start(at, name)


def play(told: list[VrrpSettings], schedule: list[tuple[int, str, int, int]]) -> tuple[Wire, Segment, int]:
    """Play a schedule on both."""
    both = Play(told)
    at = 0
    for after, what, index, step in schedule:
        at = 2 * S + after
        names = both.names
        both.command(at, what, names[index % len(names)], names[(index + step) % len(names)])
    end = at + 40 * S + 3
    both.plain.run(end)
    both.wire.run(end / S)
    return both.wire, both.plain, end


@pytest.mark.slow
@settings(max_examples=300)
@given(members(), schedules())
def test_as_if_every_advert_were_an_event(told: list[VrrpSettings], schedule: list[tuple[int, str, int, int]]) -> None:
    """What is seen of machines that skip is, instant for instant, what is seen where each advert is an event."""
    wire, plain, end = play(told, schedule)
    assume(not plain.tied)
    expected = sorted(entry for entry in plain.log if entry[0] < end)
    assert wire.log(end / S) == expected
    for _, output in wire.seen:
        if isinstance(output, Entered) and output.why:
            assert output.since + sum(part for _, part in output.why) == pytest.approx(output.at, abs=1e-6)


@pytest.mark.parametrize("early", [0.02, 0.05, 0.4, 0.9, 1.3])
def test_two_masters_of_two_intervals(early: float) -> None:
    """A slow better master and a fast lower one, heard with a preempt delay: as if every advert were an event."""
    three = 3
    told = [
        VrrpSettings(source=ONE, priority=100, version=3, preempt_delay_us=S),
        VrrpSettings(source=TWO, priority=150, version=3, advert_us=10 * S),
        VrrpSettings(source=three, priority=50, version=3, advert_us=330_000),
    ]
    wire, plain = Wire(told), Segment(told)
    apart = {(TWO, three), (three, TWO)}
    wire.reach(0.0, apart, cut=True)
    plain.cut |= apart
    for at, name in ((17, TWO), (100_003, three)):
        wire.feed(at / S, name, Start({LINK: True}))
        plain.command(at, name, "start", {LINK: True}, False)  # noqa: FBT003 - as commands come
    wire.run(45.0)
    at = round((wire.streams[TWO].clock.after(45.0) - early) * S)
    wire.feed(at / S, ONE, Start({LINK: True}))
    plain.command(at, ONE, "start", {LINK: True}, False)  # noqa: FBT003 - as commands come
    wire.run(75.0)
    plain.run(75 * S)
    assert not plain.tied
    assert wire.log(75.0) == sorted(entry for entry in plain.log if entry[0] < 75 * S)
    assert entered(wire, ONE)
