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
from simulation.machines.node_settings import STATS_S

RUNS, HANGS, ENDED, GONE = Process.RUNS, Process.HANGS, Process.ENDED, Process.GONE
KNOWN = BrokerSettings()


def broker(draw: float = 0.0, **changes: Any) -> Broker:
    """Give one whose draws are all the same, and as high as its host is busy."""
    return Broker(BrokerSettings(busy=draw, **changes), lambda _: draw)


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
    """10 s of systemd, and a start [lab: 13.9 s in quiet to 39.6 s under load after the kill]."""
    said = play(broker(draw), [(100.0, "kill")])
    assert rows(said)[0] == (100.0, ENDED, False)
    assert said[-1].listens
    assert 13.3 <= said[-1].t - 100.0 <= 41.5
    assert sum(seconds for _, seconds in said[-1].reason) == pytest.approx(said[-1].t - 100.0)


def test_a_stopped_broker_stays_stopped() -> None:
    """Its listeners close first, its VM ends last, and systemd leaves it so."""
    said = play(broker(), [(100.0, "stop"), (300.0, "start")])
    assert rows(said) == [
        (100.405, RUNS, False), (100.415, RUNS, False), (100.435, ENDED, False),
        (301.4, RUNS, False), (303.3, RUNS, False), (303.34, RUNS, False), (303.37, RUNS, True),
    ]  # fmt: skip
    assert [one.stage for one in said] == ["runs", "out", "out", "out", "joined", "runs", "runs"]
    assert said[0].reason == (("rabbitmqctl's start", 0.4), ("its listeners close", 0.005))


def test_statistics_delay_the_end_of_the_application_in_some_releases() -> None:
    """Peers see it run for 5 s more, though its listeners are closed [lab: 3.10.8]."""
    said = play(broker(quit_s=STATS_S), [(100.0, "stop_app")])
    assert [(round(one.t, 3), one.listens, one.stage) for one in said] == [
        (100.005, False, "runs"), (105.005, False, "out"),
    ]  # fmt: skip


def test_stop_app_leaves_the_vm() -> None:
    """Links stay; start_app needs no restart."""
    said = play(broker(), [(100.0, "stop_app"), (200.0, "start_app")])
    assert {one.process for one in said} == {RUNS}
    assert rows(said)[-1] == (200.37, RUNS, True)
    said = play(broker(quit_s=STATS_S), [(100.0, "stop_app"), (102.0, "start_app")])
    assert rows(said)[-1] == (105.375, RUNS, True)


def test_a_frozen_broker_listens_in_its_kernel() -> None:
    """And goes on as if nothing had been."""
    assert rows(play(broker(), [(100.0, "hang"), (170.0, "resume")])) == [(100.0, HANGS, True), (170.0, RUNS, True)]


def test_a_frozen_boot_takes_that_much_longer() -> None:
    """Timers and work wait."""
    quick = rows(play(broker(), [(100.0, "kill")]))[-1]
    said = play(broker(), [(100.0, "kill"), (112.0, "hang"), (120.0, "resume")])
    assert rows(said)[-1] == (round(quick[0] + 8.0, 3), RUNS, True)
    assert ("frozen", 8.0) in said[-1].reason


def test_a_frozen_broker_can_be_killed() -> None:
    """SIGKILL needs nobody's help, and is a failure to systemd."""
    said = play(broker(), [(100.0, "hang"), (150.0, "kill")])
    assert rows(said)[1:3] == [(150.0, ENDED, False), (161.43, RUNS, False)]


def test_a_frozen_broker_is_stopped_when_it_goes_on_or_by_systemd() -> None:
    """What it was told waits for it; systemd's patience does not wait."""
    said = play(broker(), [(100.0, "hang"), (110.0, "stop"), (120.0, "resume")])
    assert rows(said)[-1] == (120.435, ENDED, False)
    said = play(broker(stop_limit_s=90.0), [(100.0, "hang"), (110.0, "restart")])
    assert rows(said)[1] == (200.0, ENDED, False)
    assert said[-1].listens


def test_a_frozen_broker_does_all_that_it_was_told_in_its_order() -> None:
    """A stop is not forgotten for what comes after it, and systemd does not end it once it is through."""
    said = play(broker(), [(100.0, "hang"), (110.0, "stop"), (112.0, "stop_app"), (120.0, "resume")])
    assert rows(said)[-1] == (120.435, ENDED, False)
    said = play(broker(), [(100.0, "hang"), (110.0, "stop_app"), (112.0, "start_app"), (120.0, "resume")])
    assert [(round(one.t, 3), one.stage) for one in said][-3:] == [
        (120.315, "joined"),
        (120.355, "runs"),
        (120.385, "runs"),
    ]
    assert said[-1].listens
    for resumed in (120.0, 300.0):
        said = play(broker(), [(100.0, "hang"), (110.0, "stop"), (112.0, "start"), (resumed, "resume")])
        assert ENDED in {one.process for one in said}
        assert said[-1].listens


def test_on_a_busy_host_everything_takes_longer() -> None:
    """Together, within what was seen; what waits for a clock does not."""
    quiet, half, full = (BrokerSettings(busy=busy, quit_s=STATS_S) for busy in (0.0, 0.5, 1.0))
    for what in ("vm", "boot", "again", "load", "listen", "order", "close", "halt", "unit", "slack"):
        low, high = quiet.range_of(what)
        assert quiet.took(what, 0.0) == low
        assert quiet.took(what, 1.0) < half.took(what, 1.0) < full.took(what, 1.0) == pytest.approx(high)
        assert quiet.took(what, 0.5) < half.took(what, 0.5) < full.took(what, 0.5) < high
    assert quiet.took("quit", 0.5) == full.took("quit", 0.5) == pytest.approx(5.1)
    assert BrokerSettings(host_boot_s=(0.0, 0.0), busy=1.0).took("host_boot", 0.5) == 0.0


def test_power_comes_back_with_a_boot_of_the_host() -> None:
    """Nobody answers for it before."""
    said = play(broker(), [(100.0, "power_off"), (150.0, "power_on")])
    assert rows(said)[:3] == [(100.0, GONE, False), (152.0, ENDED, False), (153.4, RUNS, False)]
    words = [what for what, _ in said[-1].reason]
    assert words[:3] == ["the host's boot", "the VM's start", "the application's boot"]


def test_a_reboot_is_a_stop_and_a_boot() -> None:
    """In order."""
    seen = rows(play(broker(), [(100.0, "reboot")]))
    assert [process for _, process, _ in seen][2:5] == [ENDED, GONE, ENDED]
    assert seen[-1][2]


def test_a_boot_waits_for_peers_and_gives_up_after_five_minutes() -> None:
    """BOOT FAILED is a failure to systemd, which starts it again."""
    one = broker()
    said = play(one, [(50.0, "peers_missing"), (100.0, "kill")], 500.0)
    assert rows(said) == [
        (100.0, ENDED, False), (111.43, RUNS, False), (113.33, RUNS, False), (413.33, ENDED, False),
        (424.76, RUNS, False), (426.66, RUNS, False),
    ]  # fmt: skip
    assert said[-1].stage == "joined"
    said = play(one, [(600.0, "peers_ready")], 700.0)
    assert rows(said)[-1] == (600.07, RUNS, True)
    assert dict(said[-1].reason)["wait for its peers"] == pytest.approx(173.34)


def test_an_application_started_by_hand_gives_up_without_its_vm() -> None:
    """As after a pause: the unit is not touched."""
    one = broker()
    play(one, [(50.0, "peers_missing"), (100.0, "stop_app"), (110.0, "start_app")], 500.0)
    assert one.process is RUNS
    assert (one.listens, one.stage) == (False, "out")
    assert one.due == NEVER


def test_without_restart_it_is_left_dead() -> None:
    """Until somebody starts it."""
    one = broker(restart_s=None)
    play(one, [(100.0, "kill")])
    assert one.due == NEVER


def test_a_stop_that_takes_too_long_is_ended() -> None:
    """TimeoutStopSec."""
    assert rows(play(broker(1.0, stop_limit_s=4.0), [(100.0, "stop")])) == [(104.0, ENDED, False)]


def test_a_start_asked_for_while_it_stops_follows_the_stop() -> None:
    """As systemd queues it."""
    assert play(broker(), [(100.0, "stop"), (100.43, "start")])[-1].listens


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
    seen = [(RUNS, True, "runs"), *((view.process, view.listens, view.stage) for view in said)]
    assert all(before != after for before, after in itertools.pairwise(seen))
    assert all(process in {RUNS, HANGS} and stage == "runs" for process, listens, stage in seen if listens)
    assert all(process in {RUNS, HANGS} for process, _, stage in seen if stage != "out")
    assert all(seconds >= 0 for view in said for _, seconds in view.reason)
    one.feed(now + 6000, "power_off")
    play(one, [(now + 6001, "peers_ready"), (now + 6002, "power_on")], now + 7000)
    assert one.listens


def test_settings_come_from_the_design() -> None:
    """With the drop-in a stop may take longer; the release decides what its peers and its plugins cost."""
    assert BrokerSettings.from_design(design(), "r1").stop_limit_s == 600.0
    assert BrokerSettings.from_design(design(os={"supervise": False}), "r1") == KNOWN

    def of(release: str, **rabbitmq: Any) -> BrokerSettings:
        return BrokerSettings.from_design(design(versions={"rabbitmq": release}, rabbitmq=rabbitmq), "r1")

    assert [of(release).quit_s == STATS_S for release in ("3.8.9", "3.10.8", "3.13.1", "3.13.2", "4.0.5")] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert of("3.10.8", plugins=()).quit_s == KNOWN.quit_s
    assert of("3.8.9").listen_s > of("3.10.8").listen_s
