"""Whom a fault is for: roles become hosts, and hosts that cannot have it are refused."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from idle_stack import fault

from integration.errors import FaultError
from integration.faults import begin, hosts_of, resolve

if TYPE_CHECKING:
    from rmqha_model.faults import Fault
    from rmqha_model.topology import Topology


@dataclasses.dataclass
class Roles:
    """Who is what."""

    owner: str | None = "rabbit1"
    backup: str | None = "rabbit2"
    leads: str | None = "rabbit3"
    follows: str | None = "rabbit1"

    def vip_owner(self) -> str | None:
        """The owner."""
        return self.owner

    def vip_backup(self) -> str | None:
        """The other one."""
        return self.backup

    def leader(self) -> str | None:
        """The leader."""
        return self.leads

    def follower(self) -> str | None:
        """One that does not lead."""
        return self.follows


@pytest.mark.parametrize(
    ("told", "hosts"),
    [
        (fault("broker_kill", "@leader"), ("rabbit3",)),
        (fault("broker_kill", "@follower"), ("rabbit1",)),
        (fault("haproxy_kill", "@vip_backup"), ("rabbit2",)),
        (fault("haproxy_kill", "rabbit1"), ("rabbit1",)),
        (fault("site_power_loss"), ("rabbit1", "rabbit2", "rabbit3")),
        (fault("site_power_loss", hosts=["@leader", "rabbit3", "@vip_owner"]), ("rabbit3", "rabbit1")),
        (fault("partition", between=[["@leader"], ["@clients", "@vip_owner"]]), ("rabbit3", "rabbit1")),
        (fault("rolling_restart", layer="haproxy"), ("rabbit1", "rabbit2")),
        (fault("rolling_restart", layer="brokers", hosts=["rabbit3", "rabbit1"]), ("rabbit3", "rabbit1")),
    ],
)
def test_roles_become_hosts(design: Topology, told: Fault, hosts: tuple[str, ...]) -> None:
    """A role is replaced by who has it, and a host that is named twice is there once."""
    assert hosts_of(resolve(told, Roles()), design) == hosts


def test_what_names_no_role_stays_as_it_is() -> None:
    """The fault itself comes back."""
    told = fault("broker_kill", "rabbit1")
    assert resolve(told, Roles()) is told


def test_a_role_that_nobody_has_is_told() -> None:
    """With what the role means."""
    with pytest.raises(FaultError, match=r"broker_kill at 3s: nobody is @leader now: the broker that leads"):
        resolve(fault("broker_kill", "@leader"), Roles(leads=None))


def test_a_partition_needs_two_sides_after_roles_are_known() -> None:
    """A role that turns out to be a host of the other side is refused."""
    with pytest.raises(FaultError, match=r"rabbit3 on both sides: @leader is rabbit3"):
        resolve(fault("partition", between=[["@leader"], ["rabbit3", "rabbit1"]]), Roles())


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (fault("haproxy_kill", "rabbit3"), "found rabbit3; allowed: rabbit1, rabbit2"),
        (fault("keepalived_stop", "rabbit3"), "found rabbit3; allowed: rabbit1, rabbit2"),
        (fault("broker_kill", "nobody"), "found nobody; allowed: rabbit1, rabbit2, rabbit3"),
        (fault("broker_kill", "@leader"), "found the role @leader; allowed: hosts"),
        (fault("rolling_restart", layer="keepalived", hosts=["rabbit3"]), "found rabbit3; allowed: rabbit1, rabbit2"),
    ],
)
def test_a_host_that_cannot_have_the_fault_is_refused(stack: Any, told: Fault, words: str) -> None:
    """Before anything is done."""
    with pytest.raises(FaultError, match=words):
        begin(stack, told)
    assert not stack.log


def test_a_host_without_power_has_no_faults(stack: Any) -> None:
    """Not even the loss of power."""
    stack.hosts["rabbit2"].running = False
    for name in ("broker_kill", "link_down", "host_power_loss"):
        with pytest.raises(FaultError, match="rabbit2: has no power"):
            begin(stack, fault(name, "rabbit2"))
    assert not stack.log
