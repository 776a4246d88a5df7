"""Roles that faults name: who has them, and what is said when nobody has."""

from __future__ import annotations

from typing import Any

import pytest
from designs import design
from fake_world import FakeWorld, fake_world
from pydantic import TypeAdapter

from rmqha_model.faults import AnyFault, Fault
from simulation.processes.faults.impossible import FaultImpossible
from simulation.processes.roles import Roles, hosts_of, resolve

VIP = "10.0.0.100"
READ: TypeAdapter[Fault] = TypeAdapter(AnyFault)


def world_of(**changes: Any) -> FakeWorld:
    """Give a world whose first queue is led by r2, and whose VIP is on lb1."""
    topology = design(rabbitmq={"queues": [{"name": "q1", "type": "quorum"}]}, **changes)
    world = fake_world(topology)
    world.queues.leaders["q1"] = "r2"
    world.routes.held[VIP] = frozenset({"lb1"})
    return world


def fault(**told: Any) -> Fault:
    """Give a fault that begins after a second."""
    return READ.validate_python({"at": "1s", **told})


@pytest.mark.parametrize(
    ("role", "kind", "host"),
    [
        ("@vip_owner", "haproxy_kill", "lb1"),
        ("@vip_backup", "haproxy_kill", "lb2"),
        ("@leader", "broker_kill", "r2"),
        ("@follower", "broker_kill", "r1"),
    ],
)
def test_each_role_is_one_host(role: str, kind: str, host: str) -> None:
    """A role is whoever has it now, and the fault then names that host."""
    world = world_of()
    told = resolve(fault(fault=kind, host=role), Roles(world))
    assert hosts_of(told, world.topology) == (host,)


def test_of_two_owners_the_one_of_higher_priority_counts() -> None:
    """An address that two hosts have is the first one's; the other one is the backup."""
    world = world_of()
    world.routes.held[VIP] = frozenset({"lb1", "lb2"})
    roles = Roles(world)
    assert (roles.vip_owner(), roles.vip_backup()) == ("lb1", "lb2")
    world.routes.held[VIP] = frozenset({"lb2"})
    assert (roles.vip_owner(), roles.vip_backup()) == ("lb2", "lb1")


def test_a_host_without_power_is_no_backup() -> None:
    """Who has no power cannot take an address over."""
    world = world_of()
    world.hosts.off.add("lb2")
    assert Roles(world).vip_backup() is None


@pytest.mark.parametrize("role", ["@leader", "@follower", "@vip_owner"])
def test_a_role_that_nobody_has_is_an_error_in_words(role: str) -> None:
    """As in the lab, the error says which fault, when, and what the role is."""
    world = world_of()
    world.queues.leaders.clear()
    world.routes.held.clear()
    with pytest.raises(FaultImpossible, match=rf"host_power_loss at 1s: nobody is {role} now: the "):
        resolve(fault(fault="host_power_loss", host=role), Roles(world))


def test_the_first_queue_is_the_one_that_is_published_to_first() -> None:
    """The workload's order counts, not the design's."""
    workload = {
        "queues": [{"name": "q2", "type": "quorum"}],
        "publishers": {"one": {"queue": "q2"}},
    }
    world = fake_world(design(rabbitmq={"queues": [{"name": "q1", "type": "quorum"}]}), workload=workload)
    world.queues.leaders |= {"q1": "r1", "q2": "r3"}
    assert Roles(world).leader() == "r3"


def test_roles_in_lists_and_on_sides() -> None:
    """Each name stands once afterwards, and clients stay what they are."""
    world = world_of()
    roles = Roles(world)
    site = resolve(fault(fault="site_power_loss", hosts=["@leader", "r2", "r3"]), roles)
    assert hosts_of(site, world.topology) == ("r2", "r3")
    cut = resolve(fault(fault="partition", between=[["@leader", "@clients"], ["r1", "@vip_owner"]]), roles)
    assert cut.model_dump()["between"] == (("r2", "@clients"), ("r1", "lb1"))
    assert hosts_of(cut, world.topology) == ("r2", "r1", "lb1")


def test_one_host_on_both_sides_is_an_error() -> None:
    """A partition between a host and itself says who is who."""
    with pytest.raises(FaultImpossible, match="r2 on both sides: @leader is r2"):
        resolve(fault(fault="partition", between=[["@leader"], ["r2"]]), Roles(world_of()))


def test_a_role_that_the_fault_cannot_happen_to_is_an_error() -> None:
    """The owner of an address need not be a broker."""
    world = world_of()
    told = resolve(fault(fault="broker_kill", host="@vip_owner"), Roles(world))
    with pytest.raises(FaultImpossible, match="found lb1; allowed: r1, r2, r3"):
        hosts_of(told, world.topology)


@pytest.mark.parametrize(
    ("layer", "hosts"), [("brokers", ("r1", "r2", "r3")), ("haproxy", ("lb1", "lb2")), ("keepalived", ("lb1", "lb2"))]
)
def test_a_rolling_restart_without_hosts_is_of_the_whole_layer(layer: str, hosts: tuple[str, ...]) -> None:
    """In the design's order."""
    assert hosts_of(fault(fault="rolling_restart", layer=layer), design()) == hosts
