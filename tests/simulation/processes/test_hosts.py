"""Power and boots of hosts: in which order what is done, and when."""

from __future__ import annotations

from typing import Any

import pytest
from designs import design
from fake_world import FakeWorld, fake_world
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.events import HostState
from simulation.machines.keepalived import LINGER_S, StopUnit
from simulation.machines.link_parts import Process
from simulation.processes.hosts import ANSWERS_S, BOOT_S, SHUTDOWN_S, HostPower

BOTH = {
    "haproxy": {"hosts": ["r1", "r2"], "listeners": {"amqp": {"kind": "amqp", "port": 5670}}},
    "keepalived": {"hosts": ["r1", "r2"]},
}
"""Load balancers that share their hosts with brokers, as in the article."""


def world_of(seed: int = 0, **changes: Any) -> FakeWorld:
    """Give a world with real power, and all else faked."""
    world = fake_world(design(**(BOTH | changes)), seed=seed)
    world.hosts = HostPower(world)
    world.hosts.begin()
    return world


def states(world: FakeWorld, host: str) -> list[tuple[float, bool]]:
    """Give when a host was seen on or off, after the start."""
    told = [event for event, _ in world.told if isinstance(event, HostState) and event.host == host]
    return [(event.t, event.on) for event in told[1:]]


def did(world: FakeWorld, *what: str) -> list[float]:
    """Give when something was done."""
    return [row[0] for row in world.log if tuple(map(str, row[1:]))[: len(what)] == what]


def test_all_have_power_at_first() -> None:
    """Each host is seen on at 0."""
    world = world_of()
    assert [event for event, _ in world.told] == [HostState(0.0, host, on=True) for host in world.topology.hosts]


def test_a_loss_of_power_ends_everything_at_once() -> None:
    """The network is gone before anybody could say a last word; each hears of it once."""
    world = world_of()
    heard: list[tuple[str, bool]] = []
    world.hosts.on_power(lambda host: heard.append((host, world.hosts.has_power(host))))
    seen: list[bool] = []
    world.brokers.on_served(lambda _: seen.append(world.network.powered("r1")))
    world.clock.run(5.0)
    world.hosts.power_off("r1")
    world.hosts.power_off("r1")
    assert world.log == [
        (5.0, "broker", "r1", "power_off"),
        (5.0, "haproxy", "r1", "power_off"),
        (5.0, "keepalived", "r1", "off"),
    ]
    assert (seen, heard, states(world, "r1")) == ([False], [("r1", False)], [(5.0, False)])
    assert not world.hosts.has_power("r1")
    assert not world.hosts.booted("r1")


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_a_boot_takes_as_long_as_measured(seed: int) -> None:
    """The kernel answers as soon as the host is on, daemons start later."""
    world = world_of(seed)
    world.hosts.power_off("r3")
    world.hosts.power_on("r3")
    world.hosts.power_on("r3")
    assert world.hosts.has_power("r3")
    assert not world.network.powered("r3")
    world.clock.run(60.0)
    (off, on), (start,) = states(world, "r3"), did(world, "broker", "r3", "power_on")
    assert off == (0.0, False)
    assert ANSWERS_S[0] <= on[0] <= ANSWERS_S[1]
    assert BOOT_S[0] <= start - on[0] + 1e-6
    assert start - on[0] <= BOOT_S[1] + 1e-6
    assert world.network.powered("r3")
    assert world.hosts.booted("r3")


def test_keepalived_is_started_after_haproxy() -> None:
    """The design's drop-in orders them: the first run of a check script finds HAProxy (docs/evidence, journals)."""
    world = world_of()
    world.hosts.power_off("r1")
    world.hosts.power_on("r1")
    world.clock.run(10.0)
    assert not did(world, "keepalived", "r1", "on")
    world.balancers.become("r1", "serves")
    assert did(world, "keepalived", "r1", "on") == [10.0]


@pytest.mark.parametrize("why", ["no drop-in", "cannot start"])
def test_keepalived_is_not_kept_waiting(why: str) -> None:
    """Without the drop-in both start together, and one that cannot start is not waited for."""
    world = world_of(os={"supervise": why != "no drop-in"})
    if why == "cannot start":
        world.balancers.broken.add("r1")
    world.hosts.power_off("r1")
    world.hosts.power_on("r1")
    world.clock.run(10.0)
    assert did(world, "keepalived", "r1", "on") == did(world, "haproxy", "r1", "start")


def test_a_second_loss_of_power_ends_a_boot() -> None:
    """What was begun before it is not gone on with, and the next boot is drawn anew."""
    world = world_of()
    for _ in range(2):
        world.hosts.power_off("r3")
        world.hosts.power_on("r3")
    world.clock.run(60.0)
    assert len(did(world, "broker", "r3", "power_on")) == 1
    assert [on for _, on in states(world, "r3")] == [False, False, True]


def rebooted(world: FakeWorld, host: str = "r1") -> list[float]:
    """Reboot a host at 5, and give when it is through."""
    done: list[float] = []
    world.clock.at(5.0, lambda: world.hosts.reboot(host, lambda: done.append(world.now)))
    return done


def test_a_reboot_stops_in_order_and_boots() -> None:
    """The broker at once, HAProxy after keepalived, then the host; through when all of them serve (as measured)."""
    world = world_of()
    done = rebooted(world)
    world.clock.at(15.0, lambda: world.brokers.become("r1", Process.ENDED, listens=False))
    world.clock.run(15.0)
    assert world.log == [
        (5.0, "broker", "r1", "stop"),
        (5.0, "keepalived", "r1", StopUnit()),
        (5.0 + LINGER_S, "haproxy", "r1", "stop"),
    ]
    assert world.hosts.has_power("r1")
    assert not world.hosts.booted("r1")
    world.clock.run(30.0)
    off, on = states(world, "r1")
    assert SHUTDOWN_S[0] <= off[0] - 15.0 <= SHUTDOWN_S[1]
    assert ANSWERS_S[0] <= on[0] - off[0] <= ANSWERS_S[1]
    world.balancers.become("r1", "serves")
    world.clock.run(35.0)
    assert not done
    world.brokers.become("r1", Process.RUNS, listens=True)
    assert done == [35.0]
    world.brokers.become("r1", Process.RUNS, listens=True)
    assert done == [35.0]


def test_a_reboot_of_a_load_balancer_alone() -> None:
    """It waits for keepalived's last second, and is through when keepalived has told systemd that it runs."""
    lbs = {"hosts": ["lb1", "lb2"]}
    world = world_of(haproxy=lbs, keepalived=lbs)
    done = rebooted(world, "lb1")
    world.clock.run(20.0)
    assert did(world, "haproxy", "lb1", "stop") == [6.0]
    world.balancers.become("lb1", "serves")
    world.clock.run(30.0)
    assert done == pytest.approx([20.1])


def test_a_broker_that_does_not_stop_is_ended_by_systemd() -> None:
    """A frozen one heeds no order; the host goes down after the unit's TimeoutStopSec."""
    world = world_of(os={"supervise": False})
    world.brokers.states["r3"] = (Process.HANGS, True)
    rebooted(world, "r3")
    world.clock.run(200.0)
    off = states(world, "r3")[0][0]
    assert 95.0 + SHUTDOWN_S[0] <= off <= 95.0 + SHUTDOWN_S[1]


def test_a_loss_of_power_ends_a_reboot() -> None:
    """Who waits for the reboot hears of it when the host has booted after all."""
    world = world_of()
    done = rebooted(world, "r3")
    world.clock.run(6.0)
    world.hosts.power_off("r3")
    world.clock.run(120.0)
    assert [on for _, on in states(world, "r3")] == [False]
    world.hosts.power_on("r3")
    world.clock.run(130.0)
    world.brokers.become("r3", Process.RUNS, listens=True)
    assert done == [130.0]


def test_a_loss_of_power_between_the_kernel_and_its_daemons() -> None:
    """None of them is started then."""
    world = world_of()
    world.hosts.power_off("r3")
    world.hosts.power_on("r3")
    while not world.network.powered("r3"):
        world.clock.run(world.now + 0.01)
    world.hosts.power_off("r3")
    world.clock.run(60.0)
    assert not did(world, "broker", "r3", "power_on")


def test_each_shutdown_has_a_patience_of_its_own() -> None:
    """What an earlier one, that a loss of power ended, still waited for does not end a later one."""
    world = world_of(os={"supervise": False})
    rebooted(world, "r3")
    world.clock.run(6.0)
    world.hosts.power_off("r3")
    world.hosts.power_on("r3")
    world.clock.run(50.0)
    world.brokers.become("r3", Process.HANGS, listens=True)
    world.hosts.reboot("r3", lambda: None)
    world.clock.run(139.0)
    assert world.hosts.has_power("r3")
    assert len(states(world, "r3")) == 2
    world.clock.run(150.0)
    assert len(states(world, "r3")) == 4
