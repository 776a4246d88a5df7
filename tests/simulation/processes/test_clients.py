"""Publishers and consumers among brokers that do what a test says: what they see, and that no message is forgotten."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from client_world import FAULTLESS, STUCK, Play
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.events import Confirmed, Connection, Delivered, Nacked, Published, Returned, Unknown
from rmqha_model.ledger import Ledger, ledger
from simulation.processes.views import Deliveries, Service

if TYPE_CHECKING:
    from rmqha_model.timeline import Timeline


def counted(timeline: Timeline) -> Counter[str]:
    """Count events by their kinds."""
    return Counter(type(event).__name__ for event in timeline.events)


def test_steady_flow_is_published_confirmed_and_delivered_at_its_rate() -> None:
    """Twenty a second for ten seconds, each confirmed 7.2 ms and delivered 6.2 ms and a way later."""
    play = Play()
    timeline = play.ended(10)
    found = ledger(timeline)
    assert found == Ledger(attempted=200, confirmed=200, delivered=200, deliveries=200)
    published, confirmed, delivered = (timeline.only(kind) for kind in (Published, Confirmed, Delivered))
    assert all(b.t - a.t == pytest.approx(0.0072) for a, b in zip(published, confirmed, strict=True))
    assert all(b.t - a.t == pytest.approx(0.0072) for a, b in zip(published, delivered, strict=True))
    assert published[1].t - published[0].t == pytest.approx(0.05)
    assert len(play.clients.log.heard) < 20


def test_a_lost_connection_leaves_unknown_and_comes_again() -> None:
    """Clients whose HAProxy dies are back after the delay, and one message at most is in doubt."""
    play = Play()
    play.at(5)
    for index in range(2):
        play.stage.end(index)
    timeline = play.ended(20)
    for name in ("p", "c"):
        (_, first), (lost, second), (back, third) = play.states(name)
        assert (first, second, third) == ("connected", "lost", "connected")
        assert lost == 5
        assert 7 < back < 10.2
    assert len(timeline.only(Unknown)) <= 1
    assert ledger(timeline).lost == 0


def test_what_waits_is_confirmed_at_once_when_the_queue_has_a_leader_again() -> None:
    """During an election confirms wait, and so do deliveries; then all of them come."""
    play = Play()
    play.at(5, services={"": STUCK})
    play.at(12, services={})
    timeline = play.ended(20)
    confirmed = [event.t for event in timeline.only(Confirmed)]
    assert not [t for t in confirmed if 5.01 < t < 12]
    assert sum(12 <= t < 12.01 for t in confirmed) >= 140
    assert not [event for event in timeline.only(Delivered) if 5.01 < event.t < 12]
    assert ledger(timeline).lost == ledger(timeline).duplicated == 0
    assert not timeline.only(Unknown)


def test_a_confirm_that_is_too_late_closes_the_connection() -> None:
    """After 30 s without a confirm the publisher gives up what waits; its messages are sent again."""
    play = Play()
    play.at(5, services={"": STUCK})
    play.at(40)
    (lost,) = (event for event, _ in play.world.told if isinstance(event, Connection) and event.state == "lost")
    assert lost.reason == "no confirm within 30 s"
    assert 35 < lost.t < 35.2
    play.at(60, services={})
    timeline = play.ended(70)
    assert len(timeline.only(Unknown)) >= 600
    assert ledger(timeline).unknown == ledger(timeline).lost == 0


def test_a_full_window_stops_a_publisher() -> None:
    """With as many messages in doubt as the window has, nothing more is published."""
    play = Play(publishers={"p": {"queue": "q", "window": 50}})
    play.at(5, services={"": STUCK})
    play.at(20, services={})
    timeline = play.ended(25)
    assert len([event for event in timeline.only(Published) if 5 <= event.t < 20]) in {49, 50}


def test_an_alarm_blocks_at_the_next_publish() -> None:
    """The broker says that it blocks when it has read a message, and says so again when it is over."""
    play = Play()
    play.at(5, blocking=True)
    play.at(10, blocking=False)
    timeline = play.ended(15)
    (_, _), (blocked, first), (unblocked, second) = play.states("p")
    assert (first, second) == ("blocked", "unblocked")
    assert 5 <= blocked < 5.06
    assert unblocked == 10
    assert not [event for event in timeline.only(Published) if blocked < event.t < 10]
    assert [state for _, state in play.states("c")] == ["connected"]


def test_a_long_block_closes_the_connection() -> None:
    """Pika gives up a connection that is blocked for as long as the confirm timeout."""
    play = Play()
    play.at(5, blocking=True)
    play.at(36)
    lost = [t for t, state in play.states("p") if state == "lost"]
    assert len(lost) == 1
    assert 35 <= lost[0] < 35.2
    assert not play.clients.well()


def test_unroutable_messages_are_returned_and_confirmed() -> None:
    """What is mandatory and has no queue is returned, then confirmed, and never delivered."""
    play = Play()
    play.at(5, services={"": Service("unroutable", "not_found")})
    play.at(10, services={})
    timeline = play.ended(20)
    assert len(timeline.only(Returned)) == 100
    found = ledger(timeline)
    assert (found.returned, found.lost) == (100, 0)


def test_nacked_messages_are_sent_again_in_the_next_places() -> None:
    """One that is nacked again and again takes the whole schedule, and is confirmed in the end."""
    play = Play()
    play.at(5, services={"": Service("nacked")})
    play.at(10, services={})
    timeline = play.ended(20)
    assert 99 <= len(timeline.only(Nacked)) <= 101
    assert len({event.number for event in timeline.only(Nacked)}) <= 2
    assert ledger(timeline).nacked == ledger(timeline).lost == 0


def test_a_late_nack_is_sent_again_later() -> None:
    """Where refusals take seconds, new messages go out meanwhile."""
    play = Play()
    play.at(5, services={"": Service("nacked", publish_after_s=2.0)})
    play.at(15, services={})
    timeline = play.ended(30)
    assert len({event.number for event in timeline.only(Nacked)}) >= 40
    assert ledger(timeline).lost == ledger(timeline).unknown == 0


def test_a_cancelled_consumer_comes_again_until_it_is_served() -> None:
    """It is cancelled, refused as often as it comes, and given all that waited when the queue is back."""
    play = Play()
    play.at(5, services={"": Service("waits", "cancelled")})
    play.at(5.001, services={"": Service("waits", "not_found")})
    play.at(20, services={})
    timeline = play.ended(30)
    reasons = [event.reason for event in timeline.only(Connection) if event.client == "c" and event.state == "lost"]
    assert reasons[0] == "the broker cancelled the consumer"
    assert len(reasons) > 2
    assert all(reason.startswith("NOT_FOUND - home node") for reason in reasons[1:])
    assert ledger(timeline).lost == 0


def test_a_consumer_waits_for_a_queue_without_leader() -> None:
    """Its set-up takes as long as the queue has nobody to answer it."""
    play = Play()
    play.at(5, services={"": STUCK})
    play.stage.end(0)
    play.at(15, services={})
    play.at(16)
    assert [state for _, state in play.states("c")] == ["connected", "lost", "connected"]
    assert play.states("c")[-1][0] == 15


def test_a_ghost_is_given_as_many_as_its_prefetch() -> None:
    """After a move of the address the broker delivers to the dead client's connection, and again when it ends."""
    play = Play()
    play.at(5, vip="lb2")
    play.stage.end(0, client=0.5, server=20.0, cause="the client was reset by another host")
    play.stage.end(1, client=0.1, server=20.0, cause="the client was reset by another host")
    timeline = play.ended(40)
    again = [event for event in timeline.only(Delivered) if event.redelivered]
    assert len(again) == 5
    assert all(25 <= event.t < 25.1 for event in again)
    assert ledger(timeline).lost == 0


def test_what_a_standing_haproxy_has_acknowledged_comes_twice() -> None:
    """It passes on what it finds when it goes on; the publisher has sent it again meanwhile (measured)."""
    play = Play()
    play.at(5, proxy="frozen")
    play.at(9, vip="lb2", proxy="serves")
    play.stage.proxy = "frozen"
    for index in range(2):
        play.stage.end(index, client=0.1, server=30.0, cause="the client was reset by another host")
    play.at(9.5)
    play.at(15, proxy="serves")
    timeline = play.ended(30)
    assert len(timeline.only(Unknown)) in range(79, 84)
    found = ledger(timeline)
    assert found.duplicated in range(79, 84)
    assert found.lost == 0


def test_a_ghost_that_stays_is_ended_before_what_is_left_is_drained() -> None:
    """What it holds comes to the drain."""
    play = Play()
    play.at(5, vip="lb2")
    play.stage.end(0, client=0.5, server=200.0)
    play.stage.end(1, client=0.1, server=200.0)
    timeline = play.ended(20)
    drained = [event for event in timeline.only(Delivered) if event.client == "drain-r1-1"]
    assert len(drained) == 5
    assert all(event.redelivered for event in drained)
    assert ledger(timeline).lost == 0


def test_a_consumer_that_works_holds_as_many_as_it_may() -> None:
    """It acknowledges one after the other; what comes faster than it works waits."""
    play = Play(consumers={"c": {"queue": "q", "work": "100ms"}})
    timeline = play.ended(10)
    times = [event.t for event in timeline.only(Delivered) if event.client == "c"]
    assert len(times) in range(102, 108)
    assert play.stage.held
    assert ledger(timeline).lost == 0


def test_several_consumers_take_turns() -> None:
    """Each of three is given a third."""
    play = Play(consumers={"c": {"queue": "q", "count": 3}})
    given_to = Counter(event.client for event in play.ended(30).only(Delivered))
    assert given_to == {"c-1": 200, "c-2": 200, "c-3": 200}


def test_lost_messages_are_never_delivered() -> None:
    """What a queue loses of its newest messages is missing in the ledger."""
    play = Play(consumers={})
    play.at(5)
    play.stage.deliveries(Deliveries(5.0, "q", "lost", 30))
    assert ledger(play.ended(10)).lost == 30


def test_each_side_of_a_split_delivers_what_there_was() -> None:
    """Both have a copy: it is delivered twice; and what one side held is gone when it is merged."""
    play = Play(consumers={})
    play.at(5)
    play.stage.deliveries(Deliveries(5.0, "q", "split", side=frozenset({"r3"})))
    play.at(6)
    timeline = play.ended(7)
    found = ledger(timeline)
    assert found.lost == 0
    assert 95 <= found.duplicated <= 100
    other = Play(consumers={})
    other.at(5)
    other.stage.deliveries(Deliveries(5.0, "q", "split", side=frozenset({"r1", "r2"})))
    other.at(7)
    other.stage.deliveries(Deliveries(7.0, "q", "merged", side=frozenset({"r1", "r2"})))
    found = ledger(other.ended(10))
    assert found.duplicated == 0
    assert found.lost == (0 if other.stage.stays[0].through.server == "r3" else 40)


def test_without_confirms_nothing_is_known_and_some_vanishes() -> None:
    """What was on the way when the connection ended is gone, and nobody hears of it."""
    play = Play(client={"confirms": False})
    play.at(5, vip="lb2")
    play.stage.end(0, client=1.0, server=1.0)
    play.stage.end(1, client=1.0, server=1.0)
    found = ledger(play.ended(20))
    assert found.confirmed == 0
    assert found.unknown == found.attempted
    assert found.vanished in {20, 21}


def test_a_direct_connection_ends_by_missed_heartbeats() -> None:
    """Straight to a broker that is cut off, pika waits for a whole silent window of 20 s."""
    play = Play(client={"endpoints": "brokers"}, publishers={})
    play.at(5)
    for broker in ("r1", "r2", "r3"):
        play.world.network.plug(broker, in_=False)
    play.stage.tell()
    play.at(60)
    lost = [t for t, state in play.states("c") if state == "lost"]
    assert len(lost) == 1
    assert 25 <= lost[0] <= 45
    assert play.states("c")[-1][1] == "connected" or not play.clients.well()


def test_a_direct_connection_ends_with_its_broker() -> None:
    """A broker that is killed ends its connections at once; clients go to any of them."""
    play = Play(client={"endpoints": "brokers"})
    play.at(5)
    play.at(5.5, dropped={"r1": 5.5, "r2": 5.5, "r3": 5.5})
    timeline = play.ended(20)
    assert [state for _, state in play.states("c")] == ["connected", "lost", "connected"]
    assert ledger(timeline).lost == 0
    assert {event.endpoint.split(":")[1] for event in timeline.only(Connection)} == {"5672"}


SERVICES = st.sampled_from(
    [
        FAULTLESS,
        STUCK,
        Service("waits", "served", holds=400),
        Service("unroutable", "not_found"),
        Service("nacked", "cancelled"),
        Service("nacked", "not_found", publish_after_s=1.0),
        Service("confirmed", "waits"),
    ]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("service"), st.floats(0, 8), SERVICES),
        st.tuples(st.just("blocks"), st.floats(0, 8), st.booleans()),
        st.tuples(st.just("vip"), st.floats(0, 8), st.sampled_from(["lb1", "lb2"])),
        st.tuples(st.just("end"), st.floats(0, 8), st.tuples(st.integers(0, 5), st.floats(0, 3), st.floats(0, 30))),
        st.tuples(st.just("requeued"), st.floats(0, 8), st.just(0)),
        st.tuples(st.just("nacked"), st.floats(0, 8), st.just(0)),
        st.tuples(st.just("frozen"), st.floats(0, 8), st.sampled_from([set(), {"r1"}, {"r2", "r3"}])),
    ),
    max_size=8,
)


def played(steps: Any, **workload: Any) -> Timeline:
    """Do steps one after the other, have all well again, and come to the end."""
    play = Play(**workload)
    t = 1.0
    for what, pause, value in steps:
        t += pause
        if what == "service":
            play.at(t, services={"": value})
        elif what == "blocks":
            play.at(t, blocking=value)
        elif what == "vip":
            play.at(t, vip=value)
        elif what == "frozen":
            play.at(t, frozen=value)
        elif what == "end":
            play.at(t)
            index, client, server = value
            if index < len(play.stage.stays):
                play.stage.end(index, client=client, server=server)
        else:
            play.at(t)
            play.stage.deliveries(Deliveries(t, "q", what))
    play.at(t + 1, services={}, blocking=False, frozen=set())
    return play.ended(t + 15)


@settings(max_examples=20, deadline=None)
@given(
    STEPS,
    st.sampled_from([{"c": {"queue": "q"}}, {"c": {"queue": "q", "count": 2}}, {"c": {"queue": "q", "work": "60ms"}}]),
    st.sampled_from([1, 5, 0]),
)
def test_whatever_happens_confirmed_messages_are_delivered(steps: Any, consumers: Any, prefetch: int) -> None:
    """A queue that loses nothing delivers each message that was confirmed, and events are in order."""
    timeline = played(steps, consumers=consumers, client={"prefetch": prefetch})
    found = ledger(timeline)
    assert found.lost == found.vanished == 0
    sent: dict[int, float] = {}
    open_: set[int] = set()
    for event in timeline.events:
        if isinstance(event, Published):
            assert event.number not in open_
            open_.add(event.number)
            sent.setdefault(event.number, event.t)
        elif isinstance(event, Confirmed | Nacked | Unknown):
            assert event.number in open_
            open_.discard(event.number)
        elif isinstance(event, Delivered):
            assert event.t >= sent[event.number]
    assert not open_
    assert sorted(sent) == list(range(1, len(sent) + 1))


@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_the_same_seed_gives_the_same_events(steps: Any) -> None:
    """A run can be repeated exactly."""
    assert played(steps).events == played(steps).events
