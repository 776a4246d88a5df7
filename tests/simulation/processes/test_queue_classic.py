"""Plain classic queues: what each broker meets when the home is silent, stopped, killed or cut off."""

from __future__ import annotations

import pytest
from queue_world import QueueWorld

C = {"name": "c", "type": "classic"}
SERVED, WAITS = ("confirmed", "served"), ("waits", "waits")


def world(release: str = "3.10.8", **queue: bool) -> QueueWorld:
    """Give one queue, whose home is r1."""
    return QueueWorld({**C, **queue}, used=("c",), versions={"rabbitmq": release}, rabbitmq={"leader_locator": None})


@pytest.mark.parametrize(
    ("release", "publish", "after"),
    [("3.10.8", "unroutable", 0.0), ("3.13.7", "nacked", 60.0), ("4.3.6", "nacked", 60.0)],
)
def test_a_killed_home_takes_the_queue_with_it(release: str, publish: str, after: float) -> None:
    """Until it is back; open publishes are nacked, who consumed elsewhere is cancelled, who comes is refused."""
    one = world(release)
    one.until(6.0)
    one.brokers.kill("r1")
    assert one.met("c") == dict.fromkeys(("r2", "r3"), (publish, "cancelled"))
    assert one.queues.service("c", "r2").consume_after_s == (60.0 if release == "3.13.7" else 0.0)
    nacked = [each for each in one.doings() if each[0] == "nacked"]
    assert nacked == [("nacked", None, (host,)) for host in ("r2", "r3")]
    one.until(10.0)
    assert one.met("c") == dict.fromkeys(("r2", "r3"), (publish, "not_found"))
    assert one.queues.service("c", "r2").consume_after_s == after
    one.until(30.0)
    one.brokers.boot("r1")
    assert set(one.met("c").values()) == {SERVED}
    assert one.doings()[-1] == ("requeued", None, ())
    assert "lost" not in {each.what for each in one.deliveries}


def test_a_home_that_stops_in_order_nacks_until_rabbitmq_has_ended() -> None:
    """As in the lab on 3.10.8: nacked for 5 s from when the listeners close, then returned."""
    one = world()
    one.until(6.0)
    one.brokers.stop_app("r1")
    assert one.met("c") == dict.fromkeys(("r2", "r3"), ("nacked", "cancelled"))
    one.until(11.0)
    assert one.met("c") == dict.fromkeys(("r2", "r3"), ("nacked", "not_found"))
    one.brokers.stopped("r1")
    one.until(12.0)
    assert one.met("c") == dict.fromkeys(("r2", "r3"), ("unroutable", "not_found"))
    one.brokers.serve("r1", listens=True)
    assert set(one.met("c").values()) == {SERVED}


def test_a_silent_home_is_waited_for() -> None:
    """By channels on others; a frozen one does nothing for its own either."""
    for fault in ("hang", "power_off"):
        one = world()
        one.until(6.0)
        getattr(one.brokers, fault)("r1")
        assert set(one.met("c").values()) == {WAITS}
        assert not one.deliveries
        one.until(20.0)
        if fault == "hang":
            one.brokers.resume("r1")
            assert set(one.met("c").values()) == {SERVED}


def test_others_cost_nothing() -> None:
    """A broker that is not the home can die; what consumers at it held goes out again."""
    one = world()
    one.until(6.0)
    one.brokers.kill("r3")
    assert one.met("c") == dict.fromkeys(("r1", "r2"), SERVED)
    assert one.doings() == [("requeued", None, ("r3",))]


@pytest.mark.parametrize(("release", "after"), [("3.10.8", ("unroutable", "not_found")), ("4.0.5", SERVED)])
def test_a_partition_hides_it_from_the_other_side(release: str, after: tuple[str, str]) -> None:
    """Its own side is served; up to 3.10 the others find it only after a restart, even if the partition is over."""
    one = world(release)
    one.until(6.0)
    for other in ("r2", "r3"):
        one.brokers.hear("r1", other, hears=False)
        one.brokers.hear(other, "r1", hears=False)
    assert one.met("c") == {"r1": SERVED, "r2": WAITS, "r3": WAITS}
    one.until(70.0)
    for other in ("r2", "r3"):
        one.brokers.link(other, "r1", up=False)
        one.brokers.link("r1", other, up=False)
    one.until(80.0)
    assert one.met("c")["r1"] == SERVED
    assert one.met("c")["r2"][1] == "not_found"
    for other in ("r2", "r3"):
        one.brokers.link(other, "r1", up=True)
        one.brokers.link("r1", other, up=True)
    assert one.met("c") == {"r1": SERVED, "r2": after, "r3": after}
    one.brokers.stop_app("r2")
    one.brokers.serve("r2", listens=True)
    assert one.met("c")["r2"] == SERVED


def test_a_queue_that_is_not_durable_is_gone_for_good() -> None:
    """Before 4.2 with Khepri the others delete it when its home goes."""
    one = world(durable=False)
    one.until(6.0)
    one.brokers.kill("r1")
    one.until(7.0)
    assert one.met("c") == dict.fromkeys(("r2", "r3"), ("unroutable", "not_found"))
    assert ("lost", None, ()) in one.doings()
    one.brokers.boot("r1")
    assert set(one.met("c").values()) == {("unroutable", "not_found")}


def test_a_broker_that_starts_after_the_home_finds_it() -> None:
    """Though it was there, without RabbitMQ, when the home's node went."""
    one = world("3.13.7")
    one.until(6.0)
    one.brokers.stop_app("r3")
    one.brokers.kill("r1")
    one.until(20.0)
    one.brokers.boot("r1")
    one.until(21.0)
    one.brokers.serve("r3", listens=True)
    assert one.met("c") == dict.fromkeys(("r1", "r2", "r3"), SERVED)
