"""One VRRP instance on one host: its machine while keepalived's child is there, and what it says to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

from simulation.driving import Driven
from simulation.machines.vrrp_words import State, VrrpInput, VrrpOutput

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.machines.machine import Machine
    from simulation.machines.vrrp import Vrrp
    from simulation.machines.vrrp_settings import VrrpSettings
    from simulation.machines.vrrp_words import Advert, Stream
    from simulation.processes.route_adverts import Ear
    from simulation.processes.route_ways import Refreshes
    from simulation.processes.world import World

__all__ = ["Batch", "Member", "State"]

In = TypeVar("In")
Out = TypeVar("Out")

Batch: TypeAlias = tuple[VrrpOutput, ...]


class _Together(Generic[In, Out]):
    """A machine whose outputs of one step come together: all of them were said before anybody answers one."""

    def __init__(self, machine: Machine[In, Out]) -> None:
        self._machine = machine

    @property
    def due(self) -> float:
        return self._machine.due

    def fire(self) -> list[tuple[Out, ...]]:
        return self._whole(self._machine.fire())

    def feed(self, now: float, input_: In) -> list[tuple[Out, ...]]:
        return self._whole(self._machine.feed(now, input_))

    @staticmethod
    def _whole(outputs: Iterable[Out]) -> list[tuple[Out, ...]]:
        whole = tuple(outputs)
        return [whole] if whole else []


class Member:
    """An instance on a host; its machine is a new one for each child of keepalived."""

    def __init__(
        self,
        world: World,
        host: str,
        instance: str,
        settings: VrrpSettings,
        said: Callable[[Member, Batch, Reason], None],
    ) -> None:
        self.host, self.instance, self.settings = host, instance, settings
        self.listeners: list[Ear] = []
        """How the other members hear this one."""
        self.ears: list[Ear] = []
        """How this one hears the others."""
        self.refreshes: Refreshes
        """The GARPs it repeats as long as its machine does not say otherwise."""
        self.state: Literal["MASTER", "BACKUP", "FAULT", "STOP"] = "BACKUP"
        """What was told of it last."""
        self._world, self._said = world, said
        self._because: Reason = ()
        self._driven: Driven[VrrpInput, Batch] | None = None

    def run(self, machine: Vrrp) -> None:
        """Have this machine from now on."""
        self._driven = Driven(
            self._world.clock, _Together(machine), lambda batch: self._said(self, batch, self._because)
        )

    def feed(self, input_: VrrpInput, why: Reason = ()) -> None:
        """Tell the machine something, if there is one; *why* are the times that led to it."""
        if self._driven is not None:
            before, self._because = self._because, why
            self._driven.feed(input_)
            self._because = before

    def end(self) -> None:
        """Have no machine any more; what it says ends without a word."""
        if self._driven is not None:
            self._driven.stop()
            self._driven = None
        self.say(None)
        self.refreshes.clocks = ()

    def say(self, stream: Stream | None) -> None:
        """Have the others hear this clock of adverts."""
        for listener in self.listeners:
            listener.say(stream)

    def say_once(self, advert: Advert) -> None:
        """Have the others hear one advert."""
        for listener in self.listeners:
            listener.say_once(advert)
