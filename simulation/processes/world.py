"""The world of one run: its time, its luck, its network, and the processes in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import simpy

from simulation.driving import Clock
from simulation.network import Network
from simulation.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rmqha_model.events import AnyEvent
    from rmqha_model.scenario import Scenario
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason
    from simulation.processes.views import Balancers, Brokers, Hosts, Paths, Queues, Routes
    from simulation.streams import Name

__all__ = ["Stall", "World"]


@dataclass(slots=True)
class Stall:
    """A queue that confirms nothing to a channel on any broker, since and until when; nobody outside can see it."""

    queue: str
    begin: float
    end: float = math.inf


class World:
    """What every process of a run is given. The processes are put in one after the other, and begin together."""

    hosts: Hosts
    brokers: Brokers
    queues: Queues
    routes: Routes
    paths: Paths
    balancers: Balancers

    def __init__(
        self, topology: Topology, scenario: Scenario, seed: int, fixed: Mapping[Name, float] | None = None
    ) -> None:
        """Make its time, its network and its luck, of which *fixed* numbers are no part."""
        self.topology, self.scenario = topology, scenario
        self.clock = Clock(simpy.Environment())
        self.streams = Streams(seed, fixed)
        self.network = Network(topology.hosts)
        self.told: list[tuple[AnyEvent, Reason]] = []
        """All that can be seen, with what each time is made of."""
        self.stalls: list[Stall] = []
        """Times in which a queue confirmed nothing to anybody; the last one of a queue may last."""
        self.not_modelled: list[str] = []

    @property
    def now(self) -> float:
        """The time, in seconds since the scenario began."""
        return self.clock.now

    def tell(self, event: AnyEvent, reason: Reason = ()) -> None:
        """Put down something that can be seen."""
        self.told.append((event, reason))
