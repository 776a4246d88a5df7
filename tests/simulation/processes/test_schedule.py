"""Faults of a scenario: what is done to whom when they begin and end, and when that is told."""

from __future__ import annotations

from typing import Any

import pytest
from designs import design
from fake_world import FakeWorld, fake_world

from rmqha_model.events import FaultBegan, FaultUndone
from rmqha_model.faults import CATALOGUE, CLIENTS
from simulation.machines.keepalived import Continue, Hang, Kill, StartUnit, StopUnit
from simulation.machines.link_parts import Process
from simulation.processes.faults.acts import ACTS
from simulation.processes.faults.impossible import FaultImpossible
from simulation.processes.faults.rolling import ASKS_S
from simulation.processes.schedule import Schedule

DEAD = (Process.ENDED, False)


def played(*faults: dict[str, Any], **changes: Any) -> tuple[FakeWorld, Schedule]:
    """Give a world of a minute in which faults are going to happen."""
    world = fake_world(design(**changes), *faults)
    schedule = Schedule(world)
    schedule.begin()
    return world, schedule


def told(world: FakeWorld) -> list[tuple[float, str, tuple[str, ...]]]:
    """Give what was told of faults."""
    events = [event for event, _ in world.told if isinstance(event, FaultBegan | FaultUndone)]
    words = {FaultBegan: "began", FaultUndone: "undone"}
    return [(round(event.t, 3), words[type(event)], event.hosts) for event in events]


def test_every_fault_of_the_catalogue_is_done() -> None:
    """A fault that only one world can do is none."""
    assert set(ACTS) == set(CATALOGUE)


@pytest.mark.parametrize(
    ("fault", "act", "undo"),
    [
        ({"fault": "broker_kill", "host": "r1"}, [("broker", "r1", "kill")], []),
        ({"fault": "broker_stop_app", "host": "r1"}, [("broker", "r1", "stop_app")], None),
        ({"fault": "broker_hang", "host": "r1"}, [("broker", "r1", "hang")], [("broker", "r1", "resume")]),
        (
            {"fault": "memory_alarm", "host": "r1"},
            [("alarm", "r1", "memory", True)],
            [("alarm", "r1", "memory", False)],
        ),
        ({"fault": "disk_alarm", "host": "r1"}, [("alarm", "r1", "disk", True)], [("alarm", "r1", "disk", False)]),
        ({"fault": "host_power_loss", "host": "r1"}, [("power_off", "r1")], [("power_on", "r1")]),
        (
            {"fault": "site_power_loss", "hosts": ["r1", "r2"]},
            [("power_off", "r1"), ("power_off", "r2")],
            [("power_on", "r1"), ("power_on", "r2")],
        ),
        ({"fault": "haproxy_stop", "host": "lb1"}, [("haproxy", "lb1", "stop")], [("haproxy", "lb1", "start")]),
        ({"fault": "haproxy_hang", "host": "lb1"}, [("haproxy", "lb1", "hang")], [("haproxy", "lb1", "resume")]),
        (
            {"fault": "haproxy_cannot_start", "host": "lb1"},
            [("haproxy", "lb1", "break_config"), ("haproxy", "lb1", "stop")],
            [("haproxy", "lb1", "mend_config"), ("haproxy", "lb1", "start"), ("keepalived", "lb1", StartUnit())],
        ),
        (
            {"fault": "keepalived_stop", "host": "lb1"},
            [("keepalived", "lb1", StopUnit())],
            [("keepalived", "lb1", StartUnit())],
        ),
        (
            {"fault": "keepalived_hang", "host": "lb1"},
            [("keepalived", "lb1", Hang("both"))],
            [("keepalived", "lb1", Continue("both"))],
        ),
        (
            {"fault": "check_script_fail", "host": "lb1"},
            [("script", "lb1", None, "fails")],
            [("script", "lb1", None, "normal"), ("keepalived", "lb1", StartUnit())],
        ),
        (
            {"fault": "check_script_hang", "host": "lb1", "script": "chk"},
            [("script", "lb1", "chk", "hangs")],
            [("script", "lb1", "chk", "normal"), ("keepalived", "lb1", StartUnit())],
        ),
    ],
)
@pytest.mark.parametrize("lasts", ["4s", None])
def test_a_fault_is_done_and_undone(
    fault: dict[str, Any], act: list[Any], undo: list[Any] | None, lasts: str | None
) -> None:
    """At its time, and when it has lasted for as long as it says, or else when the scenario ends."""
    world, _ = played({"at": "5s", **fault, **({"for": lasts} if lasts else {})})
    end = 9.0 if lasts else 60.0
    world.clock.run(8.0)
    assert world.log == [(5.0, *row) for row in act]
    world.clock.run(70.0)
    if undo is not None:
        assert world.log[len(act) :] == [(end, *row) for row in undo]
    hosts = tuple(fault.get("hosts", (fault.get("host"),)))
    assert told(world) == [(5.0, "began", hosts), (end, "undone", hosts)]


def test_the_schedule_is_not_over_before_the_scenario() -> None:
    """Without a fault, too."""
    world, schedule = played()
    world.clock.run(59.0)
    assert not schedule.over()
    world.clock.run(60.0)
    assert schedule.over()


# -- what systemd leaves dead -------------------------------------------------------------------------


def test_a_killed_broker_is_systemds() -> None:
    """It restarts it after 10 s; to start it earlier would be another undoing than its sentence says."""
    world, schedule = played({"fault": "broker_kill", "host": "r1", "at": "5s", "for": "4s"})
    world.clock.at(5.0, lambda: world.brokers.become("r1", Process.ENDED, listens=False))
    world.clock.run(60.0)
    assert [row[1:] for row in world.log] == [("broker", "r1", "kill")]
    assert not schedule.over()
    world.brokers.become("r1", Process.RUNS, listens=True)
    assert schedule.over()


def test_a_broker_that_was_stopped_is_started() -> None:
    """When its stop is through, if that takes longer than the fault lasts: systemd keeps the order."""
    world, _ = played({"fault": "broker_stop", "host": "r1", "at": "5s", "for": "4s"})
    world.clock.at(6.0, lambda: world.brokers.become("r1", Process.RUNS, listens=False))
    world.clock.at(12.0, lambda: world.brokers.become("r1", Process.ENDED, listens=False))
    world.clock.run(30.0)
    assert world.log == [(5.0, "broker", "r1", "stop"), (12.0, "broker", "r1", "start")]
    assert told(world)[-1][0] == 9.0


def test_a_broker_that_has_stopped_is_started_at_once() -> None:
    """As its undoing says."""
    world, _ = played({"fault": "broker_stop", "host": "r1", "at": "5s", "for": "4s"})
    world.clock.at(6.0, lambda: world.brokers.become("r1", Process.ENDED, listens=False))
    world.clock.run(30.0)
    assert world.log == [(5.0, "broker", "r1", "stop"), (9.0, "broker", "r1", "start")]


def test_an_application_is_started_when_it_has_stopped() -> None:
    """In the same VM; in one that was started since, it runs."""
    for early in (True, False):
        world, _ = played({"fault": "broker_stop_app", "host": "r1", "at": "5s", "for": "4s"})
        world.clock.at(6.0 if early else 10.0, lambda w=world: w.brokers.become("r1", Process.RUNS, listens=False))  # type: ignore[misc]
        world.clock.run(30.0)
        assert world.log[1:] == [(9.0 if early else 10.0, "broker", "r1", "start_app")]


def test_an_application_whose_vm_ends_is_not_started() -> None:
    """Not even when that was ordered while it stopped."""
    world, _ = played({"fault": "broker_stop_app", "host": "r1", "at": "5s", "for": "4s"})
    world.clock.at(10.0, lambda: world.brokers.become("r1", Process.ENDED, listens=False))
    world.clock.at(25.0, lambda: world.brokers.become("r1", Process.RUNS, listens=False))
    world.clock.run(30.0)
    assert [row[2:] for row in world.log] == [("r1", "stop_app")]


def test_a_boot_starts_what_was_stopped() -> None:
    """All units are enabled, so there is nothing left to start for whoever stopped one."""
    world, _ = played({"fault": "broker_stop", "host": "r1", "at": "5s", "for": "20s"})
    world.clock.at(7.0, lambda: world.hosts.power_off("r1"))
    world.clock.at(8.0, lambda: world.hosts.power_on("r1"))
    world.clock.at(9.0, lambda: world.brokers.become("r1", Process.ENDED, listens=False))
    world.clock.run(30.0)
    assert [row[1:] for row in world.log] == [("broker", "r1", "stop"), ("power_off", "r1"), ("power_on", "r1")]


@pytest.mark.parametrize("kind", ["broker_stop_app", "broker_hang", "memory_alarm"])
def test_what_a_vm_was_told_dies_with_it(kind: str) -> None:
    """Another VM was told nothing, and is left alone."""
    world, _ = played({"fault": kind, "host": "r1", "at": "5s", "for": "9s"})
    world.clock.at(6.0, lambda: world.brokers.become("r1", Process.ENDED, listens=False))
    world.clock.at(7.0, lambda: world.brokers.become("r1", Process.RUNS, listens=True))
    world.clock.run(30.0)
    assert len(world.log) == 1
    assert told(world)[-1][:2] == (14.0, "undone")


@pytest.mark.parametrize(("supervise", "starts"), [(True, []), (False, [9.0])])
def test_a_killed_keepalived_without_restart_is_started(supervise: bool, starts: list[float]) -> None:  # noqa: FBT001 - a case
    """Debian's unit leaves it dead; with the drop-in systemd starts it after 2 s."""
    world, _ = played({"fault": "keepalived_kill", "host": "lb1", "at": "5s", "for": "4s"}, os={"supervise": supervise})
    if supervise:
        world.clock.at(7.1, lambda: world.routes.dead.discard("lb1"))
    world.clock.run(30.0)
    assert world.log[0] == (5.0, "keepalived", "lb1", Kill("both"))
    assert [row[0] for row in world.log[1:]] == starts


@pytest.mark.parametrize(("process", "kill"), [("parent", Kill("parent")), ("child", Kill("child"))])
def test_which_process_of_keepalived_is_killed(process: str, kill: Kill) -> None:
    """The one that the fault names."""
    world, _ = played({"fault": "keepalived_kill", "host": "lb1", "at": "5s", "process": process})
    world.clock.run(6.0)
    assert world.log == [(5.0, "keepalived", "lb1", kill)]


@pytest.mark.parametrize(("back", "starts"), [(True, []), (False, [9.0])])
def test_a_haproxy_that_systemd_gave_up_is_started(back: bool, starts: list[float]) -> None:  # noqa: FBT001 - a case
    """One that it has restarted is left alone."""
    world, _ = played({"fault": "haproxy_kill", "host": "lb1", "at": "5s", "for": "4s"})
    if back:
        world.clock.at(5.6, lambda: world.balancers.become("lb1", "serves"))
    world.clock.run(30.0)
    assert [row[0] for row in world.log if row[1:] == ("haproxy", "lb1", "start")] == starts


# -- the network --------------------------------------------------------------------------------------


def test_a_pulled_cable_is_put_back() -> None:
    """For as long as the fault lasts there is no carrier."""
    world, _ = played({"fault": "link_down", "host": "r1", "at": "5s", "for": "4s"})
    world.clock.run(8.0)
    assert not world.network.carrier("r1")
    world.clock.run(9.0)
    assert world.network.carrier("r1")


@pytest.mark.parametrize(("duration", "over"), [("60s", 10.0), ("7s", 7.0), ("8500ms", 8.5)])
def test_a_loose_cable_flaps(duration: str, over: float) -> None:
    """Out for 1 s, in for 1 s, three times, and in at the end: of the scenario, if that is earlier."""
    fault = {"fault": "link_flap", "host": "r1", "at": "5s"}
    world = fake_world(design(), fault, duration=duration)
    schedule = Schedule(world)
    schedule.begin()
    seen = []
    for half in range(10, 24):
        world.clock.run(half / 2 + 0.25)
        seen.append(world.network.carrier("r1"))
    out = [5.25, 5.75, 7.25, 7.75, 9.25, 9.75]
    assert seen == [half / 2 + 0.25 not in out or half / 2 + 0.25 > over for half in range(10, 24)]
    assert told(world) == [(5.0, "began", ("r1",)), (over, "undone", ("r1",))]


@pytest.mark.parametrize("one_way", [False, True])
def test_a_partition_drops_and_heals(one_way: bool) -> None:  # noqa: FBT001 - a case
    """Between two sets, the place of the clients among them."""
    between = [["r1", CLIENTS], ["r2", "lb1"]]
    world, _ = played({"fault": "partition", "between": between, "at": "5s", "for": "4s", "one_way": one_way})
    world.clock.run(6.0)
    passes = world.network.passes
    assert not any(passes(here, there) for here in between[0] for there in between[1])
    assert all(passes(there, here) is one_way for here in between[0] for there in between[1])
    assert passes("r1", CLIENTS)
    assert told(world) == [(5.0, "began", ("r1", "r2", "lb1"))]
    world.clock.run(9.0)
    assert all(world.network.meet(here, there) for here in between[0] for there in between[1])


def test_bad_cables_add_up() -> None:
    """Each loses its share of what the other leaves, as long as it is bad; what is not modelled is said."""
    world, _ = played(
        {"fault": "packet_loss", "host": "r1", "at": "5s", "for": "10s", "share": 0.5},
        {"fault": "packet_loss", "host": "r1", "at": "8s", "for": "2s", "share": 0.2},
    )
    losses = []
    for at in (6.0, 9.0, 11.0, 16.0):
        world.clock.run(at)
        losses.append(round(world.network.loss("r1", "r2"), 6))
    assert losses == [0.5, 0.6, 0.5, 0.0]
    assert len(world.not_modelled) == 1


def test_power_returns_with_a_stagger() -> None:
    """One host after the other, in the order of the list; that it is undone is told with the first."""
    world, schedule = played({"fault": "site_power_loss", "hosts": ["r2", "r1", "r3"], "at": "5s", "stagger": "2s"})
    world.clock.run(61.0)
    assert [row[:1] + row[2:] for row in world.log if row[1] == "power_on"] == [(60.0, "r2")]
    assert not schedule.over()
    world.clock.run(70.0)
    assert [row[::2] for row in world.log if row[1] == "power_on"] == [(60.0, "r2"), (62.0, "r1"), (64.0, "r3")]
    assert told(world)[-1] == (60.0, "undone", ("r2", "r1", "r3"))
    assert schedule.over()


def test_the_whole_site() -> None:
    """Without a list, every host of the design."""
    world, _ = played({"fault": "site_power_loss", "at": "5s"})
    world.clock.run(6.0)
    assert told(world) == [(5.0, "began", ("r1", "r2", "r3", "lb1", "lb2"))]


# -- what ends by itself ------------------------------------------------------------------------------


def restarts(world: FakeWorld, host: str, at: float, takes: float) -> None:
    """Have a broker stop and serve again."""
    world.clock.at(at, lambda: world.brokers.become(host, Process.ENDED, listens=False))
    world.clock.at(at + takes, lambda: world.brokers.become(host, Process.RUNS, listens=True))


@pytest.mark.parametrize(("takes", "over"), [(12.0, 19.0), (90.0, 60.0)])
def test_a_restart_is_over_when_the_broker_serves(takes: float, over: float) -> None:
    """Or when the scenario is: to start what is being restarted is told as the end (integration/faults/active.py)."""
    world, schedule = played({"fault": "broker_restart", "host": "r1", "at": "5s"})
    world.clock.at(6.0, lambda: world.brokers.become("r1", Process.RUNS, listens=True))  # the old one still
    restarts(world, "r1", 7.0, takes)
    world.clock.run(61.0)
    assert told(world) == [(5.0, "began", ("r1",)), (over, "undone", ("r1",))]
    assert schedule.over() is (takes < 60)
    world.clock.run(100.0)
    assert schedule.over()
    assert world.log == [(5.0, "broker", "r1", "restart")]


def test_a_reboot_is_waited_for() -> None:
    """It is over when the host has booted, also after the scenario; what began before it is undone after it."""
    world, schedule = played(
        {"fault": "link_down", "host": "r2", "at": "4s"},
        {"fault": "host_reboot", "host": "r1", "at": "55s"},
        {"fault": "link_down", "host": "r3", "at": "56s"},
    )
    world.clock.run(65.0)
    assert world.network.carrier("r3")
    assert not world.network.carrier("r2")
    assert not schedule.over()
    world.hosts.reboots["r1"]()
    assert schedule.over()
    assert told(world)[3:] == [(60.0, "undone", ("r3",)), (65.0, "undone", ("r1",)), (65.0, "undone", ("r2",))]


def test_a_rolling_restart_of_brokers() -> None:
    """Each when the one before it serves, is known to all and has been asked; then the pause (as measured)."""
    world, _ = played(
        {"fault": "rolling_restart", "layer": "brokers", "hosts": ["r1", "r2"], "at": "5s", "pause": "3s"}
    )
    restarts(world, "r1", 7.0, 10.0)
    world.clock.run(26.0)
    (first, second) = [row[0] for row in world.log]
    assert first == 5.0
    low, high = ASKS_S["brokers"]
    assert low <= second - 17.0 - 3.0 <= high
    restarts(world, "r2", 27.0, 10.0)
    world.brokers.unknown.add("r1")
    world.clock.run(45.0)
    assert len(told(world)) == 1
    world.brokers.unknown.clear()
    world.clock.run(47.0)
    assert [row[2:] for row in world.log] == [("r1", "restart"), ("r2", "restart")]
    assert told(world)[-1][1:] == ("undone", ("r1", "r2"))


def test_a_broker_that_a_majority_needs_is_waited_for() -> None:
    """For a minute, then it is restarted all the same; as soon as it can be spared, else."""
    for spared_at, earliest in ((30.0, 30.0), (1000.0, 70.0)):
        fault = {"fault": "rolling_restart", "layer": "brokers", "at": "5s", "pause": "0s"}
        world = fake_world(design(), fault, duration="200s")
        schedule = Schedule(world)
        schedule.begin()
        world.queues.critical.add("r2")
        world.clock.at(spared_at, world.queues.critical.clear)
        restarts(world, "r1", 6.0, 4.0)
        world.clock.run(90.0)
        second = world.log[1][0]
        assert 0 <= second - earliest <= 1.0 + ASKS_S["brokers"][1]


def test_a_rolling_restart_of_haproxy() -> None:
    """Over when the last one listens and was asked."""
    world, _ = played({"fault": "rolling_restart", "layer": "haproxy", "at": "5s", "pause": "3s"})
    world.clock.at(5.1, lambda: world.balancers.become("lb1", "serves"))
    world.clock.at(10.0, lambda: world.balancers.become("lb2", "serves"))
    world.clock.run(20.0)
    low, high = ASKS_S["haproxy"]
    assert low <= world.log[1][0] - 8.1 <= high
    assert low <= told(world)[-1][0] - 10.0 + 1e-3
    assert told(world)[-1][0] <= 10.0 + high


def test_a_rolling_restart_of_keepalived() -> None:
    """Each takes the second that a stopped child waits, and the start; as measured, 4.2 s apart with a pause of 3 s."""
    world, _ = played({"fault": "rolling_restart", "layer": "keepalived", "at": "5s", "pause": "3s"})
    world.clock.at(6.0, world.routes.dead.clear)
    world.clock.at(10.5, world.routes.dead.clear)
    world.clock.run(20.0)
    times = {row[2]: row[0] for row in world.log if row[3] == StopUnit()}
    assert 4.1 <= times["lb2"] - times["lb1"] <= 4.25
    assert told(world)[-1][1] == "undone"


def test_a_rolling_restart_ends_with_the_scenario() -> None:
    """The one that is under way is waited for, and no more are begun."""
    world = fake_world(design(), {"fault": "rolling_restart", "layer": "brokers", "at": "5s"}, duration="10s")
    schedule = Schedule(world)
    schedule.begin()
    restarts(world, "r1", 7.0, 10.0)
    world.clock.run(60.0)
    assert len(world.log) == 1
    assert schedule.over()
    assert 17.0 < told(world)[-1][0] < 22.0


# -- several, and what cannot be done -----------------------------------------------------------------


def test_what_ends_in_an_instant_ends_before_what_begins_in_it() -> None:
    """So a fault of what was down until then is possible."""
    world, _ = played(
        {"fault": "haproxy_hang", "host": "lb1", "at": "9s"},
        {"fault": "host_power_loss", "host": "lb2", "at": "5s", "for": "4s"},
        {"fault": "link_down", "host": "lb2", "at": "9s"},
    )
    world.clock.run(10.0)
    assert [row[1:] for row in told(world)] == [
        ("began", ("lb2",)),
        ("undone", ("lb2",)),
        ("began", ("lb1",)),
        ("began", ("lb2",)),
    ]


def test_at_the_end_the_last_is_undone_first() -> None:
    """As in the lab."""
    world, _ = played(
        {"fault": "haproxy_hang", "host": "lb1", "at": "5s"}, {"fault": "haproxy_hang", "host": "lb2", "at": "6s"}
    )
    world.clock.run(60.0)
    assert [row[2] for row in world.log] == ["lb1", "lb2", "lb2", "lb1"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "broker_kill", "host": "r2"}, "broker_kill at 5s: r2: found no beam.smp"),
        ({"fault": "memory_alarm", "host": "r3"}, "r3: rabbitmqctl has no answer"),
        ({"fault": "haproxy_stop", "host": "lb2"}, "lb2: found no haproxy"),
        ({"fault": "keepalived_hang", "host": "lb2"}, "lb2: found no keepalived"),
        ({"fault": "link_down", "host": "r1"}, "link_down at 5s: r1: has no power"),
        ({"fault": "rolling_restart", "layer": "haproxy"}, "lb2: its haproxy are down"),
        ({"fault": "broker_kill", "host": "@leader"}, "nobody is @leader now"),
    ],
)
def test_a_fault_that_cannot_be_done_is_an_error(fault: dict[str, Any], words: str) -> None:
    """In words, before anything is told or done."""
    world, _ = played({"at": "5s", **fault})
    world.hosts.off.add("r1")
    world.brokers.states |= {"r2": DEAD, "r3": (Process.HANGS, True)}
    world.balancers.states["lb2"] = "dead"
    world.routes.dead.add("lb2")
    with pytest.raises(FaultImpossible, match=words):
        world.clock.run(6.0)
    assert not told(world)
    assert not world.log


def test_a_file_cannot_be_put_back_without_power() -> None:
    """As in the lab, that is an error and no silence."""
    world, _ = played({"fault": "haproxy_cannot_start", "host": "lb1", "at": "5s", "for": "5s"})
    world.clock.at(7.0, lambda: world.hosts.power_off("lb1"))
    with pytest.raises(FaultImpossible, match="lb1: a file cannot be put back: the host has no power"):
        world.clock.run(20.0)


def test_a_host_that_boots_starts_its_daemons_itself() -> None:
    """An order to start one of them meanwhile is none."""
    world, _ = played({"fault": "haproxy_stop", "host": "lb1", "at": "5s", "for": "5s"})
    world.clock.at(7.0, lambda: world.hosts.boots.add("lb1"))
    world.clock.run(20.0)
    assert world.log == [(5.0, "haproxy", "lb1", "stop")]
