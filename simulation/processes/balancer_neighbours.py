"""What a place's kernel knows of hosts on its own cable: one that vanishes is silent first, and unreachable later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.faults import CLIENTS
from simulation.machines.wire import fails_at

if TYPE_CHECKING:
    from simulation.processes.world import World

__all__ = ["Neighbours", "Packets"]

REACHABLE_S = (15.0, 45.0)
"""base_reachable_time of 30 s, by the kernel's own draw: net/core/neighbour.c neigh_rand_reach_time."""

REDRAWN_S = 300.0
"""How long such a draw holds: neigh_periodic_work."""


@dataclass(slots=True)
class _Lost:
    """An entry that nothing confirms any more."""

    failed: bool


class Packets:
    """What a place sends to a host by itself: when it last did before an instant, and when it next does."""

    def __init__(self, last: Callable[[str, float], float], next_: Callable[[str, float], float]) -> None:
        self.last, self.next = last, next_


class Neighbours:
    """The entries of places for hosts, as far as anybody connects there.

    An entry fails only where nothing comes back: who still hears a host has its entry renewed by the host's own
    questions (net/ipv4/arp.c arp_process). A host in another network is reached through a router, which says nothing.
    """

    def __init__(self, world: World, pairs: Iterable[tuple[str, str]], changed: Callable[[], None]) -> None:
        self._world, self._changed = world, changed
        self._pairs = [pair for pair in pairs if pair[0] != pair[1] and self._is_near(*pair)]
        self._lost: dict[tuple[str, str], _Lost] = {}
        self._packets: dict[str, Packets] = {}
        brokers = world.topology.brokers
        self._talk = {pair for pair in self._pairs if pair[0] == CLIENTS or set(pair) <= set(brokers)}
        """Those between which something is said all the time: by clients, or by brokers to each other."""

    def says(self, place: str, packets: Packets) -> None:
        """Be told what a place sends."""
        self._packets[place] = packets

    def failed(self, place: str, host: str) -> bool:
        """Whether a place has given a host up."""
        lost = self._lost.get((place, host))
        return lost is not None and lost.failed

    def look(self) -> None:
        """See who has vanished, and who is back."""
        network = self._world.network
        for pair in self._pairs:
            place, host = pair
            if not network.powered(place) or not network.carrier(place):
                # The kernel forgets all of a link that is down (neigh_carrier_down), and everything with its power.
                self._lost[pair] = _Lost(failed=True)
            elif network.passes(host, place):
                self._lost.pop(pair, None)
            elif pair not in self._lost:
                self._lost[pair] = lost = _Lost(failed=False)
                self._wait(pair, lost)

    def _wait(self, pair: tuple[str, str], lost: _Lost) -> None:
        place, host = pair
        clock = self._world.clock
        packets = None if pair in self._talk else self._packets.get(place)
        confirmed = packets.last(host, clock.now) if packets else clock.now
        reachable = self._reachable(place, confirmed)

        def stale() -> None:
            if self._lost.get(pair) is lost:
                packet = packets.next(host, clock.now) if packets else clock.now
                clock.at(fails_at(confirmed, reachable, packet), fail)

        def fail() -> None:
            if self._lost.get(pair) is lost and not lost.failed:
                lost.failed = True
                self._changed()

        clock.at(max(confirmed + reachable, clock.now), stale)

    def _reachable(self, place: str, t: float) -> float:
        streams = self._world.streams
        draws = int((t - streams.phase(REDRAWN_S, place, "neighbours")) // REDRAWN_S)
        low, high = REACHABLE_S
        return low + (high - low) * streams.once(place, "reachable", str(draws))

    def _is_near(self, place: str, host: str) -> bool:
        if place == CLIENTS:
            return True
        hosts = self._world.topology.hosts
        own = hosts[place]
        address = hosts[host].ip
        return any(address in each.network for each in (own.address, *own.addresses) if each.version == address.version)
