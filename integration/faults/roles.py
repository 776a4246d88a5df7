"""Roles that a fault names, and the hosts that have them when it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.errors import FaultError
from rmqha_model.faults import ROLES, roles
from rmqha_model.faults.able import able
from rmqha_model.faults.roles import View

if TYPE_CHECKING:
    from rmqha_model.faults import Fault
    from rmqha_model.topology import Topology

__all__ = ["View", "hosts_of", "resolve"]


def resolve(fault: Fault, view: View) -> Fault:
    """Give *fault* with hosts in the places of roles.

    Raises:
        FaultError: nobody has a role that it names, or one host is on both sides of a partition.
    """
    return roles.resolve(fault, view, lambda fault, why: FaultError(f"{fault.name} at {fault.at}: {why}"))


def hosts_of(fault: Fault, topology: Topology, hosts: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Give the hosts that a resolved *fault* happens to: *hosts* if any are given, else those it names.

    Raises:
        FaultError: it names roles still, or a host that is not what the fault happens to.
    """
    chosen = hosts or tuple(dict.fromkeys(fault.targets)) or able(fault, topology)
    named = [name for name in chosen if name in ROLES]
    if named:
        raise FaultError(f"{fault.name} at {fault.at}: found the role {named[0]}; allowed: hosts")
    fit = able(fault, topology)
    unable = [name for name in chosen if name not in fit]
    if unable or not chosen:
        found, allowed = ", ".join(unable) or "no host", ", ".join(fit) or "no host of this design"
        raise FaultError(f"{fault.name} at {fault.at}: found {found}; allowed: {allowed}")
    return chosen
