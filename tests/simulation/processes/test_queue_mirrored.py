"""Mirrored queues among brokers that fail: promotions, silent mirrors, and the sides of a partition."""

from __future__ import annotations

from queue_world import QueueWorld

M = {"name": "m", "type": "classic"}
SERVED, WAITS, STALLS = ("confirmed", "served"), ("waits", "waits"), ("waits", "served")


def world(release: str = "3.10.8", **definition: str) -> QueueWorld:
    """Give one queue, led by r1, whose older mirror is r2's."""
    policy = {"name": "ha", "pattern": "^m$", "definition": {"ha-mode": "all", **definition}}
    rabbitmq = {"policies": [policy], "leader_locator": None}
    return QueueWorld(M, used=("m",), versions={"rabbitmq": release}, rabbitmq=rabbitmq)


def cut(one: QueueWorld) -> None:
    """Cut r1 off from the others."""
    for other in ("r2", "r3"):
        one.brokers.hear("r1", other, hears=False)
        one.brokers.hear(other, "r1", hears=False)


def test_the_oldest_mirror_follows_a_killed_leader_at_once() -> None:
    """All that was not acknowledged goes out again; nothing is lost."""
    one = world()
    one.until(6.0)
    one.brokers.kill("r1")
    one.until(7.2)
    assert one.queues.leader("m") == "r2"
    assert one.met("m") == {"r2": SERVED, "r3": SERVED}
    assert one.doings()[0] == ("requeued", None, ())
    assert one.services[-1][0] == 6.005
    assert (one.leaders[-1].leader, one.leaders[-1].in_step) == ("r2", ("r2", "r3"))


def test_a_silent_mirror_stalls_confirms_and_no_deliveries() -> None:
    """13 s in the lab, while r3 hung; consumers elsewhere were served all the time."""
    one = world()
    one.until(6.0)
    one.brokers.hang("r3")
    assert one.met("m") == {"r1": STALLS, "r2": STALLS, "r3": WAITS}
    assert one.queues.service("m", "r1").holds == 400
    one.until(19.0)
    one.brokers.resume("r3")
    assert set(one.met("m").values()) == {SERVED}
    assert not one.deliveries


def test_a_silent_leader_is_waited_for_until_its_node_is_known_to_be_gone() -> None:
    """The net tick, or the kernel's patience; then the oldest mirror leads."""
    one = world()
    one.until(6.0)
    one.brokers.power_off("r1")
    one.until(70.0)
    assert one.met("m") == {"r2": WAITS, "r3": WAITS}
    one.brokers.lose("r1")
    one.until(70.1)
    assert one.met("m") == {"r2": SERVED, "r3": SERVED}
    assert ("requeued", None, ()) in one.doings()


def test_a_stop_in_order_promotes_when_the_listeners_close() -> None:
    """Long before RabbitMQ has ended: 0.4 to 1.1 s later at the latest in the lab."""
    one = world()
    one.until(6.0)
    one.brokers.stop_app("r1")
    one.until(6.01)
    assert one.queues.leader("m") == "r2"
    assert one.met("m") == {"r2": SERVED, "r3": SERVED}


def test_an_orderly_stop_without_a_mirror_in_step_stops_the_queue() -> None:
    """promote-on-shutdown is when-synced by default; it is there again with its node."""
    one = world()
    for number, host in enumerate(("r2", "r3"), 1):
        one.until(6.0 * number)
        one.queues.holds("m", 100, 1000)
        one.brokers.kill(host)
        one.brokers.boot(host)
    one.queues.holds("m", 50, 500)
    one.until(20.0)
    one.brokers.stop_app("r1")
    assert one.queues.leader("m") is None
    assert one.met("m") == dict.fromkeys(("r2", "r3"), ("unroutable", "cancelled"))
    one.until(21.0)
    assert one.met("m")["r2"] == ("unroutable", "not_found")
    one.brokers.serve("r1", listens=True)
    assert one.queues.leader("m") == "r1"
    assert set(one.met("m").values()) == {SERVED}


def test_a_mirror_that_lacks_messages_loses_them_when_it_leads() -> None:
    """After a crash it is promoted whatever it lacks, unless the policy says otherwise."""
    for definition, lost in (
        ({}, [60]),
        ({"ha-sync-mode": "automatic"}, []),
        ({"ha-promote-on-failure": "when-synced"}, []),
    ):
        one = world(**definition)
        one.queues.holds("m", 100, 1000)
        for host in ("r2", "r3"):
            one.brokers.kill(host)
            one.brokers.boot(host)
        one.until(3.0)
        one.queues.holds("m", 60, 600)
        one.brokers.kill("r1")
        one.until(5.0)
        assert [each.count for each in one.deliveries if each.what == "lost"] == lost
        assert (one.queues.leader("m") is None) == ("ha-promote-on-failure" in definition)


def test_each_side_of_a_partition_has_a_queue_of_its_own() -> None:
    """Under ignore, from nodedown on, and after it has healed: until somebody restarts one side."""
    one = world()
    one.until(6.0)
    cut(one)
    assert one.met("m") == {"r1": STALLS, "r2": WAITS, "r3": WAITS}
    one.until(70.0)
    for other in ("r2", "r3"):
        one.brokers.link(other, "r1", up=False)
    one.until(71.0)
    assert one.met("m") == {"r1": STALLS, "r2": SERVED, "r3": SERVED}
    for other in ("r2", "r3"):
        one.brokers.link("r1", other, up=False)
    assert one.met("m") == dict.fromkeys(("r1", "r2", "r3"), SERVED)
    assert one.doings()[:2] == [("split", None, ("r1",)), ("requeued", None, ("r2", "r3"))]
    for other in ("r2", "r3"):
        one.brokers.link("r1", other, up=True)
        one.brokers.link(other, "r1", up=True)
    one.until(80.0)
    assert one.met("m") == dict.fromkeys(("r1", "r2", "r3"), SERVED)
    assert {event.leader for event in one.leaders} == {"r1", "r2"}
    assert "merged" not in {each.what for each in one.deliveries}
    one.brokers.stop_app("r1")
    assert ("merged", None, ("r1",)) in one.doings()
    one.brokers.serve("r1", listens=True)
    one.until(90.0)
    assert one.queues.leader("m") == "r2"
    assert one.met("m") == dict.fromkeys(("r1", "r2", "r3"), SERVED)


def test_the_larger_side_stays_together() -> None:
    """The cut-off broker sees the two others go one after the other: they have one queue, not two."""
    one = world()
    one.until(6.0)
    cut(one)
    one.until(30.0)
    for other in ("r2", "r3"):
        one.brokers.link("r1", other, up=False)
    assert [each for each in one.doings() if each[0] == "split"] == [("split", None, ("r2", "r3"))]
    for other in ("r2", "r3"):
        one.brokers.link(other, "r1", up=False)
    one.until(31.0)
    assert one.met("m") == dict.fromkeys(("r1", "r2", "r3"), SERVED)
    assert one.queues.leader("m") == "r2"


def test_when_all_lose_power_the_leader_is_waited_for() -> None:
    """Others that boot before it find no queue."""
    one = world()
    one.until(6.0)
    for host in one.brokers.hosts:
        one.brokers.power_off(host)
    one.until(30.0)
    for host in ("r2", "r3"):
        one.brokers.boot(host)
    assert one.met("m") == dict.fromkeys(("r2", "r3"), ("unroutable", "not_found"))
    one.brokers.boot("r1")
    assert one.met("m") == dict.fromkeys(("r1", "r2", "r3"), SERVED)
    assert one.doings()[-1] == ("requeued", None, ())
