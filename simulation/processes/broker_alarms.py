"""Resource alarms of a cluster: raised by one broker, told over links, blocking publishers on all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from simulation.machines.alarms import Blocking, Blocks, Limit, Monitor, Resource

if TYPE_CHECKING:
    from simulation.processes.broker_members import Members
    from simulation.processes.world import World

__all__ = ["Alarms"]

RESOURCES: tuple[Resource, ...] = get_args(Resource)
USED, RIGHT = 2.0, {"memory": 3.0, "disk": 1.0}
WRONG = {"memory": 1.0, "disk": 3.0}
"""What is used of a resource, or free; its limit as it should be, and one that is passed: only their order matters."""


class Alarms:
    """The alarms of each broker, and what each broker knows of those of the others."""

    def __init__(self, world: World, members: Members) -> None:
        self._world, self._members = world, members
        self._brokers = world.topology.brokers
        self._monitors: dict[tuple[str, Resource], Monitor] = {}
        self._blocking = {host: Blocking(host, self._brokers) for host in self._brokers}
        self._blocks = dict.fromkeys(self._brokers, False)
        self._quiet = True  # no limit was ever set
        self.raised: list[Callable[[str, Resource, bool], None]] = []
        """Called with each alarm that is raised or cleared."""
        self.blocked: list[Callable[[str], None]] = []
        """Called with a broker that begins or ceases to block publishers."""

    def on(self, host: str, resource: Resource) -> bool:
        """Whether a broker has an alarm of its own."""
        monitor = self._monitors.get((host, resource))
        return monitor is not None and monitor.on

    def blocks(self, host: str) -> bool:
        """Whether a broker blocks connections that publish."""
        return self._blocks[host]

    # -- what happens -----------------------------------------------------------------------------

    def limit(self, host: str, resource: Resource, *, wrong: bool) -> None:
        """Set a limit in a broker that runs: it is looked at in the same instant."""
        self._quiet = False
        key = (host, resource)
        if key not in self._monitors:
            # The phase of its checks does not matter: nothing that they look at ever changes.
            self._monitors[key] = Monitor(resource, RIGHT[resource], USED, self._world.now)
        said = self._monitors[key].feed(self._world.now, Limit((WRONG if wrong else RIGHT)[resource]))
        for alarm in said:
            for call in self.raised:
                call(host, resource, alarm.on)
        if said:
            for other in self._brokers:
                self.tell(host, other)

    def stops(self, host: str) -> None:
        """RabbitMQ on a broker ends: limits that were set while it ran are forgotten, and so is what it knew."""
        if self._quiet:
            return
        for resource in RESOURCES:
            if self.on(host, resource):
                for call in self.raised:
                    call(host, resource, False)  # noqa: FBT003 - an event's own value
            self._monitors.pop((host, resource), None)
        self._blocking[host] = Blocking(host, self._brokers)
        self._put(host, blocks=False)

    def learns(self, host: str) -> None:
        """A broker knows others to run, or no longer: those tell their alarms anew."""
        if self._quiet:
            return
        running = self._members.running(host)
        self._take(host, self._blocking[host].sees(self._world.now, running))
        for other in running:
            self.tell(other, host)

    def tell(self, host: str, other: str) -> None:
        """Have a broker's alarms known to another, if it hears of them."""
        if self._quiet or host not in self._members.running(other) or not self._members.hears(other, host):
            return
        for resource in RESOURCES:
            said = self._blocking[other].alarm(self._world.now, host, resource, on=self.on(host, resource))
            self._take(other, said)

    def _take(self, host: str, said: list[Blocks]) -> None:
        for blocks in said:
            self._put(host, blocks=blocks.blocks)

    def _put(self, host: str, *, blocks: bool) -> None:
        if self._blocks[host] is not blocks:
            self._blocks[host] = blocks
            for call in self.blocked:
                call(host)
