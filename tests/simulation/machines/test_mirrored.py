"""Mirrored queues against a reference that holds every message in every copy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.queues import PolicyDefinition
from simulation.machines.machine import NEVER
from simulation.machines.mirrored import (
    CREDIT,
    Contacts,
    Filled,
    Mirrored,
    MirroredSettings,
    MirroredState,
    NodeBack,
    NodeGone,
)

PLAIN = MirroredSettings()
ALL = Contacts.all_of("abc")


def queue(**changes: Any) -> Mirrored:
    """Give a queue on three nodes, led by a; b is the older mirror."""
    return Mirrored(MirroredSettings(**changes), "a", "bc", "abc")


def play(one: Mirrored, schedule: list[tuple[float, Any]], until: float = 1e4) -> list[MirroredState]:
    """Drive a queue."""
    said: list[MirroredState] = []
    for now, what in [*schedule, (until, None)]:
        while one.due <= now:
            said += one.fire()
        if what is not None:
            said += one.feed(now, what)
    return said


class Messages:
    """A queue whose copies are lists of numbers; the first node listed leads, the others follow by age."""

    def __init__(self, known: MirroredSettings) -> None:
        """Begin empty on a, b and c."""
        self.known = known
        self.copies: dict[str, list[int]] = {node: [] for node in "abc"}
        self.running = set("abc")
        self.waits_for: str | None = None
        self.kept: list[int] = []
        self.number = 0

    @property
    def leader(self) -> str | None:
        """Give the node of the first copy."""
        return next(iter(self.copies), None)

    def publish(self, count: int) -> None:
        """Put messages into all copies."""
        for _ in range(count if self.copies else 0):
            self.number += 1
            for held in self.copies.values():
                held.append(self.number)

    def consume(self, count: int) -> None:
        """Take the oldest messages from the leader, and what a mirror has of them from it."""
        taken = set(self.copies[self.leader][:count]) if self.leader else set()
        for held in self.copies.values():
            held[:] = [number for number in held if number not in taken]

    def in_step(self) -> tuple[str, ...]:
        """Give the nodes that hold what the leader holds."""
        first = self.copies[self.leader] if self.leader else []
        return tuple(node for node, held in self.copies.items() if held == first)

    def gone(self, node: str, *, clean: bool) -> int:
        """Lose a node; give how many messages go with it."""
        self.running.discard(node)
        if node not in self.copies:
            return 0
        if node != self.leader:
            del self.copies[node]
            return 0
        held = self.copies[node]
        nobody = self.in_step() == (node,)
        stops = clean and self.known.promote_on_shutdown == "when-synced"
        if len(self.copies) == 1 or (nobody and (stops or self.known.promote_on_failure == "when-synced")):
            self.copies, self.waits_for, self.kept = {}, node, held
            return 0
        del self.copies[node]
        return len(held) - len(self.copies[self.leader or ""])

    def back(self, node: str) -> None:
        """Have a node again."""
        self.running.add(node)
        if self.leader is None and node == self.waits_for:
            self.copies, self.waits_for = {node: self.kept}, None
        self.mirror()

    def mirror(self) -> None:
        """Have an empty copy on each node that runs."""
        if self.leader is not None:
            for node in sorted(self.running - self.copies.keys()):
                self.copies[node] = []


acts = st.one_of(
    st.tuples(st.sampled_from(["publish", "consume"]), st.integers(1, 9)),
    st.tuples(st.sampled_from(["kill", "stop", "start"]), st.sampled_from("abc")),
)
promote = st.sampled_from(["always", "when-synced"])


@pytest.mark.slow
@settings(max_examples=250)
@given(st.lists(acts, max_size=25), promote, promote)
def test_a_queue_counts_as_the_one_with_real_messages_does(drawn: Any, failure: Any, shutdown: Any) -> None:
    """Leader, order of mirrors, who is in step, and how many messages an unsynchronised promotion loses."""
    known = MirroredSettings(promote_on_failure=failure, promote_on_shutdown=shutdown)
    one, real = Mirrored(known, "a", "bc", "abc"), Messages(known)
    now = 0.0
    for what, argument in drawn:
        now += 1.0
        lost = 0
        if what in {"publish", "consume"}:
            getattr(real, what)(argument)
            held = len(real.copies[real.leader]) if real.leader else one.messages
            said = play(one, [(now, Filled(held, held * 100))], now)
        elif what == "start":
            if argument in real.running:
                continue
            real.back(argument)
            said = play(one, [(now, NodeBack(argument))], now)
        else:
            if argument not in real.running:
                continue
            lost = real.gone(argument, clean=what == "stop")
            said = play(one, [(now, NodeGone(argument, clean=what == "stop"))], now + 0.5)
            real.mirror()
        assert (one.leader, one.mirrors, one.in_step) == (real.leader, (*real.copies,)[1:], real.in_step())
        assert sum(state.lost for state in said) == lost
        assert one.leader is None or one.messages == len(real.copies[one.leader])


# -- examples -----------------------------------------------------------------------------------------


def test_a_silent_mirror_stops_all_confirms_until_its_node_is_declared_down() -> None:
    """Publishers on healthy nodes stall for as long as that takes [M: 62, 64.6 and 72 s], after 400 messages."""
    silent = Contacts(frozenset("abc"), frozenset({frozenset("ab")}))
    down = NodeGone("c", clean=False, reason=(("net_ticktime", 64.6),))
    said = play(queue(), [(10.0, silent), (74.6, down)])
    assert [(one.t, one.confirms, one.responds, one.requeued) for one in said] == [
        (10.0, False, True, False),
        (74.6, True, True, False),
    ]
    assert said[-1].reason == down.reason
    assert CREDIT == 400


def test_a_killed_mirror_is_hardly_felt() -> None:
    """It is gone in the instant in which it is seen to be gone."""
    without_c = Contacts.all_of("ab")
    said = play(queue(), [(10.0, NodeGone("c", clean=False)), (10.0, without_c)])
    assert [(one.t, one.confirms) for one in said] == [(10.0, True)]


def test_a_killed_leader_is_followed_by_the_oldest_mirror() -> None:
    """What was not acknowledged goes out again: duplicates, no loss."""
    said = play(queue(), [(9.0, Filled(50, 5000)), (10.0, Contacts.all_of("bc")), (10.0, NodeGone("a", clean=False))])
    assert [(one.leader, one.confirms, one.requeued, one.lost) for one in said[-2:]] == [
        ("b", False, True, 0),
        ("b", True, False, 0),
    ]
    assert said[-1].t == 10.0 + PLAIN.promotion_s
    assert said[-1].reason[-1] == ("promotion", PLAIN.promotion_s)


def test_after_a_rolling_restart_a_crash_loses_the_backlog() -> None:
    """With manual synchronisation the mirrors that came back are empty, and one of them leads all the same."""
    plan: list[tuple[float, Any]] = [(1.0, Filled(1000, 10**6))]
    for n, node in enumerate("cb"):
        plan += [(10.0 + n, NodeGone(node, clean=True)), (10.5 + n, NodeBack(node))]
    said = play(queue(), [*plan, (20.0, NodeGone("a", clean=False))])
    assert next(one.lost for one in said if one.requeued) == 1000
    said = play(queue(promote_on_failure="when-synced"), [*plan, (20.0, NodeGone("a", clean=False))])
    assert (said[-1].leader, said[-1].responds) == (None, False)


def test_a_clean_stop_without_a_synchronised_mirror_stops_the_queue() -> None:
    """Until the node that led it is back, with all it held."""
    plan: list[tuple[float, Any]] = [
        (1.0, Filled(1000, 10**6)), (10.0, NodeGone("b", clean=True)), (11.0, NodeGone("c", clean=True)),
        (12.0, NodeBack("b")), (20.0, NodeGone("a", clean=True)), (30.0, NodeBack("a")),
    ]  # fmt: skip
    one = queue()
    said = play(one, plan)
    assert [(state.t, state.leader) for state in said[-2:]] == [(20.0, None), (30.0, "a")]
    assert one.messages == 1000


def test_automatic_synchronisation_blocks_the_queue() -> None:
    """For as long as its bytes take."""
    one = queue(automatic=True, sync_bytes_per_s=1e6)
    said = play(one, [(1.0, Filled(1000, 10**7)), (10.0, NodeGone("c", clean=True)), (20.0, NodeBack("c"))])
    assert [(state.t, state.responds, state.in_step) for state in said[-2:]] == [
        (20.0, False, ("a", "b")),
        (30.0, True, ("a", "b", "c")),
    ]


def test_with_exactly_two_copies_a_lost_mirror_is_made_anew_elsewhere() -> None:
    """And begins empty."""
    one = Mirrored(MirroredSettings(copies=2), "a", "b", "abc")
    said = play(one, [(1.0, Filled(10, 100)), (10.0, NodeGone("b", clean=False))])
    assert (said[-1].mirrors, said[-1].in_step) == (("c",), ("a",))


def test_under_ignore_each_side_goes_on() -> None:
    """Both confirm: what one of them confirmed is lost when the partition is healed."""
    near, cut = queue(), Contacts(frozenset("abc"), frozenset({frozenset("bc")}))
    near.feed(10.0, cut)
    far = near.split()
    near.feed(75.0, NodeGone("b", clean=False))
    (alone,) = near.feed(75.0, NodeGone("c", clean=False))
    others = play(far, [(72.0, NodeGone("a", clean=False))], 100.0)
    assert (alone.leader, alone.confirms) == ("a", True)
    assert (others[-1].leader, others[-1].confirms) == ("b", True)


def test_nothing_is_due_while_all_is_well() -> None:
    """It has no clock of its own."""
    assert queue().due == NEVER


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"ha-mode": "all"}, MirroredSettings()),
        ({"ha-mode": "exactly", "ha-params": 2, "ha-sync-mode": "automatic"}, MirroredSettings(None, 2, True)),  # noqa: FBT003
        (
            {"ha-mode": "nodes", "ha-params": ["rabbit@r1", "rabbit@r9"], "ha-promote-on-failure": "when-synced"},
            MirroredSettings(("r1",), promote_on_failure="when-synced"),
        ),
    ],
)
def test_settings_come_from_the_policy(definition: dict[str, Any], expected: MirroredSettings) -> None:
    """Node names become hosts, and what is left out is RabbitMQ's default."""
    known = MirroredSettings.from_policy(PolicyDefinition.model_validate(definition), {"rabbit@r1": "r1"})
    assert known == expected
