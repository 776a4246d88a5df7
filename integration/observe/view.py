"""What the observers know of a running design: who has which role, who leads each queue, and whether all is well."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rmqha_model.events import BrokerState, HaproxyState, HostState, Peers, QueueLeader, ServerState, VipHeld

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["View"]


class View:
    """The latest of everything; it satisfies :class:`integration.faults.View`.

    Brokers may disagree about the leader of a queue. The one that most of the running ones name is taken; of several
    with as many, the one the first broker of the design names.
    """

    def __init__(self, topology: Topology, queues: tuple[tuple[str, str], ...] = ()) -> None:
        self._topology, self._queues = topology, queues
        self._lock = threading.Lock()
        self._vips: dict[tuple[str, str], bool] = {}
        self._state: dict[tuple[str, ...], Any] = {}
        self._peers: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._servers: dict[tuple[str, str, str], bool] = {}
        self._claims: dict[tuple[str, str], dict[str, tuple[str | None, tuple[str, ...]]]] = {}
        self._leaders: dict[tuple[str, str], tuple[str | None, tuple[str, ...]]] = {}

    def hear(self, host: str, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take what the observer of *host* told; give what is new in it for everybody."""
        with self._lock:
            return list(self._news(host, row))

    def _news(self, host: str, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        kind = row["event"]
        if kind == VipHeld.kind:
            if self._vips.get((host, row["address"])) == row["held"]:
                return
            self._vips[host, row["address"]] = row["held"]
        elif kind in {BrokerState.kind, HaproxyState.kind, HostState.kind}:
            up = row["on"] if kind == HostState.kind else row["up"]
            if self._state.get((kind, host)) == up:
                return
            self._state[kind, host] = up
            yield dict(row)
            if kind == BrokerState.kind and not up:
                yield from self._withdraw(host, row["t"])
            return
        elif kind == Peers.kind:
            self._peers[host] = (tuple(row["running"]), tuple(row["partitioned"]))
            if not row["running"]:
                yield dict(row)
                yield from self._withdraw(host, row["t"])
                return
        elif kind == ServerState.kind:
            self._servers[host, row["proxy"], row["server"]] = row["up"]
        elif kind == QueueLeader.kind:
            key = (row["vhost"], row["queue"])
            self._claims.setdefault(key, {})[host] = (row["leader"], tuple(row["in_step"]))
            yield from self._settled(key, row["t"])
            return
        yield dict(row)

    def _withdraw(self, host: str, t: float) -> Iterator[dict[str, Any]]:
        """Count no more what a broker said that is down."""
        for key, claims in self._claims.items():
            if claims.pop(host, None):
                yield from self._settled(key, t)

    def _settled(self, key: tuple[str, str], t: float) -> Iterator[dict[str, Any]]:
        claims = self._claims[key]
        order = [claims[host] for host in self._topology.brokers if host in claims]
        agreed = Counter(order).most_common(1)[0][0] if order else (None, ())
        if self._leaders.get(key) != agreed:
            self._leaders[key] = agreed
            yield QueueLeader(t, *key, *agreed).row()

    # -- roles ------------------------------------------------------------------------------------

    def vip_owner(self) -> str | None:
        """Give the host that holds the first virtual address; of several the one with the highest priority."""
        owners = self._owners(self._topology.virtual_ips[0]) if self._topology.virtual_ips else []
        return owners[0] if owners else None

    def vip_backup(self) -> str | None:
        """Give the host that would take the first virtual address over: of the others with power, the first."""
        owner = self.vip_owner()
        with self._lock:
            running = [host for host in self._by_priority() if self._state.get((HostState.kind, host), True)]
        return next((host for host in running if host != owner), None)

    def leader(self) -> str | None:
        """Give the broker that leads the workload's first queue."""
        with self._lock:
            return self._leaders.get(self._queues[0], (None, ()))[0] if self._queues else None

    def follower(self) -> str | None:
        """Give the first broker of the design that does not lead the workload's first queue."""
        leader = self.leader()
        return next((host for host in self._topology.brokers if leader and host != leader), None)

    def _owners(self, address: str) -> list[str]:
        with self._lock:
            return [host for host in self._by_priority() if self._vips.get((host, address))]

    def _by_priority(self) -> list[str]:
        """Give the members of the instance of the first virtual address, highest priority first."""
        keepalived = self._topology.keepalived
        if keepalived is None:
            return []
        members = keepalived.members(next(iter(keepalived.instances)))
        return sorted(members, key=lambda host: -members[host].priority)

    def sides(self) -> tuple[str, ...]:
        """Give brokers that listen, so that each other one runs with one of them: one of them, unless there are sides.

        Where none listens, or nobody looks, it is the first one of the design.
        """
        chosen: list[str] = []
        with self._lock:
            for host in self._topology.brokers:
                known = self._peers.get(host, ((), ()))[0]
                if self._state.get((BrokerState.kind, host)) and not set(chosen) & set(known):
                    chosen.append(host)
        return tuple(chosen) or self._topology.brokers[:1]

    # -- health -----------------------------------------------------------------------------------

    def complaints(self) -> list[str]:
        """Say what is not well, as far as it is observed."""
        topology = self._topology
        with self._lock:
            unseen = [host for host in topology.hosts if (HostState.kind, host) not in self._state]
            unseen += [host for host in topology.brokers if self._unseen(host)]
            if unseen:
                return [f"nothing seen of {', '.join(dict.fromkeys(unseen))} yet"]
            return [*self._of_hosts(topology), *self._of_cluster(topology), *self._of_balancers(topology)]

    def _unseen(self, host: str) -> bool:
        return self._state.get((HostState.kind, host)) is not False and (BrokerState.kind, host) not in self._state

    def _of_hosts(self, topology: Topology) -> Iterator[str]:
        for host in topology.hosts:
            if self._state.get((HostState.kind, host)) is False:
                yield f"{host} has no power"
        for kind, hosts in ((BrokerState.kind, topology.brokers), (HaproxyState.kind, topology.load_balancers)):
            for host in hosts:
                if not self._state.get((kind, host)):
                    yield f"{kind} on {host} does not listen"

    def _of_cluster(self, topology: Topology) -> Iterator[str]:
        for host, (running, partitioned) in self._peers.items():
            missing = [other for other in topology.brokers if other not in running]
            if missing:
                yield f"{host} misses {', '.join(missing)}"
            if partitioned:
                yield f"{host} is partitioned from {', '.join(partitioned)}"

    def _of_balancers(self, topology: Topology) -> Iterator[str]:
        for (host, proxy, server), up in self._servers.items():
            if not up:
                yield f"{host} has {proxy}/{server} down"
        for address in topology.virtual_ips:
            owners = [host for host in topology.vrrp_hosts if self._vips.get((host, address))]
            if len(owners) != 1:
                yield f"{address} is on {' and '.join(owners) or 'no host'}"
