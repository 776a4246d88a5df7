"""A client's connection as its program keeps it: rounds, pauses, patience."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from simulation.machines.client import (
    AMQP_LATE,
    BLOCKED_LONG,
    TCP_LATE,
    Abandon,
    Accepted,
    Blocked,
    ClientConnection,
    ClientSettings,
    Close,
    Ended,
    Failed,
    Lost,
    Opened,
    Ready,
    Said,
    Try,
    Waits,
)
from simulation.machines.client_call import DirectCall
from simulation.machines.client_end import ClientEnd, Hung, Says, Way, server_misses
from simulation.machines.machine import NEVER
from simulation.machines.wire import Target


def luck(*numbers: float) -> Callable[[], float]:
    """Draw these, again and again."""
    return itertools.cycle(numbers).__next__


def connected(settings: ClientSettings | None = None) -> ClientConnection:
    """Give a machine that has its connection since 1 s."""
    machine = ClientConnection(settings or ClientSettings(confirm_timeout_s=30.0), luck(0.0), 0.0)
    machine.fire()
    machine.feed(0.5, Opened())
    assert machine.feed(1.0, Ready()) == [Said(1.0, "connected", 0, "")]
    return machine


def test_a_round_goes_through_all_endpoints_then_pauses() -> None:
    """Each endpoint once, in an order of its own; then the delay and its share of the jitter."""
    machine = ClientConnection(ClientSettings(endpoints=3, delay_s=2.0, jitter_s=3.0), luck(0.5), 0.0)
    assert machine.due == 0.0
    tried = [seen.endpoint for seen in machine.fire() if isinstance(seen, Try)]
    for t in (1.0, 2.0, 3.0):
        tried += [seen.endpoint for seen in machine.feed(t, Failed("refused")) if isinstance(seen, Try)]
    assert sorted(tried) == [0, 1, 2]
    assert machine.due == 3.0 + 2.0 + 1.5


def test_tcp_and_amqp_have_time_limits_of_their_own() -> None:
    """The connect timeout until the connection is accepted; twice that until AMQP has opened."""
    machine = ClientConnection(ClientSettings(connect_timeout_s=5.0), luck(0.0), 0.0)
    machine.fire()
    assert machine.due == 5.0
    assert machine.fire() == [Abandon(5.0), Said(5.0, "failed", 0, TCP_LATE)]
    assert machine.due == 7.0
    machine.fire()
    machine.feed(8.0, Accepted())
    assert machine.due == 17.0
    assert machine.fire() == [Abandon(17.0), Said(17.0, "failed", 0, AMQP_LATE)]


def test_a_late_confirm_is_found_at_the_next_look() -> None:
    """30 s and up to a tenth of a second after the message was sent."""
    machine = connected()
    machine.feed(5.0, Waits(5.03))
    assert 35.03 <= machine.due < 35.13
    due = machine.due
    assert machine.fire() == [Close(due, "no confirm within 30 s")]
    assert machine.feed(due, Lost("no confirm within 30 s", 2.0)) == [Said(due, "lost", 0, "no confirm within 30 s")]
    assert machine.due == due + 4.0
    machine = connected()
    machine.feed(5.0, Waits(5.03))
    machine.feed(6.0, Waits(NEVER))
    assert machine.due == NEVER


def test_a_long_block_is_given_up() -> None:
    """As long as the confirm timeout; what is said twice counts once."""
    machine = connected()
    assert machine.feed(5.0, Blocked(on=True)) == [Said(5.0, "blocked", 0, "")]
    assert machine.feed(6.0, Blocked(on=True)) == []
    assert machine.due == 35.0
    assert machine.fire() == [Close(35.0, BLOCKED_LONG)]
    machine = connected()
    machine.feed(5.0, Blocked(on=True))
    assert machine.feed(7.0, Blocked(on=False)) == [Said(7.0, "unblocked", 0, "")]
    assert machine.due == NEVER


def test_a_client_that_has_ended_does_nothing() -> None:
    """No event and no attempt."""
    machine = connected()
    machine.feed(2.0, Ended())
    assert machine.feed(3.0, Lost("reset")) == []
    assert machine.due == NEVER


def test_silence_is_found_by_a_whole_silent_window() -> None:
    """Pika looks every 20 s at a heartbeat of 15 s: 20 to 40 s after the last byte."""
    for silent in (1.0, 19.0, 21.0):
        end = ClientEnd(15.0, 0.0)
        end.feed(silent, Way("silent"))
        found = 40.0 if silent < 20 else 60.0
        assert end.due == found
        assert end.fire() == [Hung(found, "heartbeat")]
        assert 20 <= found - silent <= 40


def test_who_has_forgotten_the_connection_resets_it_when_something_is_said() -> None:
    """Its next heartbeat, its next message, or what is sent again of what was said into silence."""
    end = ClientEnd(15.0, 0.0)
    end.feed(4.0, Way("reset"))
    assert end.due == 7.5
    end.feed(5.0, Says())
    assert end.due == 5.0
    end = ClientEnd(15.0, 0.0)
    end.feed(6.0, Way("silent"))
    end.feed(9.2, Way("reset"))
    (hung,) = end.fire()
    assert hung.cause == "reset"
    assert hung.t == pytest.approx(7.5 + 0.21 * 15)


def test_what_comes_back_ends_nothing() -> None:
    """A way that is free again is as before."""
    end = ClientEnd(15.0, 0.0)
    end.feed(6.0, Way("silent"))
    end.feed(9.2, Way("alive"))
    assert end.due == NEVER
    assert ClientEnd(0.0, 0.0).feed(1.0, Way("silent")) == []


def test_a_broker_misses_a_client_after_two_to_three_intervals() -> None:
    """It looks every interval, and fires at the second look without a new byte."""
    assert server_misses(0.0, 15.0, 1.0) == 45.0
    assert server_misses(0.0, 15.0, 14.9) == 45.0
    assert server_misses(0.0, 15.0, 15.1) == 60.0
    assert server_misses(0.0, 0.0, 1.0) == NEVER


def test_a_direct_call_ends_as_its_port_says() -> None:
    """It is answered, refused, or waits for a broker that stands still."""
    call = DirectCall(Target("answering", 0.001, 0.0, 0.003), 0.0)
    assert call.due == 0.001
    assert call.fire() == []
    assert call.accepted
    (fate,) = call.fire()
    assert (fate.t, fate.outcome) == (0.004, "ok")
    (fate,) = DirectCall(Target("refused", 0.001), 0.0).fire()
    assert fate.outcome == "refused"
    (fate,) = DirectCall(Target("unroutable"), 0.0).fire()
    assert (fate.t, fate.outcome) == (3.06, "unreachable")
    call = DirectCall(Target("frozen", 0.001), 0.0)
    call.fire()
    assert call.due == NEVER
    call.feed(2.0, Target("answering", 0.001, 0.0, 0.003))
    assert call.due == 2.003
    (fate,) = call.feed(2.001, Target("refused"))
    assert (fate.t, fate.outcome) == (2.001, "reset")
    assert call.feed(3.0, Target("refused")) == []
