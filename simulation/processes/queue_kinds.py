"""What every kind of queue is to the set of them: told what becomes of brokers, asked what clients meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.machines.link_parts import Process
    from simulation.processes.queue_places import Place
    from simulation.processes.views import Copies, Deliveries, LinkChanged, Served, Service

__all__ = ["Kind", "Listener", "Shown"]


class Shown(NamedTuple):
    """What a broker says of a queue: who leads it, nobody it knows of, and who holds it in step."""

    leader: str | None
    in_step: tuple[str, ...]


class Listener(Protocol):
    """Who hears of a queue."""

    def changed(self, place: Place, reason: Reason) -> None:
        """Hear that its service or its leader may have changed."""

    def delivers(self, what: Deliveries) -> None:
        """Hear of what becomes of messages."""


class Kind(Protocol):
    """One queue, whatever its kind."""

    place: Place

    @property
    def leader(self) -> str | None:
        """The broker that leads it."""

    def service(self, broker: str) -> Service:
        """What a channel on a broker meets."""

    def copies(self) -> Copies:
        """Who must have its messages beside its leader."""

    def shown(self, broker: str) -> Shown | None:
        """What the broker says of it; ``None`` where it says nothing."""

    def holds(self, messages: int, size: int) -> None:
        """Be told how much it holds."""

    def served(self, event: Served, was: Process, /) -> None:
        """Hear of listeners and VMs, and what a VM was before."""

    def linked(self, event: LinkChanged, /) -> None:
        """Hear of a link."""

    def look(self) -> None:
        """Look again at who exchanges bytes with whom."""
