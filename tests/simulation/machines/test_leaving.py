"""Sessions whose client has gone: how long each keeps its place at a server that does not close."""

from __future__ import annotations

from typing import Any

import pytest

from simulation.machines.leaving import Leaving, Left
from simulation.machines.session import Proxy, ShutDown, Side
from simulation.machines.session_settings import SessionSettings

KEPT = SessionSettings(timeout_client=40, timeout_server=60, gives_up=26, keepalive_server=(10, 20))
ALIVE, GONE, QUIET, FROZEN = (Side("server", each) for each in ("alive", "gone", "silent", "frozen"))


def left(
    inputs: list[tuple[float, Any]], condition: Any = "frozen", how: SessionSettings = KEPT, **kind: Any
) -> Left | None:
    """Play one whose client goes at 2, and who has last heard something at 1."""
    machine = Leaving(how, now=2.0, active=1.0, condition=condition, **kind)
    found: list[Left] = []
    for t, input_ in [*inputs, (1e6, None)]:
        while machine.due < t:
            found += machine.fire()
        if input_ is not None:
            found += machine.feed(t, input_)
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("inputs", "how", "expected"),
    [
        ([], {}, (61.0, "timeout")),
        ([], {"timeout_tunnel": 3600}, (3601.0, "timeout")),
        ([], {"timeout_server_fin": 5}, (7.0, "timeout")),
        ([], {"timeout_server": 0.5}, (2.0, "timeout")),
        ([(8.0, ALIVE)], {}, (8.0, "the server closed")),
        ([(8.0, GONE)], {}, (8.0, "the server closed")),
        ([(8.0, ShutDown())], {"shutdown_sessions": True}, (8.0, "its server was marked DOWN")),
        ([(8.0, ShutDown())], {}, (61.0, "timeout")),
        ([(8.0, Proxy("gone"))], {}, (8.0, "HAProxy ended")),
        # The FIN was acknowledged, so nothing waits for that: only probes find out, those before it fell silent aside.
        ([(15.0, QUIET)], {}, (42.0, "keepalive not answered")),
        ([(15.0, QUIET), (16.0, FROZEN)], {}, (61.0, "timeout")),
    ],
)
def test_a_frozen_server_keeps_it(inputs: Any, how: Any, expected: Any) -> None:
    """Until it closes, is marked DOWN where that ends sessions, or has said nothing for as long as HAProxy waits."""
    assert left(inputs, how=SessionSettings(**{**vars_of(KEPT), **how})) == expected


def vars_of(how: SessionSettings) -> dict[str, Any]:
    """Give its fields."""
    return {name: getattr(how, name) for name in SessionSettings.__dataclass_fields__}


def test_a_silent_server_acknowledges_no_fin() -> None:
    """The kernel gives up what it has sent, unless the server is back."""
    assert left([], "silent") == (28.0, "FIN not acknowledged")
    assert left([(9.0, FROZEN)], "silent") == (61.0, "timeout")
    assert left([(9.0, ALIVE)], "silent") == (9.0, "the server closed")


def test_a_haproxy_that_stands_still_has_not_read_the_fin() -> None:
    """It does so when it goes on; before 3.1 its timers have not seen the time between."""
    resumed = (12.0, Proxy("alive"))
    assert left([(5.0, ALIVE), resumed], frozen=True) == (12.0, "the server closed")
    assert left([resumed], frozen=True) == (71.0, "timeout")
    assert left([resumed], "silent", frozen=True) == (38.0, "FIN not acknowledged")
    assert left([(5.0, Proxy("frozen")), resumed]) == (68.0, "timeout")
    later = SessionSettings(60, 60, hides_jumps=False)
    assert left([(5.0, Proxy("frozen")), resumed], how=later) == (61.0, "timeout")
    assert left([(5.0, Proxy("frozen"))]) is None
