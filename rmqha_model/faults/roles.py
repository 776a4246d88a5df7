"""Roles that a fault names, and the hosts that have them in the instant in which it begins; the same in both worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from rmqha_model.faults.base import CLIENTS, ROLES, Fault

__all__ = ["Refuse", "View", "resolve"]

Refuse: TypeAlias = Callable[[Fault, str], Exception]
"""Makes a world's own error of a fault that cannot be done and the reason."""


class View(Protocol):
    """What is known of a running design at this instant; ``None`` where nobody is it."""

    def vip_owner(self) -> str | None:
        """Give the host that holds the first virtual address."""

    def vip_backup(self) -> str | None:
        """Give the host that would take the first virtual address over."""

    def leader(self) -> str | None:
        """Give the broker that leads the workload's first queue."""

    def follower(self) -> str | None:
        """Give the first broker of the design that does not lead the workload's first queue."""


def resolve(fault: Fault, view: View, refuse: Refuse) -> Fault:
    """Give *fault* with hosts in the places of roles.

    Raises what *refuse* makes where nobody has a role that it names, or one host is on both sides of a partition.
    """
    held = {role: _holder(fault, role, view, refuse) for role in dict.fromkeys(fault.targets) if role in ROLES}
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
            sides = tuple(tuple(dict.fromkeys(held.get(name, name) for name in side)) for side in value)
            both = sorted((set(sides[0]) & set(sides[1])) - {CLIENTS})
            if both:
                who = ", ".join(f"{role} is {host}" for role, host in held.items())
                raise refuse(fault, f"{', '.join(both)} on both sides: {who}")
            told[field] = sides
    return fault.model_copy(update=told)


def _holder(fault: Fault, role: str, view: View, refuse: Refuse) -> str:
    holder = {
        "@vip_owner": view.vip_owner,
        "@vip_backup": view.vip_backup,
        "@leader": view.leader,
        "@follower": view.follower,
    }[role]()
    if holder is None:
        raise refuse(fault, f"nobody is {role} now: {ROLES[role]}")
    return holder
