"""Virtual addresses where the design prefers them: hosts that are installed at once take them in any order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integration.lab.lab import Lab

__all__ = ["preferred", "settle"]

_MOVE_S = 15
"""A takeover takes one skew time, under a second; a check script can have to succeed some times before it."""


def preferred(lab: Lab) -> dict[str, str]:
    """Give the member of highest priority of each instance."""
    keepalived = lab.topology.keepalived
    if keepalived is None:
        return {}
    members = {name: keepalived.members(name) for name in keepalived.instances}
    return {name: max(them, key=lambda host: them[host].priority) for name, them in members.items()}


def settle(lab: Lab, on_step: Callable[[str], None]) -> None:
    """Bring each virtual address to its preferred owner, so that the same scenario begins alike each time.

    Where the owner does not give it back by itself keepalived is restarted there, as an administrator would do. What
    has not moved in time stays where it is: that is no fault of the design.
    """
    keepalived = lab.topology.keepalived
    if keepalived is None:
        return
    restarted: set[str] = set()
    delays = [i.preempt_delay.ms / 1000 for i in keepalived.instances.values() if i.preempt_delay]
    deadline = time.monotonic() + max([_MOVE_S, *(delay + _MOVE_S for delay in delays)])
    while misplaced := _misplaced(lab):
        if time.monotonic() > deadline:
            return
        on_step("waiting for " + ", ".join(f"{wanted} to take {name}" for name, (_, wanted) in misplaced.items()))
        content = {owner for name, owner in _owners(lab).items() if name not in misplaced}
        for name, (owner, _) in misplaced.items():
            # A restart moves all that a host owns, so not where something is in its place.
            if not keepalived.instances[name].preempt and owner and owner not in content | restarted:
                restarted.add(owner)
                lab.hosts[owner].check("systemctl", "restart", "keepalived.service")
        time.sleep(0.5)


def _owners(lab: Lab) -> dict[str, str]:
    keepalived = lab.topology.keepalived
    instances = keepalived.instances if keepalived else {}
    found = {name: lab.network.owners(lab.topology.vrrp_hosts, instance.ips[0]) for name, instance in instances.items()}
    return {name: owners[0] for name, owners in found.items() if owners}


def _misplaced(lab: Lab) -> dict[str, tuple[str, str]]:
    """Give the (owner, preferred owner) of each instance that is elsewhere."""
    owners, wanted = _owners(lab), preferred(lab)
    return {name: (owners.get(name, ""), host) for name, host in wanted.items() if owners.get(name) != host}
