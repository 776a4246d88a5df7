"""What every fault of a run is: something that is begun, and that is ended or ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from rmqha_model.faults import Fault, OneHost
from simulation.machines.link_parts import Process
from simulation.processes.faults.impossible import FaultImpossible

if TYPE_CHECKING:
    from simulation.processes.faults.units import Layer, Units
    from simulation.processes.world import World

__all__ = ["Act", "Lasting", "Means", "OnHost"]

F = TypeVar("F", bound=Fault)
H = TypeVar("H", bound=OneHost)

_FOUND: dict[Layer, str] = {
    "brokers": "no beam.smp of rabbitmq-server.service",
    "haproxy": "no haproxy of haproxy.service",
    "keepalived": "no keepalived of keepalived.service with a child",
}


@dataclass(slots=True)
class Means:
    """What all faults of a run are done with."""

    world: World
    units: Units
    shares: dict[str, list[float]] = field(default_factory=dict)
    """Of the packets of each host, the shares that bad cables lose."""


class Act(Generic[F]):
    """One fault of the schedule on the hosts that it happens to; *over* is called when it is undone, or is over."""

    def __init__(self, means: Means, index: int, fault: F, hosts: tuple[str, ...], over: Callable[[], None]) -> None:
        self.means, self.index, self.fault, self.hosts, self.over = means, index, fault, hosts, over
        self.world, self.units = means.world, means.units
        self.began = means.world.now

    def check(self) -> None:
        """Raise :class:`FaultImpossible` if it cannot be done: what it happens to is not there, or does not run."""

    def begin(self) -> None:
        """Do it."""
        raise NotImplementedError

    def undo(self) -> None:
        """Have its undoing begin: *over* is called when the lab says that it is undone, in most cases at once.

        It may be asked again as long as that has not happened.
        """
        raise NotImplementedError

    @property
    def settled(self) -> bool:
        """Whether all is there that its undoing starts; asked when it is undone."""
        return True

    def refuse(self, why: str) -> FaultImpossible:
        """Give the error that says why it cannot be done."""
        return FaultImpossible(self.fault, why)


class Lasting(Act[F]):
    """A fault that lasts until it is undone, which an order does: that is the end that is told."""

    def undo(self) -> None:
        """Tell that it is undone, and do that."""
        self.over()
        self.end()

    def end(self) -> None:
        """Give the orders that undo it."""
        raise NotImplementedError


class OnHost(Lasting[H]):
    """A fault of a daemon of one host."""

    layer: ClassVar[Layer]

    @property
    def host(self) -> str:
        """Where it happens."""
        return self.hosts[0]

    def check(self) -> None:
        """Raise :class:`FaultImpossible` if the daemon does not run."""
        if not self.runs:
            raise self.refuse(f"{self.host}: found {_FOUND[self.layer]}; allowed: a daemon that runs")

    @property
    def runs(self) -> bool:
        """Whether the daemon has processes."""
        if self.layer == "brokers":
            return self.world.brokers.process(self.host) in {Process.RUNS, Process.HANGS}
        if self.layer == "haproxy":
            return self.world.balancers.haproxy(self.host) != "dead"
        return self.world.routes.runs(self.host)

    @property
    def settled(self) -> bool:
        """Whether the daemon runs again; a host without power is not waited for."""
        return not self.world.hosts.has_power(self.host) or self.units.active(self.layer, self.host)
