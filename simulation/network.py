"""Who reaches whom: hosts and the place of the clients around one switch, with cuts, dead cables and lost power."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import networkx as nx

from rmqha_model.faults import CLIENTS

__all__ = ["Network"]


class Network:
    """Packets between places; a place is a host, or :data:`CLIENTS`."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self.hosts = tuple(hosts)
        self.graph: nx.DiGraph[str] = nx.DiGraph()
        """An edge from one place to another: packets pass. It is made anew whenever something changes."""
        self._off: set[str] = set()
        self._unplugged: Counter[str] = Counter()
        self._cuts: Counter[tuple[str, str]] = Counter()
        self._loss: dict[str, float] = {}
        self._listeners: list[Callable[[], None]] = []
        self._draw()

    def on_change(self, call: Callable[[], None]) -> None:
        """Have something called whenever somebody reaches others than before, or a link comes or goes."""
        self._listeners.append(call)

    # -- what there is ----------------------------------------------------------------------------

    def powered(self, host: str) -> bool:
        """Whether a host has power, and so a kernel."""
        return host not in self._off

    def carrier(self, host: str) -> bool:
        """Whether a host's link is up, as the host itself sees it."""
        return not self._unplugged[host]

    def passes(self, here: str, there: str) -> bool:
        """Whether packets from one place arrive at another; a host with power always reaches itself."""
        return here == there or self.graph.has_edge(here, there) if self.powered(here) else False

    def meet(self, here: str, there: str) -> bool:
        """Whether they exchange packets in both directions."""
        return self.passes(here, there) and self.passes(there, here)

    def loss(self, here: str, there: str) -> float:
        """Share of the packets between two places that is lost, 0 to 1, while a cable is bad."""
        kept = 1.0
        for place in {here, there}:
            if here != there:
                kept *= 1.0 - self._loss.get(place, 0.0)
        return 1.0 - kept

    def sides(self, places: Iterable[str]) -> list[frozenset[str]]:
        """Give the groups of *places* within which packets pass both ways, over others of them too; largest first."""
        among = self.graph.subgraph([place for place in places if self.powered(place)])
        return sorted(map(frozenset, nx.strongly_connected_components(among)), key=lambda side: (-len(side), min(side)))

    # -- what happens to it -----------------------------------------------------------------------

    def power(self, host: str, *, on: bool) -> None:
        """Give a host power, or take it."""
        (self._off.discard if on else self._off.add)(host)
        self._changed()

    def plug(self, host: str, *, in_: bool) -> None:
        """Pull a host's cable, or put it back; pulled twice, it has to be put back twice."""
        before = self.carrier(host)
        self._unplugged[host] += -1 if in_ else 1
        # A host that reaches nobody anyway sees its own link go, too.
        self._changed(anyway=self.carrier(host) != before)

    def cut(self, pairs: Iterable[tuple[str, str]]) -> Callable[[], None]:
        """Drop the packets from the first to the second of each pair; give what heals that again."""
        dropped = tuple(pairs)
        self._cuts.update(dropped)
        self._changed()

        def heal() -> None:
            self._cuts.subtract(dropped)
            self._changed()

        return heal

    def spoil(self, host: str, share: float) -> None:
        """Have a share of a host's packets lost; 0: none. Nobody's reach changes."""
        self._loss[host] = share
        self._tell()

    # -- within -----------------------------------------------------------------------------------

    def _changed(self, *, anyway: bool = False) -> None:
        before = set(self.graph.edges)
        self._draw()
        if anyway or set(self.graph.edges) != before:
            self._tell()

    def _tell(self) -> None:
        for call in self._listeners:
            call()

    def _draw(self) -> None:
        self.graph = nx.DiGraph()
        self.graph.add_nodes_from((*self.hosts, CLIENTS))
        self.graph.add_edges_from(self._edges())

    def _edges(self) -> Iterator[tuple[str, str]]:
        there = [host for host in self.hosts if self.powered(host) and self.carrier(host)] + [CLIENTS]
        for here in there:
            for other in there:
                if here != other and self._cuts[here, other] <= 0:
                    yield here, other
