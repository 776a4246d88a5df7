"""Roles that a fault names, and the hosts that have them in the instant in which it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model.faults import roles as roles_of_faults
from rmqha_model.faults.able import able
from simulation.processes.faults.impossible import FaultImpossible

if TYPE_CHECKING:
    from rmqha_model.faults import Fault
    from rmqha_model.topology import Topology
    from simulation.processes.world import World

__all__ = ["Roles", "hosts_of", "resolve"]


class Roles:
    """Who has which role now; ``None`` where nobody has it. They are those that the lab's observers see."""

    def __init__(self, world: World) -> None:
        self._world = world

    def vip_owner(self) -> str | None:
        """Give the host that holds the first virtual address; of several the one with the highest priority."""
        addresses = self._world.topology.virtual_ips
        holders = self._world.routes.holders(addresses[0]) if addresses else frozenset()
        return next((host for host in self._by_priority() if host in holders), None)

    def vip_backup(self) -> str | None:
        """Give the host that would take the first virtual address over: of the others with power, the first."""
        owner = self.vip_owner()
        return next((host for host in self._by_priority() if host != owner and self._world.hosts.has_power(host)), None)

    def leader(self) -> str | None:
        """Give the broker that leads the workload's first queue: the one that is published to first."""
        workload, design = self._world.scenario.workload, self._world.topology.rabbitmq
        used = [publisher.queue for publisher in workload.publishers.values()]
        used += [queue.name for queue in (*workload.queues, *design.queues)]
        return self._world.queues.leader(used[0]) if used else None

    def follower(self) -> str | None:
        """Give the first broker of the design that does not lead the workload's first queue."""
        leader = self.leader()
        return next((host for host in self._world.topology.brokers if leader and host != leader), None)

    def _by_priority(self) -> list[str]:
        """Give the members of the instance of the first virtual address, highest priority first."""
        keepalived = self._world.topology.keepalived
        if keepalived is None:
            return []
        members = keepalived.members(next(iter(keepalived.instances)))
        return sorted(members, key=lambda host: -members[host].priority)


def resolve(fault: Fault, roles: Roles) -> Fault:
    """Give *fault* with hosts in the places of roles.

    Raises:
        FaultImpossible: nobody has a role that it names, or one host is on both sides of a partition.
    """
    return roles_of_faults.resolve(fault, roles, FaultImpossible)


def hosts_of(fault: Fault, topology: Topology) -> tuple[str, ...]:
    """Give the hosts that a resolved *fault* happens to: those it names, or else all that it can happen to.

    Raises:
        FaultImpossible: a role turned out to be a host that the fault cannot happen to.
    """
    fit = able(fault, topology)
    chosen = tuple(dict.fromkeys(fault.targets)) or fit
    unable = [host for host in chosen if host not in fit]
    if unable or not chosen:
        found, allowed = ", ".join(unable) or "no host", ", ".join(fit) or "no host of this design"
        raise FaultImpossible(fault, f"found {found}; allowed: {allowed}")
    return chosen
