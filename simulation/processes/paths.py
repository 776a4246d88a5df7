"""How ports look from other places: the network, the power of hosts, the programs that listen, and who has an address.

Latencies are those of an idle lab, so small that they decide nothing: they only keep what follows from what apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmqha_model.faults import CLIENTS
from simulation.machines.wire import Target
from simulation.processes.balancer_neighbours import Neighbours, Packets

if TYPE_CHECKING:
    from simulation.processes.views import Listening
    from simulation.processes.world import World

__all__ = ["PortPaths", "Talks"]

Talks: TypeAlias = Literal["alive", "silent", "moved", "gone"]

CONNECT_S = 0.0003
"""From a SYN to its answer: the median of attempts that were refused took 0.0004 s in docs/evidence, Python's share
among them."""

ANSWER_S = 0.0034
"""From the protocol header to connection.start: attempts through HAProxy took 0.0040 s in the median of the quiet runs
of docs/evidence (article-fixed, haproxy_* and host_power_loss), less two connects."""

HANDSHAKE_S = 0.005
"""A TLS handshake with an RSA key of 2048 bits, an estimate of the same order."""

_OF_BROKERS: dict[Listening, Target] = {
    "serving": Target("answering", CONNECT_S, HANDSHAKE_S, ANSWER_S),
    "frozen": Target("frozen", CONNECT_S),
    "refused": Target("refused", CONNECT_S),
}
_OF_BALANCERS: dict[Listening, Target] = {
    "serving": Target("answering", CONNECT_S),
    "frozen": Target("frozen", CONNECT_S),
    "refused": Target("refused", CONNECT_S),
}
SILENT, UNROUTABLE = Target("silent"), Target("unroutable")


class PortPaths:
    """Who meets what where (it satisfies :class:`simulation.processes.views.Paths`)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._virtual = frozenset(map(str, world.topology.virtual_ips))
        self._calls: list[Callable[[], None]] = []
        balancers, brokers = world.topology.load_balancers, world.topology.brokers
        pairs = [(place, broker) for place in balancers for broker in brokers]
        pairs += [(CLIENTS, host) for host in world.topology.hosts]
        self._meeting: dict[tuple[str, str], bool] = {}
        """Who exchanges packets with whom by that graph of the network, which is another one after each change."""
        self._graph = world.network.graph
        self._neighbours = Neighbours(world, pairs, self._tell)

    def begin(self) -> None:
        """Listen to all that decides."""
        world = self._world
        world.network.on_change(self._moved)
        world.hosts.on_power(lambda _: self._moved())
        world.brokers.on_served(lambda _: self._tell())
        world.routes.on_route(lambda _: self._tell())
        world.balancers.on_process(lambda _: self._tell())

    def on_change(self, call: Callable[[], None]) -> None:
        """Hear that some of it may have changed."""
        self._calls.append(call)

    def says(self, place: str, packets: Packets) -> None:
        """Be told what a place sends to hosts by itself."""
        self._neighbours.says(place, packets)

    # -- ports --------------------------------------------------------------------------------------

    def broker(self, place: str, host: str) -> Target:
        """The AMQP port of a broker."""
        return self._way(place, host) or _OF_BROKERS[self._world.brokers.port(host)]

    def balancer(self, place: str, address: str) -> Target:
        """HAProxy's port at an address: a host's name, or a virtual address."""
        host = self.leads_to(place, address)
        if host is None:
            return UNROUTABLE
        if not self._has(host, address):
            return SILENT
        return self._way(place, host) or _OF_BALANCERS[self._world.balancers.listening(host)]

    def closed(self, place: str, host: str) -> Target:
        """A port of a host on which nobody listens."""
        return self._way(place, host) or _OF_BROKERS["refused"]

    # -- connections that were made ----------------------------------------------------------------

    def talks(self, place: str, address: str, made_to: str | None = None) -> Talks:
        """What becomes of bytes sent from a place to an address on a connection that was made before.

        *made_to* is the host that has the connection: at a virtual address another one may answer by now. For the name
        of a host it is that host, and ``gone`` says that its broker's listener is.
        """
        host = self.leads_to(place, address)
        if host is None or not self._has(host, address) or not self.meets(place, host):
            return "silent"
        if address in self._virtual:
            return "moved" if made_to is not None and made_to != host else "alive"
        brokers = self._world.topology.brokers
        return "gone" if host in brokers and self._world.brokers.port(host) == "refused" else "alive"

    def leads_to(self, place: str, address: str) -> str | None:
        """The host that packets to an address go to."""
        return self._world.routes.leads_to(place, address) if address in self._virtual else address

    def meets(self, place: str, host: str) -> bool:
        """Whether packets pass in both directions."""
        network = self._world.network
        if network.graph is not self._graph:
            self._graph = network.graph
            self._meeting.clear()
        meets = self._meeting.get((place, host))
        if meets is None:
            meets = self._meeting[place, host] = network.meet(place, host)
        return meets and network.loss(place, host) < 1.0

    # -- within -------------------------------------------------------------------------------------

    def _way(self, place: str, host: str) -> Target | None:
        """What keeps packets from a host; ``None`` if nothing does."""
        if self.meets(place, host):
            return None
        return UNROUTABLE if self._neighbours.failed(place, host) else SILENT

    def _has(self, host: str, address: str) -> bool:
        return address not in self._virtual or host in self._world.routes.holders(address)

    def _moved(self) -> None:
        self._neighbours.look()
        self._tell()

    def _tell(self) -> None:
        for call in tuple(self._calls):
            call()
