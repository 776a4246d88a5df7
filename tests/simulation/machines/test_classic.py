"""Classic queues whose home is down, by release."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from designs import design
from hypothesis import given
from hypothesis import strategies as st

from simulation.machines.classic import Classic, ClassicSettings, HomeGone
from simulation.machines.machine import NEVER


def of(release: str, **kind: bool) -> ClassicSettings:
    """Give what a release does."""
    return ClassicSettings.from_design(design(versions={"rabbitmq": release}), **kind)


KILLED = HomeGone(clean=False)


@pytest.mark.parametrize(
    ("release", "clean", "publish", "declare", "cancel"),
    [
        ("3.8.9", False, "unroutable", 0.0, 0.0),
        ("3.9.5", False, "unroutable", 0.0, 0.0),
        ("3.10.8", True, "unroutable", 0.0, 0.0),
        ("3.13.7", False, "nacked", 60.0, 60.0),
        ("3.13.7", True, "nacked", 0.0, 0.0),
        ("4.0.5", False, "nacked", 60.0, 0.0),
        ("4.3.6", True, "nacked", 0.0, 0.0),
    ],
)
def test_a_durable_queue_without_its_home(
    release: str,
    clean: bool,  # noqa: FBT001
    publish: str,
    declare: float,
    cancel: float,
) -> None:
    """Up to 3.10 it is not found and publishes are confirmed and dropped; from 3.11 they are nacked."""
    (view,) = Classic(of(release)).feed(10.0, HomeGone(clean=clean))
    assert (view.publish, view.declare_s, view.cancel_s) == (publish, declare, cancel)
    assert (view.declare, view.consumers, view.outstanding, view.gone) == ("not_found", "cancelled", "nacked", False)


def test_it_comes_back_with_what_was_on_disk() -> None:
    """Persistent messages of a durable queue, no others."""
    for persistent in (True, False):
        queue = Classic(of("3.10.8", persistent=persistent))
        queue.feed(10.0, KILLED)
        (view,) = queue.feed(30.0, "back")
        assert (view.publish, view.declare, view.consumers, view.lost) == ("confirmed", "ok", "served", not persistent)


def test_a_queue_that_is_not_durable_is_deleted_or_kept_by_release() -> None:
    """Kept from 4.2 with Khepri."""
    (view,) = Classic(of("3.10.8", durable=False)).feed(10.0, KILLED)
    assert (view.gone, view.lost, view.declare) == (True, True, "ok")
    (view,) = Classic(of("4.3.6", durable=False)).feed(10.0, KILLED)
    assert not view.gone


def test_a_silent_home_is_waited_for() -> None:
    """Until Erlang declares it down; a channel that has to connect to it then waits once more."""
    queue = Classic(of("3.13.7"))
    assert [one.publish for one in queue.feed(10.0, "silent")] == ["waits"]
    (view,) = queue.feed(74.0, HomeGone(clean=False, answers=False, reason=(("net_ticktime", 64.0),)))
    assert (view.publish, view.publish_s, view.reason) == ("nacked", 7.0, (("net_ticktime", 64.0),))
    assert [one.publish for one in Classic(of("3.13.7")).feed(1.0, "heard")] == []


@pytest.mark.slow
@given(st.lists(st.sampled_from([KILLED, HomeGone(clean=True), "silent", "heard", "back"])), st.booleans())
def test_only_changes_are_told(drawn: list[Any], durable: bool) -> None:  # noqa: FBT001
    """It is served, waited for, down or deleted, and never told to be the same twice."""
    queue, told = Classic(of("3.10.8", durable=durable)), ["confirmed"]
    deleted = False
    for now, what in enumerate(drawn):
        views = queue.feed(float(now), what)
        assert not (deleted and views)
        for view in views:
            deleted = view.gone
            told.append(view.publish)
    assert all(one != other for one, other in itertools.pairwise(told))
    assert queue.due == NEVER
    assert queue.fire() == []


@pytest.mark.parametrize(("release", "afterwards"), [("3.10.8", "unroutable"), ("4.0.5", "nacked")])
def test_while_rabbitmq_stops_in_order_publishes_are_nacked(release: str, afterwards: str) -> None:
    """Its process has ended, and the others take its node for running still; measured on 3.10.8."""
    queue = Classic(of(release))
    (stopped,) = queue.feed(10.0, "stopped")
    assert (stopped.publish, stopped.declare, stopped.consumers) == ("nacked", "not_found", "cancelled")
    assert (stopped.outstanding, stopped.cancel_s) == ("nacked", 0.0)
    assert not queue.feed(11.0, "silent")
    assert not queue.feed(12.0, "stopped")
    (gone,) = queue.feed(15.0, HomeGone(clean=True))
    assert gone.publish == afterwards
    (back,) = queue.feed(20.0, "back")
    assert (back.publish, back.lost) == ("confirmed", False)
