"""Raft groups against a reference in which every timer of every member is an event."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

import pytest
from designs import design
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.machines.raft import Group
from simulation.machines.raft_parts import GroupSettings, GroupState, LeaderLost, Reach, Suspicion, Transfer

ALL = Reach.all_of("abc")
A_GONE = Reach(frozenset("bc"), frozenset({frozenset("bc")}), frozenset("a"))
A_SILENT = Reach(frozenset("bc"), frozenset({frozenset("bc")}))
NONE = Reach(frozenset("abc"), frozenset())


class Luck:
    """Draws that differ by member and come in the same order for everybody who asks."""

    def __init__(self, seed: int) -> None:
        """Begin each member's stream."""
        self.streams = {member: random.Random(f"{seed}{member}") for member in "abcde"}  # noqa: S311

    def __call__(self, member: str, _: str) -> float:
        """Give the next number of a member."""
        return self.streams[member].random()


def play(group: Any, schedule: list[tuple[float, Any]], until: float = 1e4) -> list[GroupState]:
    """Drive a group."""
    said: list[GroupState] = []
    for now, what in [*schedule, (until, None)]:
        while group.due <= now:
            said += group.fire()
        if what is not None:
            said += group.feed(now, what)
    return said


# -- the reference ------------------------------------------------------------------------------------


@dataclass
class Member:
    """One member and its timer."""

    name: str
    follows: str
    log: tuple[int, float] | None = None  # None: in step
    fires: float = math.inf
    votes: float = 0.0
    asks_until: float = math.inf
    cancellable: bool = True


class Ticking:
    """A group whose every timer is fired, those too that end in vain."""

    def __init__(self, members: str, poll_s: float, draw: Luck) -> None:
        """Begin led by the first."""
        self.poll_s, self.draw = poll_s, draw
        self.members = {name: Member(name, members[0]) for name in members}
        self.leader, self.term, self.acting = members[0], 1, True
        self.reach = Reach.all_of(members)
        self.said: list[tuple[float, str, int, bool, tuple[str, ...]]] = []
        self.seen = self.state()

    def state(self) -> tuple[str, int, bool, tuple[str, ...]]:
        """Give what is seen from outside."""
        step = self.step()
        return self.leader, self.term, 2 * len(step) > len(self.members), step

    def meet(self, one: str, other: str) -> bool:
        """Whether two exchange messages."""
        both = {one, other} <= self.reach.running
        return both and (one == other or frozenset((one, other)) in self.reach.pairs)

    def step(self) -> tuple[str, ...]:
        """Give who hears the leader."""
        return tuple(name for name in self.members if self.acting and self.meet(name, self.leader))

    def log(self, name: str) -> tuple[int, float]:
        """Give how much a member has."""
        return self.members[name].log or (self.term, math.inf)

    def granted(self, name: str) -> bool:
        """Whether a majority would vote for a member."""
        votes = 0
        for other in self.members:
            refuses = self.acting and other == self.leader
            votes += not refuses and self.meet(name, other) and self.log(other) <= self.log(name)
        return 2 * votes > len(self.members)

    def arm(self, one: Member, now: float, length: str, *, cancellable: bool = True) -> None:
        """Set a timer unless one is set."""
        leads = self.acting and one.name == self.leader
        if one.fires < math.inf or one.asks_until < math.inf or leads or one.name not in self.reach.running:
            return
        drawn = self.draw(one.name, length)
        seconds = {"really_short": 0.1 * drawn, "short": 0.1 + 0.1 * 5 * drawn}.get(
            length, self.poll_s + 0.1 * 5 * 2 * drawn
        )
        one.fires, one.votes = now + seconds, 0.005 + 0.045 * self.draw(one.name, "votes")
        one.cancellable = cancellable

    def disarm(self, one: Member) -> None:
        """Stop what a member waits for."""
        one.fires = one.asks_until = math.inf

    def again(self, one: Member, at: float) -> None:
        """Have asked in vain."""
        self.disarm(one)
        if not (self.acting and self.meet(one.name, self.leader)):
            self.arm(one, at, "long", cancellable=False)

    def run(self, schedule: list[tuple[float, Any]], until: float) -> list[Any]:
        """Step from event to event."""
        for now, what in [*schedule, (until, None)]:
            while True:
                order = sorted((min(m.fires, m.asks_until), m.name) for m in self.members.values())
                at, name = order[0]
                if at > now:
                    break
                self.event(at, self.members[name])
            if what is not None:
                self.input(now, what)
                self.tell(now)
        return self.said

    def event(self, now: float, one: Member) -> None:
        """Fire a timer, or count votes."""
        if one.fires <= now:
            if self.granted(one.name):
                one.fires, one.asks_until = math.inf, now + one.votes
            else:
                self.again(one, now)
            return
        self.lead(one.name, now)
        self.tell(now)

    def lead(self, name: str, now: float) -> None:
        """Win."""
        for other in self.members.values():
            other.log = other.log or (self.term, now)
        self.leader, self.term, self.acting = name, self.term + 1, True
        self.follow()

    def follow(self) -> None:
        """Have those who hear the leader follow it."""
        for name in self.step():
            one = self.members[name]
            one.log = None
            asks = one.asks_until < math.inf
            if not (one.cancellable and one.follows == self.leader) or (asks and name == self.leader):
                self.disarm(one)
            one.follows = self.leader

    def input(self, now: float, what: Any) -> None:
        """Take in what happens."""
        if isinstance(what, Reach):
            self.reaches(now, what)
        elif isinstance(what, Transfer):
            if self.state()[2] and self.meet(what.to, self.leader):
                self.lead(what.to, now)
        elif isinstance(what, LeaderLost):
            one = self.members[what.member]
            if one.follows == what.leader:
                self.arm(one, now, "short" if what.connection else "really_short")
        elif self.members[what.member].follows == what.node:
            one = self.members[what.member]
            if not what.up:
                self.arm(one, now, "long")
            elif one.fires < math.inf and one.cancellable:
                self.disarm(one)
        for one in self.members.values():
            if one.asks_until < math.inf and not self.granted(one.name):
                self.again(one, one.asks_until - one.votes)

    def reaches(self, now: float, what: Reach) -> None:
        """Have other members run, or other pairs meet."""
        before, started = self.step(), self.reach.ended - what.ended
        self.reach = what
        self.acting = self.acting and self.leader not in what.ended
        for name in before:
            if name not in self.step():
                self.members[name].log = self.members[name].log or (self.term, now)
        for name in what.ended:
            self.disarm(self.members[name])
        self.follow()
        for name in self.members:
            if name in started and name not in self.step():
                self.arm(self.members[name], now, "short", cancellable=False)

    def tell(self, now: float) -> None:
        """Say what changed."""
        if self.state() != self.seen:
            self.seen = self.state()
            self.said.append((now, *self.seen))


def reaches(members: str) -> st.SearchStrategy[Reach]:
    """Any of those that run, hang or have ended, and any pairs of those that run."""

    def made(drawn: Any) -> Reach:
        states, pairs = drawn
        running = frozenset(m for m, state in zip(members, states, strict=True) if state < 4)
        ended = frozenset(m for m, state in zip(members, states, strict=True) if state == 5)
        chosen = {frozenset((one, other)) for one, other in pairs}
        return Reach(running, frozenset(p for p in Reach.all_of(running).pairs if p not in chosen), ended)

    pair = st.tuples(st.sampled_from(members), st.sampled_from(members))
    return st.tuples(st.tuples(*[st.integers(0, 5)] * len(members)), st.lists(pair, max_size=4)).map(made)


def inputs(members: str) -> st.SearchStrategy[Any]:
    """Anything that can happen to a group."""
    name = st.sampled_from(members)
    return st.one_of(
        reaches(members),
        st.builds(LeaderLost, name, name, st.booleans()),
        st.builds(Suspicion, name, name, st.booleans()),
        st.builds(Transfer, name),
    )


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.sampled_from(["abc", "abcde", "ab", "a"]).flatmap(
        lambda members: st.tuples(st.just(members), st.lists(st.tuples(st.floats(0.001, 9), inputs(members))))
    ),
    st.integers(0, 9),
    st.sampled_from([5.0, 1.0]),
)
def test_a_group_says_what_the_ticking_one_says(drawn: Any, seed: int, poll_s: float) -> None:
    """Timers that end in vain are skipped, and change nothing."""
    members, waits = drawn
    now, plan = 10.0, []
    for wait, what in waits:
        now += wait
        plan.append((now, what))
    said = play(Group(members, members[0], poll_s, Luck(seed)), plan, now + 50.0)
    ticking = Ticking(members, poll_s, Luck(seed)).run(plan, now + 50.0)
    assert [(one.t, one.leader, one.term, one.commits, one.in_step) for one in said] == ticking
    terms = [one.term for one in said]
    assert terms == sorted(terms)


# -- examples -----------------------------------------------------------------------------------------


def pause(said: list[GroupState]) -> float:
    """Give how long nothing was committed."""
    stopped = next(one.t for one in said if not one.commits)
    return next(one.t for one in said if one.commits and one.t > stopped) - stopped


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_a_killed_leader_is_replaced_within_six_tenths(seed: int) -> None:
    """The earliest of two followers after 0.1 s and up to 0.5 s, and the election itself."""
    plan = [
        (10.0, A_GONE),
        (10.0, LeaderLost("b", "a", connection=True)),
        (10.0, LeaderLost("c", "a", connection=True)),
    ]
    assert 0.105 <= pause(play(Group("abc", "a", 5.0, Luck(seed)), plan)) <= 0.65


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_a_stopped_leader_is_replaced_within_a_tenth(seed: int) -> None:
    """Its process ends for itself, and followers do not wait for a node that may come back."""
    plan = [
        (10.0, A_GONE),
        (10.0, LeaderLost("b", "a", connection=False)),
        (10.0, LeaderLost("c", "a", connection=False)),
    ]
    assert pause(play(Group("abc", "a", 5.0, Luck(seed)), plan)) <= 0.15


@pytest.mark.slow
@given(st.integers(0, 10_000), st.floats(0, 5), st.floats(0, 5))
def test_a_silent_leader_is_replaced_within_two_polls(seed: int, poll_b: float, poll_c: float) -> None:
    """Suspicion at 0.15 s + 0..P, then P + 0..1 [M: 7.8 s for P = 5]."""
    plan: list[tuple[float, Any]] = [(10.0, A_SILENT)]
    plan += sorted((10.15 + at, Suspicion(name, "a", up=False)) for name, at in (("b", poll_b), ("c", poll_c)))
    said = play(Group("abc", "a", 5.0, Luck(seed)), plan)
    assert 5.15 <= pause(said) <= 11.2
    words = [what for what, _ in said[-1].reason]
    assert words[0].startswith("long election timer of")
    assert said[-1].in_step == ("b", "c")


def test_a_stall_that_ends_before_the_next_poll_costs_no_election() -> None:
    """Aten's up, 5 s after its down, comes before the timer of 5 to 6 s ends."""
    plan: list[tuple[float, Any]] = [
        (10.0, A_SILENT), (10.2, Suspicion("b", "a", up=False)), (14.0, ALL), (15.2, Suspicion("b", "a", up=True)),
    ]  # fmt: skip
    said = play(Group("abc", "a", 5.0, Luck(1)), plan)
    assert [(one.t, one.leader, one.commits) for one in said] == [(10.0, "a", False), (14.0, "a", True)]


def test_a_lost_follower_changes_nothing_that_clients_see() -> None:
    """The leader commits with the other one [M: 0.2 s]."""
    lost_c = Reach(frozenset("ab"), frozenset({frozenset("ab")}))
    said = play(Group("abc", "a", 5.0, Luck(1)), [(10.0, lost_c), (15.0, Suspicion("a", "c", up=False))])
    assert [(one.leader, one.commits, one.in_step) for one in said] == [("a", True, ("a", "b"))]


def test_without_majority_nothing_is_committed_until_it_is_back() -> None:
    """And no time is spent on elections nobody can win."""
    two_gone = Reach(frozenset("c"), frozenset(), frozenset("ab"))
    group = Group("abc", "a", 5.0, Luck(1))
    plan = [(10.0, two_gone), (10.0, LeaderLost("c", "a", connection=True)), (500.0, A_GONE)]
    said = play(group, plan[:2], 400.0)
    assert group.due == math.inf
    assert not said[-1].commits
    said = play(group, plan[2:], 600.0)
    assert said[-1].commits
    assert said[-1].t <= 506.1


def test_a_member_that_lags_does_not_win() -> None:
    """What is committed is on a majority, and who lacks it gets no votes from who has it."""
    without_c = Reach(frozenset("ab"), frozenset({frozenset("ab")}), frozenset("c"))
    only_bc = Reach(frozenset("bc"), frozenset({frozenset("bc")}), frozenset("a"))
    plan: list[tuple[float, Any]] = [
        (10.0, without_c), (20.0, only_bc), (20.9, LeaderLost("b", "a", connection=False)),
    ]  # fmt: skip
    said = play(Group("abc", "a", 5.0, Luck(3)), plan)
    assert said[-1].leader == "b"


def test_drain_hands_the_leader_over() -> None:
    """In the same instant, and without a pause."""
    said = play(Group("abc", "a", 5.0, Luck(1)), [(10.0, Transfer("b"))])
    assert [(one.t, one.leader, one.commits) for one in said] == [(10.0, "b", True)]


def test_a_partial_cut_leaves_the_leader_where_it_is() -> None:
    """What a commits with c is what b lacks, so c does not vote for it, however often it asks."""
    cut = Reach(frozenset("abc"), ALL.pairs - {frozenset("ab")})
    said = play(Group("abc", "a", 5.0, Luck(1)), [(10.0, cut), (12.0, Suspicion("b", "a", up=False)), (99.0, ALL)])
    assert [(one.leader, one.commits, one.in_step) for one in said] == [("a", True, ("a", "c")), ("a", True, (*"abc",))]


def test_nothing_is_due_while_all_is_well() -> None:
    """Leaders send no heartbeats, followers run no timers."""
    assert Group("abc", "a", 5.0, Luck(1)).due == math.inf


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("3.8.8", GroupSettings(poll_s=1.0, register_s=20.0)),
        ("3.10.8", GroupSettings(register_s=20.0)),
        ("4.0.5", GroupSettings(register_s=20.0, asks_version=False)),
        ("4.2.1", GroupSettings(register_s=20.0, declare_s=30.0, asks_version=False, records_alone=True)),
        (
            "4.3.6",
            GroupSettings(
                register_s=20.0, declare_s=30.0, asks_version=False, records_alone=True, resend_s=None, returned_s=60.0
            ),
        ),
    ],
)
def test_what_clients_meet_by_release(release: str, expected: GroupSettings) -> None:
    """Detector, declaring without majority, resending and redelivery differ."""
    changes = {"nodes": ["r1", "r2", "r3"], "net_ticktime": "15s"}
    found = GroupSettings.from_design(design(versions={"rabbitmq": release}, rabbitmq=changes), 3)
    assert found == expected
