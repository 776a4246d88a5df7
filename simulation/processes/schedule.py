"""The faults of a scenario, each at its time, and what undoes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rmqha_model.events import FaultBegan, FaultUndone
from rmqha_model.faults import PacketLoss
from simulation.processes.faults.act import Means
from simulation.processes.faults.acts import ACTS
from simulation.processes.faults.impossible import FaultImpossible
from simulation.processes.faults.units import Units
from simulation.processes.roles import Roles, hosts_of, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from rmqha_model.faults import Fault
    from simulation.processes.faults.act import Act
    from simulation.processes.world import World

__all__ = ["Schedule"]


@dataclass(slots=True)
class _On:
    """A fault that was begun."""

    act: Act[Any]
    over: bool = False


class Schedule:
    """Begins and undoes the faults of the world's scenario; those that are left are undone at its end, the last first.

    A fault that cannot be done in its instant is a :class:`FaultImpossible`, which ends the run, as in the lab.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._roles = Roles(world)
        self._means = Means(world, Units(world))
        self._begun: dict[int, _On] = {}
        self._left: list[_On] = []
        """What is undone at the end: the last one is next."""
        self._ending = self._ended = False

    def begin(self) -> None:
        """Arrange for everything to happen; what ends in an instant does so before what begins in it."""
        world, scenario = self._world, self._world.scenario
        self._means.units.begin()
        if any(isinstance(fault, PacketLoss) for fault in scenario.faults):
            # New connections, adverts and neighbour requests toss for each packet; streams of bytes do not.
            words = "packet loss on connections that are established, those between brokers among them: they lose none"
            world.not_modelled.append(words)
        planned: list[tuple[float, int, int, Callable[[], None]]] = []
        for index, fault in enumerate(scenario.faults):
            planned.append((fault.at.s, 1, index, self._begins(index, fault)))
            if fault.lasts is not None:
                planned.append(((fault.at.ms + fault.lasts.ms) / 1000, 0, index, self._ends(index)))
        for at, _, _, call in sorted(planned, key=lambda each: each[:3]):
            world.clock.at(at, call)
        world.clock.at(scenario.duration.s, self._end)

    def over(self) -> bool:
        """Whether the scenario has ended, all faults are undone, and what was started for that runs."""
        return self._ended and all(on.act.settled for on in self._begun.values())

    # -- one fault --------------------------------------------------------------------------------

    def _begins(self, index: int, fault: Fault) -> Callable[[], None]:
        return lambda: self._begin(index, fault)

    def _ends(self, index: int) -> Callable[[], None]:
        return lambda: self._undo(self._begun[index])

    def _begin(self, index: int, named: Fault) -> None:
        world = self._world
        fault = resolve(named, self._roles)
        hosts = hosts_of(fault, world.topology)
        off = [host for host in hosts if not world.hosts.has_power(host)]
        if off:
            raise FaultImpossible(fault, f"{', '.join(off)}: has no power")
        act = ACTS[fault.name](self._means, index, fault, hosts, lambda: self._over(index))
        act.check()
        self._begun[index] = _On(act)
        world.tell(FaultBegan(world.now, index, fault.name, hosts))
        act.begin()

    def _undo(self, on: _On) -> None:
        if not on.over:
            on.act.undo()

    def _over(self, index: int) -> None:
        """Hear that a fault is undone, or is over by itself; told once."""
        on, world = self._begun[index], self._world
        if on.over:
            return
        on.over = True
        world.tell(FaultUndone(world.now, index, on.act.fault.name, on.act.hosts))
        self._go_on()

    # -- the end ----------------------------------------------------------------------------------

    def _end(self) -> None:
        self._left = [on for on in self._begun.values() if not on.over]
        self._go_on(first=True)

    def _go_on(self, *, first: bool = False) -> None:
        """Undo what is left; what ends by itself is waited for before the next one."""
        if self._ending or self._ended or not (first or self._left):
            return
        self._ending = True
        while self._left:
            on = self._left[-1]
            self._undo(on)
            if not on.over:
                break
            self._left.pop()
        self._ending = False
        self._ended = not self._left
