"""Where packets to virtual addresses go, from each place: neighbour entries, and the gratuitous ARPs that set them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from rmqha_model.faults import CLIENTS
from simulation.driving import Driven
from simulation.processes.route_neighbours import REACHABLE_S, Heard, Leads, Looked, Neighbour, NeighbourInput

if TYPE_CHECKING:
    from simulation.driving import Clock
    from simulation.machines.vrrp_words import Clock as Ticks
    from simulation.processes.world import World

__all__ = ["Refreshes", "Ways"]

REDRAWN_S = 300.0
"""How often a kernel draws its reachable_time anew: net/core/neighbour.c neigh_periodic_work."""


class Ways:
    """The neighbour entries of all places. A place that never sent to an address has no entry, and needs none."""

    def __init__(self, world: World, owners: Mapping[str, str], changed: Callable[[str], None]) -> None:
        """Begin with clients that have talked to the *owners* for long; *changed* hears of an address."""
        self._world, self._changed = world, changed
        self.holders: dict[str, set[str]] = {address: {host} for address, host in owners.items()}
        """Who has each address on an interface."""
        self._entries: dict[str, dict[str, Driven[NeighbourInput, Leads]]] = {address: {} for address in owners}
        self._neighbours: dict[tuple[str, str], Neighbour] = {}
        self._first = world.streams.stream("route", "first answer")
        self._toss = world.streams.stream("route", "lost")
        for address, host in owners.items():
            self._enter(CLIENTS, address, host)

    def leads(self, place: str, address: str) -> str | None:
        """Give the host that packets go to; the first one asks for it."""
        if place in self.holders[address]:
            return place
        if place != CLIENTS and not (self._world.network.powered(place) and self._world.network.carrier(place)):
            return None
        if (place, address) not in self._neighbours:
            self._enter(place, address, None)
        return self._neighbours[place, address].host

    def announce(self, host: str, address: str, packets: int) -> None:
        """Send gratuitous ARPs; a round of them is lost where each of them is."""
        network = self._world.network
        for place, entry in list(self._entries[address].items()):
            if place == host or not network.passes(host, place):
                continue
            loss = network.loss(host, place)
            if not loss or self._toss() >= loss**packets:
                entry.feed(Heard(host, self._works(place, host, address)))

    def misled(self, host: str, addresses: Iterable[str]) -> bool:
        """Whether a gratuitous ARP of a host would change an entry that there is."""
        return any(
            place != host and self._neighbours[place, address].host != host and self._world.network.passes(host, place)
            for address in addresses
            for place in self._entries[address]
        )

    def look(self, address: str) -> None:
        """See to it that entries know whether they lead anywhere."""
        network, holders = self._world.network, self.holders[address]
        for place, entry in list(self._entries[address].items()):
            # A kernel forgets its neighbours with its carrier (neigh_carrier_down), and has none of itself.
            if place in holders or (place != CLIENTS and not (network.powered(place) and network.carrier(place))):
                entry.stop()
                del self._entries[address][place], self._neighbours[place, address]
                self._changed(address)
                continue
            host = self._neighbours[place, address].host
            works = host is not None and self._works(place, host, address)
            entry.feed(Looked(works, any(self._works(place, each, address) for each in holders)))

    def _enter(self, place: str, address: str, host: str | None) -> None:
        world = self._world

        def reachable_s(now: float) -> float:
            least, most = REACHABLE_S
            period = int((now - world.streams.phase(REDRAWN_S, place, "reachable time drawn")) // REDRAWN_S)
            return least + (most - least) * world.streams.once(place, "reachable time", str(period))

        neighbour = Neighbour(world.now, host, lambda: self._ask(place, address), reachable_s)
        self._neighbours[place, address] = neighbour
        self._entries[address][place] = Driven(world.clock, neighbour, lambda _: self._changed(address))

    def _works(self, place: str, host: str, address: str) -> bool:
        network = self._world.network
        return host in self.holders[address] and network.meet(place, host) and network.loss(place, host) < 1

    def _ask(self, place: str, address: str) -> str | None:
        """Ask everybody; of several answers the first one counts (arp_process: locktime)."""
        answers = [host for host in sorted(self.holders[address]) if self._works(place, host, address)]
        losses = [self._world.network.loss(place, host) for host in answers]
        kept = [
            # The question is one packet, the answer another one.
            host
            for host, loss in zip(answers, losses, strict=True)
            if not loss or self._toss() < (1 - loss) ** 2
        ]
        return kept[int(self._first() * len(kept))] if len(kept) > 1 else next(iter(kept), None)


class Refreshes:
    """The gratuitous ARPs that one member repeats: only those are events that tell somebody something."""

    def __init__(self, clock: Clock, useful: Callable[[], bool], send: Callable[[], None]) -> None:
        self._clock, self._useful, self._send = clock, useful, send
        self.clocks: tuple[Ticks, ...] = ()
        """When they are due."""
        self._planned: float | None = None

    def plan(self) -> None:
        """Wake up for the next one if it will be of use."""
        if not self.clocks or not self._useful():
            self._planned = None
            return
        at = min(ticks.after(self._clock.now) for ticks in self.clocks)
        if at != self._planned:
            self._planned = at
            self._clock.at(at, lambda: self._wake(at))

    def _wake(self, at: float) -> None:
        if self._planned == at:
            self._planned = None
            self._send()
