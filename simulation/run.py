"""Runs a scenario on a design, as daemons' sources say it would go, and gives the timeline of what would be seen."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.timeline import Head, Timeline
from simulation.invariants import check
from simulation.processes.balancers import LoadBalancers
from simulation.processes.brokers import Cluster
from simulation.processes.clients import Clients
from simulation.processes.hosts import HostPower
from simulation.processes.paths import PortPaths
from simulation.processes.probes import Probes
from simulation.processes.queues import QueueSet
from simulation.processes.routes import VirtualAddresses
from simulation.processes.schedule import Schedule
from simulation.processes.world import Stall, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rmqha_model.events import AnyEvent
    from rmqha_model.scenario import Scenario
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason
    from simulation.streams import Name

__all__ = ["RECOVER_S", "Run", "run"]

RECOVER_S = 240.0
"""How long clients go on after the last fault until all is well; as long as in the lab (integration/run.py)."""
SETTLE_S = 160.0
"""How long publishers then wait for what is open; as in the lab (integration/running/plan.py)."""
_LOOK_S = 0.1
"""Between two looks whether all is well; as in the lab."""
_PARTED_S = 60.0
"""How long it goes on where a partition is left to people; as in the lab."""


@dataclass(frozen=True, slots=True)
class Run:
    """A timeline, and what the times in it are made of."""

    timeline: Timeline
    reasons: dict[int, Reason]
    """By the index of the event."""
    stalls: tuple[Stall, ...]
    """Times in which a queue confirmed nothing."""
    drawn: dict[Name, float]
    """The first number, 0 to 1, of each stream of luck that was drawn from: phases of clocks among them."""


def run(topology: Topology, scenario: Scenario, seed: int = 0) -> Timeline:
    """Give what would be seen of *topology* while *scenario* happens to it; clock phases follow from *seed*.

    Raises:
        DocumentError: the scenario cannot happen to this design.
        FaultImpossible: nobody has a role that a fault names, or a host is on both sides of a partition.
        Broken: the run contradicts itself, which is a mistake of the simulator.
    """
    return explained(topology, scenario, seed).timeline


def explained(
    topology: Topology, scenario: Scenario, seed: int = 0, *, fixed: Mapping[Name, float] | None = None
) -> Run:
    """Give the same, and what each time is made of; phases that are *fixed* are not drawn."""
    scenario.check(topology)
    return _Playing(topology, scenario, seed, fixed).play()


class _Playing:
    def __init__(
        self, topology: Topology, scenario: Scenario, seed: int, fixed: Mapping[Name, float] | None = None
    ) -> None:
        self.world = world = World(topology, scenario, seed, fixed)
        world.hosts = hosts = HostPower(world)
        world.brokers = brokers = Cluster(world)
        world.queues = queues = QueueSet(world)
        world.routes = routes = VirtualAddresses(world)
        world.paths = paths = PortPaths(world)
        world.balancers = balancers = LoadBalancers(world)
        self.clients, self.probes, self.schedule = Clients(world), Probes(world), Schedule(world)
        for process in (hosts, brokers, queues, routes, paths, balancers, self.clients, self.probes, self.schedule):
            process.begin()

    def play(self) -> Run:
        world = self.world
        world.clock.run(world.scenario.duration.s)
        self._until_well()
        flowed_s = world.now
        self.probes.stop()
        self.clients.stop()
        while not self.clients.over and world.now < flowed_s + SETTLE_S:
            world.clock.run(world.now + _LOOK_S)
        told = sorted(world.told, key=lambda each: each[0].t)
        check((event for event, _ in told), world.streams.seed)
        events: list[AnyEvent] = [event for event, _ in told]
        events += self.clients.events()
        events += self.probes.events()
        events.sort(key=operator.attrgetter("t"))
        head = Head(
            world="simulation",
            design=world.topology.name,
            digest=world.topology.digest,
            versions={
                daemon: str(getattr(world.topology.versions, daemon))
                for daemon in ("rabbitmq", "haproxy", "keepalived")
            },
            scenario=world.scenario,
            seed=world.streams.seed,
            duration_s=max([world.now, *(event.t for event in events[-1:])]),
            flowed_s=flowed_s,
            not_seen=tuple(dict.fromkeys(world.not_modelled)),
        )
        why = {id(event): reason for event, reason in told if reason}
        reasons = {index: why[id(event)] for index, event in enumerate(events) if id(event) in why}
        timeline = Timeline(head, tuple(events))
        return Run(timeline, reasons, tuple(world.stalls), world.streams.drawn)

    def _until_well(self) -> None:
        """Have clients work until they have recovered, as the lab does: what that takes belongs to the fault, too."""
        clock = self.world.clock
        limit = clock.now + RECOVER_S
        while clock.now < limit and not (self.schedule.over() and self.clients.well() and self.probes.well()):
            clock.run(min(limit, clock.now + _LOOK_S))
