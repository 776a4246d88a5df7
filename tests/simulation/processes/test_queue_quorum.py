"""Quorum queues among brokers that fail: when another leads, and what is met meanwhile."""

from __future__ import annotations

import pytest
from queue_world import QueueWorld

Q = {"name": "q", "type": "quorum"}
SERVED, WAITS = ("confirmed", "served"), ("waits", "waits")


def world(seed: int = 1, release: str = "3.10.8") -> QueueWorld:
    """Give one queue, led by r1."""
    return QueueWorld(Q, seed=seed, used=("q",), versions={"rabbitmq": release})


@pytest.mark.parametrize("seed", range(20))
def test_a_killed_leader_is_replaced_within_a_second(seed: int) -> None:
    """0.1 to 0.6 s and the votes; elsewhere publishes wait, and what consumers at it held goes out again."""
    one = world(seed)
    one.until(6.0)
    one.brokers.kill("r1")
    assert set(one.met("q").values()) == {WAITS}
    assert one.queues.service("q", "r2").holds == 32
    one.until(9.0)
    assert one.met("q") == {"r2": SERVED, "r3": SERVED}
    again = one.services[-1][0]
    assert 6.1 < again < 6.65
    assert one.doings() == [("requeued", None, ("r1",))]
    assert one.deliveries[0].t == again
    assert one.queues.leader("q") in {"r2", "r3"}
    seen = one.leaders[-1]
    assert (seen.leader, seen.in_step) == (one.queues.leader("q"), ("r2", "r3"))
    assert again <= seen.t <= again + 1.0


@pytest.mark.parametrize("seed", range(20))
def test_a_silent_leader_is_replaced_after_one_or_two_polls(seed: int) -> None:
    """Between 5.2 and 11.2 s, as in the lab (6.2 to 8.6 s in six power losses, freezes and cuts)."""
    one = world(seed)
    one.until(6.0)
    one.brokers.power_off("r1")
    one.until(40.0)
    assert one.met("q") == {"r2": SERVED, "r3": SERVED}
    assert 5.15 < one.services[-1][0] - 6.0 < 11.25
    assert sum(seconds for _, seconds in one.queues.service("q", "r2").reason) == pytest.approx(
        one.services[-1][0] - 6.0, abs=0.11
    )
    assert not one.doings()
    assert len(one.leaders) == 1
    one.brokers.lose("r1")
    one.until(42.0)
    assert one.doings() == [("requeued", None, ("r1",))]
    assert one.leaders[-1].in_step == ("r2", "r3")


def test_a_short_freeze_changes_nothing() -> None:
    """Aten takes its suspicion back at the next poll, before the timer ends."""
    for seed in range(10):
        one = world(seed)
        one.until(6.0)
        one.brokers.hang("r1")
        one.until(10.9)
        one.brokers.resume("r1")
        one.until(40.0)
        assert one.queues.leader("q") == "r1"
        assert set(one.met("q").values()) == {SERVED}
        assert not one.deliveries


def test_a_follower_is_missed_by_nobody_else() -> None:
    """Silent or dead: only channels on it wait."""
    one = world()
    one.until(6.0)
    one.brokers.hang("r3")
    assert one.met("q") == {"r1": SERVED, "r2": SERVED, "r3": WAITS}
    one.until(60.0)
    assert one.queues.leader("q") == "r1"


def test_without_a_majority_everybody_waits() -> None:
    """Until one is back."""
    one = world()
    one.until(6.0)
    one.brokers.kill("r2")
    assert not one.queues.spares("r1")
    assert one.met("q")["r1"] == SERVED
    one.brokers.kill("r3")
    assert one.met("q") == {"r1": WAITS}
    one.until(20.0)
    one.brokers.boot("r3")
    assert one.met("q") == {"r1": SERVED, "r3": SERVED}


def test_a_stop_in_order_hands_over_when_rabbitmq_ends() -> None:
    """Its listeners close some seconds earlier, and until then it leads on: no confirm was late in the lab's stops."""
    one = world()
    one.until(6.0)
    one.brokers.stop_app("r1")
    assert one.met("q") == {"r2": SERVED, "r3": SERVED}
    assert one.queues.leader("q") == "r1"
    assert one.doings() == [("requeued", None, ("r1",))]
    one.until(11.0)
    one.brokers.stopped("r1")
    one.until(11.16)
    assert one.queues.leader("q") != "r1"
    assert one.met("q") == {"r2": SERVED, "r3": SERVED}


def test_from_4_3_what_consumers_on_a_lost_broker_hold_waits_for_a_minute() -> None:
    """consumer_disconnected_timeout; not if the broker is back before."""
    one = world(release="4.3.6")
    one.until(6.0)
    one.brokers.kill("r3")
    one.until(30.0)
    assert not one.deliveries
    one.until(67.0)
    assert [(each.t, each.side) for each in one.deliveries] == [(66.0, frozenset({"r3"}))]
    other = world(release="4.3.6")
    other.until(6.0)
    other.brokers.kill("r3")
    other.until(30.0)
    other.brokers.boot("r3")
    other.until(80.0)
    assert not other.deliveries


def test_one_that_is_cut_off_waits_on_its_own_side() -> None:
    """A leader alone commits nothing; the others elect one of them."""
    one = world()
    one.until(6.0)
    for other in ("r2", "r3"):
        one.brokers.hear("r1", other, hears=False)
        one.brokers.hear(other, "r1", hears=False)
    assert set(one.met("q").values()) == {WAITS}
    one.until(20.0)
    assert one.met("q") == {"r1": WAITS, "r2": SERVED, "r3": SERVED}
    for other in ("r2", "r3"):
        one.brokers.hear("r1", other, hears=True)
        one.brokers.hear(other, "r1", hears=True)
    assert set(one.met("q").values()) == {SERVED}
