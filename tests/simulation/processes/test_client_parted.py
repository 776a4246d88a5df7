"""What a lost connection leaves behind: read later, it comes twice."""

from __future__ import annotations

import pytest
from client_world import STUCK, Play

from rmqha_model.events import Confirmed, Delivered
from rmqha_model.ledger import ledger
from simulation.processes.client_parted import HEAD_BYTES, SEND_BYTES

MINE = "r3"
"""The publisher's broker: the second that is dialled."""


def doubled(play: Play, t: float = 30) -> list[float]:
    """Give when messages came that had come, or were to come, another time."""
    timeline = play.ended(t)
    seen: dict[int, list[float]] = {}
    for event in timeline.only(Delivered):
        seen.setdefault(event.number, []).append(event.t)
    assert ledger(timeline).lost == ledger(timeline).unknown == 0
    return [min(times) for times in seen.values() if len(times) > 1]


def test_what_a_frozen_broker_was_sent_is_stored_when_it_goes_on() -> None:
    """HAProxy has shut the session down meanwhile, and the publisher sends all of it again."""
    play = Play()
    play.at(5, frozen={MINE})
    play.at(13)
    play.stage.end(1)
    play.at(18, frozen=set())
    assert 1 <= len(doubled(play)) <= 161


def test_a_broker_that_ends_reads_nothing() -> None:
    """It had it in its kernel only."""
    play = Play()
    play.at(5, frozen={MINE})
    play.at(13)
    play.stage.end(1)
    play.at(15, dropped={MINE: 15.0})
    play.at(18, frozen=set())
    assert not doubled(play)


def test_what_could_not_be_sent_is_sent_again_by_the_kernel() -> None:
    """A cable that comes back within 100 s; not at once, but when the timeout is over next."""
    play = Play()
    play.world.clock.run(5)
    heal = play.world.network.cut([("lb1", MINE), (MINE, "lb1")])
    play.stage.tell()
    play.at(13)
    play.stage.end(1)
    play.at(18)
    heal()
    play.stage.tell()
    assert 1 <= len(doubled(play, 60)) <= 161


def test_the_kernel_gives_up() -> None:
    """After 8 retries nothing comes any more."""
    play = Play()
    play.world.clock.run(5)
    heal = play.world.network.cut([("lb1", MINE), (MINE, "lb1")])
    play.stage.tell()
    play.at(13)
    play.stage.end(1)
    play.at(125)
    heal()
    play.stage.tell()
    assert not doubled(play, 140)


def test_a_send_buffer_holds_so_much() -> None:
    """Of large messages few are left."""
    play = Play(publishers={"p": {"queue": "q", "payload": "8000B"}})
    play.stage.holds = lambda *_: None  # type: ignore[method-assign]
    play.world.clock.run(5)
    heal = play.world.network.cut([("lb1", MINE), (MINE, "lb1")])
    play.stage.tell()
    play.at(13)
    play.stage.end(1)
    play.at(18)
    heal()
    play.stage.tell()
    assert 1 <= len(doubled(play, 60)) <= SEND_BYTES // (8000 + HEAD_BYTES)


def test_a_broker_that_is_not_heard_has_the_first_packets() -> None:
    """Those of 0.2 s, before the timeout."""
    play = Play()
    play.world.clock.run(5)
    heal = play.world.network.cut([(MINE, "lb1")])
    play.stage.tell()
    play.at(13)
    play.stage.end(1)
    play.at(18)
    heal()
    play.stage.tell()
    assert 4 <= len(doubled(play)) <= 6


def test_a_publisher_waits_until_the_queue_knows_its_channel() -> None:
    """Its first publish asks a broker that is silent."""
    play = Play()
    play.at(5, waiting=[])
    play.stage.end(1)
    play.at(15)
    assert play.stage.waiting
    for done in play.stage.waiting:
        done()
    play.at(15, waiting=None)
    confirmed = [event.t for event in play.ended(20).only(Confirmed)]
    assert not [t for t in confirmed if 5.01 < t < 15]
    assert sum(15 <= t < 15.02 for t in confirmed) > 50


def test_a_consumer_subscribes_when_the_queue_knows_its_channel() -> None:
    """Not before, though the queue serves others."""
    play = Play()
    play.at(5, waiting=[])
    play.stage.end(0)
    play.at(15)
    assert [state for _, state in play.states("c")] == ["connected", "lost"]
    assert play.stage.waiting
    play.stage.waiting.pop()()
    play.at(15.5, waiting=None)
    assert play.states("c")[-1] == (15.0, "connected")
    assert ledger(play.ended(20)).lost == 0


@pytest.mark.parametrize("services", [{}, {"": STUCK}])
def test_the_first_delivery_by_the_wrong_host_resets_a_consumer(services: dict[str, object]) -> None:
    """Two hosts have the address: what comes from the old one is acknowledged to the new one."""
    play = Play()
    play.at(5, vip="lb2", also=frozenset({"lb1"}), services=services)
    play.stage.end(1, cause="the client was reset by another host")
    play.at(12)
    if services:
        assert [state for _, state in play.states("c")] == ["connected"]
        play.at(12, services={})
        play.at(13)
    back = play.states("p")[2][0]
    lost = [t for t, state in play.states("c") if state == "lost"]
    assert lost
    assert max(back, 12 if services else 0) <= lost[0] < max(back, 12 if services else 0) + 0.1
    assert ledger(play.ended(30)).lost == 0
