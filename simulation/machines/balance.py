"""Which server HAProxy gives a new connection: balance algorithms, weights, backup servers, places that are taken.

Source: src/backend.c assign_server and the files of the algorithms, 2.2 to 3.2.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from simulation.machines.round_robin import RoundRobin, Turn

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["Algorithm", "Balance", "Member", "from_design"]

Algorithm: TypeAlias = Literal["roundrobin", "static-rr", "leastconn", "first", "source", "source-consistent", "random"]
"""`source-consistent` is `balance source` with `hash-type consistent`, whose modifier is then avalanche."""

SCALE, FULL = 16, 4096
"""BE_WEIGHT_SCALE, include/haproxy/backend-t.h; SRV_EWGHT_MAX and SRV_EWGHT_RANGE, include/haproxy/server-t.h."""

RANDOM_DRAWS = 2
"""`balance random` without a number: two draws, the less loaded one wins (src/backend.c get_server_rnd)."""

RANDOM_TIES = (3, 2, 0)
"""From 3.2 on equally loaded servers stand in random lists (src/lb_fwlc.c fwlc_queue_srv); 3.1 keeps their order."""

_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Member:
    """A server of a proxy, in the order of the configuration."""

    name: str
    weight: int = 1
    backup: bool = False
    maxconn: int = 0
    """Connections at most; 0: as many as come."""


class Balance:
    """The servers of one proxy: told which are UP and who is connected, it says who is next.

    *draw* gives uniform numbers in 0 to 1; it is asked by ``random``, and by ``leastconn`` from 3.2 on (*random_ties*).
    """

    def __init__(
        self,
        algorithm: Algorithm,
        members: Sequence[Member],
        *,
        all_backups: bool = False,
        random_ties: bool = False,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.members = {member.name: member for member in members}
        self.served = dict.fromkeys(self.members, 0)
        self.running = dict.fromkeys(self.members, True)
        """Which are UP and past slowstart: state SRV_ST_RUNNING."""
        self._steps = dict.fromkeys(self.members, SCALE)
        self._all_backups = all_backups
        self._random_ties = random_ties
        self._draw = draw
        self._usable = {member.name for member in members if member.weight}
        self._candidates: list[str] | None = None
        # Servers of equal load stand in the order in which they got there, as in HAProxy's tree.
        self._order = {member.name: place for place, member in enumerate(members)}
        self._came = len(members)
        self._index = 0
        self._rings: dict[tuple[tuple[str, int], ...], list[tuple[int, str]]] = {}
        self._algorithm: Callable[[list[str], str | None, str], str | None] = {
            "roundrobin": self._turn,
            "static-rr": self._next_of_map,
            "leastconn": self._least,
            "first": self._least,
            "source": self._hashed,
            "source-consistent": self._consistent,
            "random": self._random,
        }[algorithm]
        self._turns = {member.name: Turn(member.name, member.weight * SCALE) for member in members}
        self._rounds = tuple(
            RoundRobin([self._turns[m.name] for m in members if m.backup is backup and m.weight])
            for backup in (False, True)
        )

    @property
    def active(self) -> int:
        """How many servers are UP and no backup: srv_act, which decides whether a retry waits."""
        return sum(not self.members[name].backup for name in self._usable)

    def set(self, name: str, *, up: bool, steps: int = SCALE, running: bool = True) -> None:
        """Take in that a server is UP or DOWN, with *steps* sixteenths of its weight (slowstart)."""
        self.running[name] = up and running
        member, turn = self.members[name], self._turns[name]
        if self.algorithm in {"source", "static-rr"}:
            steps = SCALE  # a map knows no slowstart: no BE_LB_PROP_DYN
        usable, weight = up and member.weight > 0, member.weight * steps
        rounds = self._rounds[member.backup]
        if usable != (name in self._usable):
            self._candidates = None
            self._came += 1
            self._order[name] = self._came
            if usable:
                turn.weight = weight
                self._usable.add(name)
                rounds.up(turn)
            else:
                self._usable.discard(name)
                rounds.down(turn)
        elif usable and weight != turn.weight:
            rounds.weigh(turn, weight)
        self._steps[name] = steps

    def opened(self, name: str) -> None:
        """Take in that a connection is being made to a server."""
        self._serves(name, 1)

    def closed(self, name: str) -> None:
        """Take in that it is over, or was given up."""
        self._serves(name, -1)

    def candidates(self) -> list[str]:
        """Give the servers that may get a connection: the active ones, else the first backup or all of them."""
        if self._candidates is None:
            active = [m.name for m in self.members.values() if m.name in self._usable and not m.backup]
            backups = [m.name for m in self.members.values() if m.name in self._usable and m.backup]
            self._candidates = active or (backups if self._all_backups else backups[:1])
        return self._candidates

    def pick(self, *, avoid: str | None = None, source: str = "0.0.0.0") -> str | None:  # noqa: S104 - no bind
        """Give the server of a new connection from address *source*; ``None`` where there is none with a free place.

        *avoid* is the server that a retry comes from: it is given only where there is no other.
        """
        names = self.candidates()
        if len(names) == 1 and self.members[names[0]].backup and not self._all_backups:
            return names[0]  # the first backup server, whatever its connections
        if not names:
            return None
        return self._algorithm(names, avoid, source)

    def takers(self) -> list[str]:
        """Give the servers among which connections go that come and go one after the other."""
        names = self.candidates()
        if self.algorithm != "leastconn":
            return names
        loads = {name: self._load(name) for name in names if self._has_room(name)}
        least = min(loads.values(), default=0)
        return [name for name, load in loads.items() if load == least]

    def pass_by(self, count: int, *, source: str = "0.0.0.0") -> None:  # noqa: S104 - no bind
        """Have so many connections come and go, one after the other, and do as many of them as leave a trace."""
        names = self.takers()
        if not names or self.algorithm in {"first", "source", "source-consistent"}:
            return
        if self.algorithm == "leastconn" and not self._random_ties:
            # The least loaded ones take turns: each goes to the end of its row, behind those of another load, too.
            count = len(names) + count % len(names) if count > len(names) else count
        elif self.algorithm == "static-rr":
            count %= len(self._map(names))
        elif self.algorithm == "roundrobin":
            weights = [self._weight(name) for name in names]
            places = sum(weights)
            # Servers that have come, gone or stayed out leave traces for a round, or some where weights differ.
            keep = places if min(weights) == max(weights) else 4 * places
            count = keep + (count - keep) % places if count > keep + places else count
        for _ in range(count):
            name = self.pick(source=source)
            if name is None:
                return
            self.opened(name)
            self.closed(name)

    # -- algorithms -----------------------------------------------------------------------------------

    def _has_room(self, name: str) -> bool:
        limit = self.members[name].maxconn
        return not limit or self.served[name] < limit

    def _serves(self, name: str, more: int) -> None:
        before = self._load(name)
        self.served[name] += more
        if self._load(name) != before:
            self._came += 1
            self._order[name] = self._came

    def _weight(self, name: str) -> int:
        return self.members[name].weight * self._steps[name]

    def _load(self, name: str) -> int:
        """The key of fwlc_queue_srv."""
        served = self.served[name]
        return (served + 1) * FULL // (self._weight(name) or 1) if served else 0

    def _turn(self, names: list[str], avoid: str | None, _: str) -> str | None:
        return self._rounds[self.members[names[0]].backup].pick(avoid, self._has_room)

    def _hashed(self, names: list[str], _: str | None, source: str) -> str:
        """get_server_sh with map_get_server_hash, which knows nothing to avoid."""
        places = self._map(names)
        return places[(_hash(source) if len(names) > 1 else 0) % len(places)]

    def _consistent(self, names: list[str], avoid: str | None, source: str) -> str:
        return self._nearest(names, _avalanche(_hash(source)) if len(names) > 1 else 0, avoid)

    def _least(self, names: list[str], avoid: str | None, _: str) -> str | None:
        """`leastconn` and `first`: the first in a row that has room, fwlc_get_next_server and fas_get_next_server."""
        if self.algorithm == "leastconn":
            names = sorted(names, key=lambda name: (self._load(name), self._order[name]))
        room = [name for name in names if self._has_room(name)]
        others = [name for name in room if name != avoid] or room
        if self._random_ties and self.algorithm == "leastconn" and others:
            assert self._draw is not None
            least = [name for name in others if self._load(name) == self._load(others[0])]
            return least[int(self._draw() * len(least))]
        return others[0] if others else None

    def _map(self, names: list[str]) -> list[str]:
        """src/lb_map.c recalc_server_map: each server as many places as its weight, well mixed."""
        divisor = _common([member.weight for member in self.members.values()])
        weights = {name: self.members[name].weight // divisor for name in names}
        total, score, places = sum(weights.values()), dict.fromkeys(names, 0), []
        for _ in range(total):
            for name in names:
                score[name] += weights[name]
            best = max(names, key=lambda name: (score[name] + total) // total)
            score[best] -= total
            places.append(best)
        return places

    def _next_of_map(self, names: list[str], avoid: str | None, _: str) -> str | None:
        """map_get_server_rr."""
        places = self._map(names)
        start = self._index if self._index < len(places) else 0
        found: int | None = None
        for step in range(len(places)):
            at = (start + step) % len(places)
            if self._has_room(places[at]):
                found = at
                if places[at] != avoid:
                    break
        if found is None:
            return None
        self._index = found + 1
        return places[found]

    def _random(self, names: list[str], avoid: str | None, _: str) -> str | None:
        """get_server_rnd."""
        assert self._draw is not None
        best: str | None = None
        for __ in range(RANDOM_DRAWS):
            name = self._nearest(names, int(self._draw() * (_WORD + 1)), avoid)
            worse = best is not None and self.served[name] * self._weight(best) > self.served[best] * self._weight(name)
            best = best if worse else name
        return best if best is not None and self._has_room(best) else None

    def _nearest(self, names: list[str], point: int, avoid: str | None) -> str:
        """chash_get_server_hash: the server that owns the nearest point of the ring."""
        weights = tuple((name, self._weight(name)) for name in names)
        ring = self._rings.get(weights)
        if ring is None:
            ids = {name: number for number, name in enumerate(self.members, 1)}
            ring = sorted((_avalanche(ids[n] * FULL + j & _WORD), n) for n, weight in weights for j in range(weight))
            self._rings[weights] = ring
        after = next((k for k, (key, _) in enumerate(ring) if key >= point), 0)
        if (point - ring[after - 1][0]) & _WORD <= (ring[after][0] - point) & _WORD:
            after = (after - 1) % len(ring)
        return next((n for k in range(len(ring)) if (n := ring[(after + k) % len(ring)][1]) != avoid), ring[after][1])


def from_design(topology: Topology, name: str, *, draw: Callable[[], float] | None = None) -> Balance:
    """Give the servers of the listener called *name*."""
    from rmqha_model.haproxy import AmqpListener, AmqpsListener, ManagementListener, Server
    from rmqha_model.versions.version import Version

    assert topology.haproxy is not None
    listener = topology.haproxy.listeners[name]
    assert isinstance(listener, AmqpListener | AmqpsListener | ManagementListener)
    shared = listener.server
    members = []
    for host, server in (listener.servers or {host: Server() for host in topology.brokers}).items():
        weight = shared.weight if server.weight is None else server.weight
        maxconn = server.maxconn or shared.maxconn or 0
        members.append(Member(host, 1 if weight is None else weight, server.backup, maxconn))
    ties = Version.parse(topology.versions.haproxy) >= RANDOM_TIES
    return Balance(listener.balance, members, random_ties=ties, draw=draw)


def _hash(address: str) -> int:
    """get_server_sh: the address's 32-bit words, by exclusive or."""
    packed, found = ipaddress.ip_address(address).packed, 0
    for k in range(0, len(packed), 4):
        found ^= int.from_bytes(packed[k : k + 4], "big")
    return found


def _avalanche(a: int) -> int:
    """__full_hash, include/haproxy/intops.h."""
    a = (a + 0x7ED55D16) + (a << 12) & _WORD
    a = (a ^ 0xC761C23C) ^ (a >> 19)
    a = (a + 0x165667B1) + (a << 5) & _WORD
    a = (a + 0xD3A2646C & _WORD) ^ (a << 9 & _WORD)
    a = (a + 0xFD7046C5) + (a << 3) & _WORD
    return (a ^ 0xB55A4F09) ^ (a >> 16)


def _common(weights: list[int]) -> int:
    """The weights' greatest common divisor, as init_server_map finds it."""
    return math.gcd(*weights) or 1
