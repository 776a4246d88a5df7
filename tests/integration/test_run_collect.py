"""From what was told to a timeline."""

from __future__ import annotations

from integration.running.collect import event_of, shifted
from integration.running.ghosts import parse
from rmqha_model.events import Attempt, Confirmed, Event, Peers, Published, VipHeld


def told(*events: Event, start: float, end: float) -> list[Event]:
    """Give the events of a timeline that begins at *start*."""
    return sorted(shifted([event.row() for event in events], start, end), key=lambda event: event.t)


def test_times_count_from_the_start() -> None:
    """What was so before the start is kept as it was last, and what came after the end is left out."""
    assert told(
        VipHeld(90.0, "lb1", "10.0.0.1", held=False),
        VipHeld(95.0, "lb1", "10.0.0.1", held=True),
        VipHeld(96.0, "lb2", "10.0.0.1", held=False),
        VipHeld(101.5, "lb1", "10.0.0.1", held=False),
        VipHeld(130.0, "lb1", "10.0.0.1", held=True),
        start=100.0,
        end=120.0,
    ) == [
        VipHeld(-5.0, "lb1", "10.0.0.1", held=True),
        VipHeld(-4.0, "lb2", "10.0.0.1", held=False),
        VipHeld(1.5, "lb1", "10.0.0.1", held=False),
    ]


def test_messages_of_before_the_start_are_kept_and_attempts_are_not() -> None:
    """The ledger counts every message; outages count no attempt of before the start."""
    assert told(
        Published(99.0, "orders", 1),
        Confirmed(99.1, "orders", 1),
        Attempt(99.2, "fresh", "10.0.0.1:5672", "timeout", 2.0),
        Published(100.5, "orders", 2),
        start=100.0,
        end=120.0,
    ) == [Published(-1.0, "orders", 1), Confirmed(-0.9, "orders", 1), Published(0.5, "orders", 2)]


def test_rows_become_the_events_they_were() -> None:
    """Lists of JSON become what events hold."""
    event = Peers(1.0, "r1", ("r1", "r2"), ("r3",))
    assert event_of({**event.row(), "running": ["r1", "r2"], "partitioned": ["r3"]}) == event


def test_connections_of_a_run_are_found_by_their_name() -> None:
    """Only connections that say they are of this run are closed, whatever stands before the list."""
    text = """Listing connections ...
    [{"pid":"<rabbit@r1.1.2.0>","client_properties":[["connection_name","longstr","orders@abc"]]},
     {"pid":"<rabbit@r1.1.3.0>","client_properties":{"connection_name":"workers@abc"}},
     {"pid":"<rabbit@r1.1.4.0>","client_properties":[["connection_name","longstr","orders@other"]]},
     {"pid":"<rabbit@r1.1.5.0>"}]"""
    assert parse(text, "abc") == ["<rabbit@r1.1.2.0>", "<rabbit@r1.1.3.0>"]
    assert parse("", "abc") == []
