"""What the observers know together."""

from __future__ import annotations

from typing import Any

from designs import design

from integration.observe.view import View
from rmqha_model.events import BrokerState, Event, HaproxyState, HostState, Peers, QueueLeader, ServerState, VipHeld

VIP = "10.0.0.100"


def view_of(*events: Event) -> tuple[View, list[dict[str, Any]]]:
    """Give a view that heard *events*, and what was new in them."""
    view = View(design(), (("/", "q"),))
    told = [row for event in events for row in view.hear(str(event.row().get("host", "r1")), event.row())]
    return view, told


def well() -> list[Event]:
    """Give what observers tell of a design that is well."""
    everybody = ("r1", "r2", "r3")
    events: list[Event] = [HostState(0, host, on=True) for host in (*everybody, "lb1", "lb2")]
    events += [BrokerState(0, host, up=True) for host in everybody]
    events += [HaproxyState(0, host, up=True) for host in ("lb1", "lb2")]
    events += [Peers(0, host, everybody) for host in everybody]
    events += [ServerState(0, "lb1", "amqp", "r1", up=True, health=4, rise=2, fall=3)]
    return [*events, VipHeld(0, "lb1", VIP, held=True), VipHeld(0, "lb2", VIP, held=False)]


def test_roles_follow_addresses_and_power() -> None:
    """The owner holds the address; the backup is the next in priority that has power."""
    view, _ = view_of(*well())
    assert (view.vip_owner(), view.vip_backup()) == ("lb1", "lb2")
    view.hear("lb1", VipHeld(1, "lb1", VIP, held=False).row())
    view.hear("lb2", VipHeld(1, "lb2", VIP, held=True).row())
    assert (view.vip_owner(), view.vip_backup()) == ("lb2", "lb1")
    view.hear("lb1", HostState(2, "lb1", on=False).row())
    assert view.vip_backup() is None


def test_the_majority_of_brokers_says_who_leads() -> None:
    """A broker that believes something else is outvoted, and one that is down is not asked."""
    view = View(design(), (("/", "q"),))
    told = []
    for host, leader in (("r1", "r1"), ("r2", "r2"), ("r3", "r2")):
        told += view.hear(host, QueueLeader(1.0, "/", "q", leader, (leader,)).row())
    assert [row["leader"] for row in told] == ["r1", "r2"]
    assert (view.leader(), view.follower()) == ("r2", "r1")
    told = [*view.hear("r3", BrokerState(2, "r3", up=False).row()), *view.hear("r2", Peers(3, "r2", ()).row())]
    assert [row["leader"] for row in told if row["event"] == "leader"] == ["r1"]
    assert (view.leader(), view.follower()) == ("r1", "r2")


def test_only_changes_are_news() -> None:
    """What is told twice is told once."""
    _, told = view_of(BrokerState(0, "r1", up=True), BrokerState(1, "r1", up=True), BrokerState(2, "r1", up=False))
    assert [(row["t"], row["up"]) for row in told] == [(0, True), (2, False)]
    _, told = view_of(VipHeld(0, "lb1", VIP, held=True), VipHeld(1, "lb1", VIP, held=True))
    assert len(told) == 1


def test_what_is_not_well_is_said_in_words() -> None:
    """Nothing is well before it was seen; each thing that is wrong is named."""
    assert view_of()[0].complaints() == ["nothing seen of r1, r2, r3, lb1, lb2 yet"]
    view, _ = view_of(*well())
    assert view.complaints() == []
    for event in (
        BrokerState(1, "r2", up=False),
        Peers(1, "r1", ("r1", "r3"), ("r2",)),
        ServerState(1, "lb1", "amqp", "r1", up=False, health=0, rise=2, fall=3),
        VipHeld(1, "lb2", VIP, held=True),
        HostState(1, "r3", on=False),
        HaproxyState(1, "lb2", up=False),
    ):
        view.hear(event.row()["host"], event.row())
    assert view.complaints() == [
        "r3 has no power",
        "broker on r2 does not listen",
        "haproxy on lb2 does not listen",
        "r1 misses r2",
        "r1 is partitioned from r2",
        "lb1 has amqp/r1 down",
        f"{VIP} is on lb1 and lb2",
    ]
