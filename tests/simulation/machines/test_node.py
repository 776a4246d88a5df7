"""A broker's process: what is seen of it, and when."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from designs import design
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.machines.link_parts import Process
from simulation.machines.machine import NEVER
from simulation.machines.node import Broker, BrokerSettings, BrokerView

RUNS, HANGS, ENDED, GONE = Process.RUNS, Process.HANGS, Process.ENDED, Process.GONE
KNOWN = BrokerSettings()


def broker(draw: float = 0.0, **changes: Any) -> Broker:
    """Give one whose draws are all the same."""
    return Broker(BrokerSettings(**changes), lambda _: draw)


def play(one: Broker, schedule: list[tuple[float, Any]], until: float = 2000.0) -> list[BrokerView]:
    """Drive a broker."""
    said: list[BrokerView] = []
    for now, what in [*schedule, (until, None)]:
        while one.due <= now:
            said += one.fire()
        if what is not None:
            said += one.feed(now, what)
    return said


def rows(said: list[BrokerView]) -> list[tuple[float, Process, bool]]:
    """Give what is seen, rounded."""
    return [(round(one.t, 3), one.process, one.listens) for one in said]


@given(st.floats(0, 1))
def test_a_killed_broker_listens_again_after_restart_and_boot(draw: float) -> None:
    """10 s of systemd, and a boot [M: between 14.3 and 19.3 s after the kill]."""
    said = play(broker(draw), [(100.0, "kill")])
    assert rows(said)[0] == (100.0, ENDED, False)
    assert said[-1].listens
    assert 14.3 - 1e-9 <= said[-1].t - 100.0 <= 19.3 + 1e-9
    assert sum(seconds for _, seconds in said[-1].reason) == pytest.approx(said[-1].t - 100.0)


def test_a_stopped_broker_stays_stopped() -> None:
    """Its listeners close first, its VM ends last, and systemd leaves it so."""
    said = play(broker(), [(100.0, "stop"), (300.0, "start")])
    assert rows(said) == [
        (100.1, RUNS, False), (101.1, ENDED, False), (301.0, RUNS, False), (304.3, RUNS, True),
    ]  # fmt: skip


def test_stop_app_leaves_the_vm() -> None:
    """Links stay; start_app needs no restart."""
    said = play(broker(), [(100.0, "stop_app"), (200.0, "start_app")])
    assert rows(said) == [(100.1, RUNS, False), (203.3, RUNS, True)]


def test_a_frozen_broker_listens_in_its_kernel() -> None:
    """And goes on as if nothing had been."""
    assert rows(play(broker(), [(100.0, "hang"), (170.0, "resume")])) == [(100.0, HANGS, True), (170.0, RUNS, True)]


def test_a_frozen_boot_takes_that_much_longer() -> None:
    """Timers and work wait."""
    said = play(broker(), [(100.0, "kill"), (112.0, "hang"), (120.0, "resume")])
    assert rows(said)[-1] == (122.3, RUNS, True)


def test_a_frozen_broker_can_be_killed() -> None:
    """SIGKILL needs nobody's help, and is a failure to systemd."""
    said = play(broker(), [(100.0, "hang"), (150.0, "kill")])
    assert rows(said)[1:] == [(150.0, ENDED, False), (161.0, RUNS, False), (164.3, RUNS, True)]


def test_power_comes_back_with_a_boot_of_the_host() -> None:
    """Nobody answers for it before."""
    said = play(broker(), [(100.0, "power_off"), (150.0, "power_on")])
    assert rows(said) == [(100.0, GONE, False), (152.0, ENDED, False), (153.0, RUNS, False), (156.3, RUNS, True)]
    words = [what for what, _ in said[-1].reason]
    assert words == ["the host's boot", "the VM's start", "the application's start"]


def test_a_reboot_is_a_stop_and_a_boot() -> None:
    """In order."""
    seen = rows(play(broker(), [(100.0, "reboot")]))
    assert [process for _, process, _ in seen] == [RUNS, ENDED, GONE, ENDED, RUNS, RUNS]
    assert seen[-1][2]


def test_a_boot_waits_for_peers_and_gives_up_after_five_minutes() -> None:
    """BOOT FAILED is a failure to systemd, which starts it again."""
    one = broker()
    said = play(one, [(50.0, "peers_missing"), (100.0, "kill")], 500.0)
    assert rows(said) == [
        (100.0, ENDED, False), (111.0, RUNS, False), (411.0, ENDED, False), (422.0, RUNS, False),
    ]  # fmt: skip
    said = play(one, [(600.0, "peers_ready")], 700.0)
    assert rows(said) == [(603.3, RUNS, True)]
    assert ("wait for its peers", 178.0) in said[-1].reason


def test_an_application_started_by_hand_gives_up_without_its_vm() -> None:
    """As after a pause: the unit is not touched."""
    one = broker()
    play(one, [(50.0, "peers_missing"), (100.0, "stop_app"), (110.0, "start_app")], 500.0)
    assert one.process is RUNS
    assert not one.listens
    assert one.due == NEVER


def test_without_restart_it_is_left_dead() -> None:
    """Until somebody starts it."""
    one = broker(restart_s=None)
    play(one, [(100.0, "kill")])
    assert one.due == NEVER


def test_a_stop_that_takes_too_long_is_ended() -> None:
    """TimeoutStopSec."""
    assert rows(play(broker(1.0, stop_limit_s=4.0), [(100.0, "stop")]))[-1] == (105.0, ENDED, False)


commands = ["kill", "stop", "start", "stop_app", "start_app", "hang", "resume", "restart", "power_off", "power_on"]
commands += ["reboot", "peers_ready", "peers_missing"]


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(st.tuples(st.floats(0, 60), st.sampled_from(commands)), max_size=15), st.floats(0, 1))
def test_what_is_seen_makes_sense(waits: Any, draw: float) -> None:
    """Times do not run back, nothing is told twice, and only what lives listens."""
    now, plan = 0.0, []
    for wait, what in waits:
        now += wait
        plan.append((now, what))
    one = broker(draw)
    said = play(one, plan, now + 5000)
    times = [view.t for view in said]
    assert times == sorted(times)
    seen = [(RUNS, True), *((view.process, view.listens) for view in said)]
    assert all(before != after for before, after in itertools.pairwise(seen))
    assert all(process in {RUNS, HANGS} for process, listens in seen if listens)
    assert one.ready or not one.listens or (RUNS, True) in seen
    one.feed(now + 6000, "power_off")
    play(one, [(now + 6001, "peers_ready"), (now + 6002, "power_on")], now + 7000)
    assert one.listens


def test_settings_come_from_the_design() -> None:
    """With the drop-in a stop may take longer."""
    assert BrokerSettings.from_design(design(), "r1").stop_limit_s == 600.0
    assert BrokerSettings.from_design(design(os={"supervise": False}), "r1") == KNOWN
