"""Roles that a fault names, and the hosts that have them when it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from integration.errors import FaultError
from rmqha_model.faults import CLIENTS, ROLES, Fault
from rmqha_model.faults.able import able

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["View", "hosts_of", "resolve"]


class View(Protocol):
    """What an observer knows of a running design at this instant; None where nobody is it."""

    def vip_owner(self) -> str | None:
        """Give the host that holds the first virtual address."""

    def vip_backup(self) -> str | None:
        """Give the host that would take the first virtual address over."""

    def leader(self) -> str | None:
        """Give the broker that leads the workload's first queue."""

    def follower(self) -> str | None:
        """Give the first broker of the design that does not lead the workload's first queue."""


def resolve(fault: Fault, view: View) -> Fault:
    """Give *fault* with hosts in the places of roles.

    Raises:
        FaultError: nobody has a role that it names, or one host is on both sides of a partition.
    """
    held = {role: _holder(fault, role, view) for role in dict.fromkeys(fault.targets) if role in ROLES}
    if not held:
        return fault
    told: dict[str, object] = {}
    for field in ("host", "hosts", "between"):
        value = getattr(fault, field, None)
        if field == "host" and value:
            told[field] = held.get(value, value)
        elif field == "hosts" and value:
            told[field] = tuple(dict.fromkeys(held.get(name, name) for name in value))
        elif field == "between" and value:
            told[field] = tuple(tuple(dict.fromkeys(held.get(name, name) for name in side)) for side in value)
            _apart(fault, held, told[field])
    return fault.model_copy(update=told)


def _holder(fault: Fault, role: str, view: View) -> str:
    holder = {
        "@vip_owner": view.vip_owner,
        "@vip_backup": view.vip_backup,
        "@leader": view.leader,
        "@follower": view.follower,
    }[role]()
    if holder is None:
        raise FaultError(f"{fault.name} at {fault.at}: nobody is {role} now: {ROLES[role]}")
    return holder


def _apart(fault: Fault, held: dict[str, str], sides: object) -> None:
    assert isinstance(sides, tuple)
    both = sorted((set(sides[0]) & set(sides[1])) - {CLIENTS})
    if both:
        who = ", ".join(f"{role} is {host}" for role, host in held.items())
        raise FaultError(f"{fault.name} at {fault.at}: {', '.join(both)} on both sides: {who}")


def hosts_of(fault: Fault, topology: Topology, hosts: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Give the hosts that a resolved *fault* happens to: *hosts* if any are given, else those it names.

    Raises:
        FaultError: it names roles still, or a host that is not what the fault happens to.
    """
    chosen = hosts or tuple(dict.fromkeys(fault.targets)) or able(fault, topology)
    roles = [name for name in chosen if name in ROLES]
    if roles:
        raise FaultError(f"{fault.name} at {fault.at}: found the role {roles[0]}; allowed: hosts")
    fit = able(fault, topology)
    unable = [name for name in chosen if name not in fit]
    if unable or not chosen:
        found, allowed = ", ".join(unable) or "no host", ", ".join(fit) or "no host of this design"
        raise FaultError(f"{fault.name} at {fault.at}: found {found}; allowed: {allowed}")
    return chosen
