"""A mirrored queue (RabbitMQ up to 3.13) among the brokers; in a partition each side has one of its own.

Sources: see :mod:`simulation.machines.mirrored`; ``gm.erl``, ``rabbit_classic_queue.erl`` v3.10.8 (a channel waits for
the leader and every mirror itself); the guide "Classic Queue Mirroring".

Who first sees that a node is gone takes its copies out of the queue's record, for all brokers of that side.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.driving import Driven
from simulation.machines.classic import Classic, ClassicSettings, HomeGone
from simulation.machines.link_parts import Process
from simulation.machines.mirrored import (
    CREDIT,
    Contacts,
    Filled,
    Mirrored,
    MirroredInput,
    MirroredSettings,
    MirroredState,
    NodeBack,
    NodeGone,
)
from simulation.processes.queue_classic import silent, without
from simulation.processes.queue_cluster import GONE
from simulation.processes.queue_kinds import Shown
from simulation.processes.views import Copies, Deliveries, Service

if TYPE_CHECKING:
    from simulation.machines.classic import ClassicView
    from simulation.machines.clocks import Reason
    from simulation.processes.queue_cluster import Cluster
    from simulation.processes.queue_kinds import Listener
    from simulation.processes.queue_places import Place
    from simulation.processes.views import LinkChanged, Served
    from simulation.processes.world import World

__all__ = ["Copied"]


@dataclass(slots=True, eq=False)
class _Side:
    """Brokers that have one and the same queue, and what they have heard of the others."""

    members: set[str]
    machine: Mirrored
    driven: Driven[MirroredInput, MirroredState]
    gone: set[str] = field(default_factory=set)
    view: ClassicView | None = None  # while it has no leader
    reason: Reason = ()


class Copied:
    """One mirrored queue.

    Consumers at a broker that lives are subscribed again by it when the leader changes; they would be cancelled only if
    they asked for that (x-cancel-on-ha-failover), which the clients of a workload do not.
    """

    def __init__(self, world: World, place: Place, cluster: Cluster, listener: Listener) -> None:
        assert place.policy is not None  # else it would have no mirrors
        self.place = place
        self._world, self._cluster, self._listener = world, cluster, listener
        nodes = {world.topology.node_name(host): host for host in cluster.hosts}
        settings = MirroredSettings.from_policy(place.policy, nodes)
        self._gone = ClassicSettings.from_design(world.topology)
        self._contacts = Contacts.all_of(cluster.hosts)
        self._filled = Filled(0, 0)
        machine = Mirrored(settings, place.leader, place.members[1:], cluster.hosts)
        self._sides = [self._side(set(cluster.hosts), machine)]

    def _side(self, members: set[str], machine: Mirrored) -> _Side:
        side: _Side
        side = _Side(members, machine, Driven(self._world.clock, machine, lambda state: self._says(side, state)))
        return side

    # -- what it looks like -----------------------------------------------------------------------

    @property
    def leader(self) -> str | None:
        """The broker that leads it; in a partition that of the larger side."""
        return max(self._sides, key=lambda side: len(side.members)).machine.leader

    def service(self, broker: str) -> Service:
        """What a channel on a broker meets: confirms wait for the leader and for every mirror."""
        side, cluster = self._of(broker), self._cluster
        if not cluster.runs(broker):
            return silent(f"{broker} says nothing")
        machine = side.machine
        if machine.leader is None:
            return without(side.view, self._world.now) if side.view else silent("it has no leader")
        if not cluster.exchange(broker, machine.leader):
            return silent(f"{machine.leader} leads it, and is out of reach of {broker}")
        if not machine.responds:
            return silent("a mirror is being promoted, or copied to")
        mute = [one for one in machine.mirrors if not cluster.exchange(broker, one)]
        if mute or not machine.confirms:
            words = f"{', '.join(mute) or 'a mirror'} has not confirmed, and is not known to be gone"
            return Service("waits", "served", holds=CREDIT, reason=((words, 0.0),))
        return Service(reason=side.reason)

    def copies(self) -> Copies:
        """Every mirror, before a publish is confirmed; the leader delivers before that."""
        mirrors = max(self._sides, key=lambda side: len(side.members)).machine.mirrors
        return Copies(mirrors, len(mirrors))

    def shown(self, broker: str) -> Shown | None:
        """What the broker says of it."""
        machine = self._of(broker).machine
        return None if machine.leader is None else Shown(machine.leader, tuple(sorted(machine.in_step)))

    def holds(self, messages: int, size: int) -> None:
        """Be told how much it holds; of use only to mirrors that lack something, and when something happens."""
        self._filled = Filled(messages, size)
        for side in self._sides:
            machine = side.machine
            if machine.leader is not None and len(machine.in_step) <= len(machine.mirrors):
                side.driven.feed(self._filled)

    # -- what happens -----------------------------------------------------------------------------

    def served(self, event: Served, was: Process) -> None:
        """Hear of listeners and VMs."""
        host = event.host
        if event.process in GONE or not event.listens:
            self._leave(host, event)
        elif event.process is Process.RUNS and was is not Process.HANGS:
            self.look()
            self._join(host)
        self.look()

    def linked(self, event: LinkChanged) -> None:
        """Hear of a link: who loses one takes the other for gone; if that is not so, the brokers part."""
        side = self._of(event.here)
        if event.up or event.there in side.gone:
            self.look()
            return
        if self._of(event.there) is side and self._cluster.is_there(event.there):
            self._part(side, event)
        self.look()
        self._lose(side, event.there, self._cluster.clean[event.there], event.reason)
        if event.here == side.machine.leader and self._of(event.there) is side:
            lost = frozenset({event.there})
            self._listener.delivers(Deliveries(self._world.now, self.place.name, "requeued", None, lost, event.reason))

    def look(self) -> None:
        """Look who runs, and who exchanges bytes with whom."""
        cluster = self._cluster
        awake = frozenset(host for host in cluster.hosts if cluster.runs(host))
        pairs = frozenset(
            frozenset(pair) for pair in itertools.combinations(sorted(awake), 2) if cluster.exchange(*pair)
        )
        contacts = Contacts(awake, pairs)
        if contacts != self._contacts:
            self._contacts = contacts
            for side in self._sides:
                side.driven.feed(contacts)

    # -- sides ------------------------------------------------------------------------------------

    def _of(self, host: str) -> _Side:
        first = self._sides[0]
        if len(self._sides) == 1:
            return first
        return next((side for side in self._sides if host in side.members), first)

    def _part(self, side: _Side, event: LinkChanged) -> None:
        """Have the brokers that *here* no longer sees go on with a queue of their own."""
        here, there, cluster = event.here, event.there, self._cluster
        side.driven.feed(self._filled)
        known = [other for other in self._sides if other is not side and self._reaches(there, other.members)]
        if known:
            known[0].members.add(there)
            side.members.discard(there)
            return
        others = {
            host
            for host in side.members - {here, there}
            if cluster.exchange(there, host) and not cluster.exchange(here, host)
        }
        other = self._side({there, *others}, side.machine.split())
        other.gone = set(side.gone)
        side.members -= other.members
        self._sides.append(other)
        parted = Deliveries(self._world.now, self.place.name, "split", None, frozenset(other.members), event.reason)
        self._listener.delivers(parted)

    def _reaches(self, host: str, members: set[str]) -> bool:
        return any(self._cluster.exchange(host, member) for member in members)

    def _lose(self, side: _Side, host: str, clean: bool, reason: Reason) -> None:  # noqa: FBT001 - as it was told
        if host not in side.gone:
            side.gone.add(host)
            side.driven.feed(self._filled)
            side.driven.feed(NodeGone(host, clean, reason))

    def _leave(self, host: str, event: Served) -> None:
        """Take in that RabbitMQ ends on a broker: a side without any other is over, if there is another side."""
        side = self._of(host)
        if host not in side.members:  # its side is over already
            return
        left = [other for other in side.members - {host} if self._cluster.is_there(other)]
        if not left and len(self._sides) > 1:
            self._sides.remove(side)
            side.driven.stop()
            over = frozenset(side.members)
            self._listener.delivers(Deliveries(event.t, self.place.name, "merged", None, over, event.reason))
            self._listener.changed(self.place, event.reason)
        elif not left:
            # Nobody is left to promote anything: mirrors go first, and the leader's node is waited for.
            for other in sorted(side.members, key=lambda one: (one == side.machine.leader, one)):
                self._lose(side, other, self._cluster.clean[other], event.reason)
        elif event.process is Process.RUNS:
            self._lose(side, host, event.clean, event.reason)  # its processes end while its node stays

    def _join(self, host: str) -> None:
        """Have a broker that has started be with those it sees."""
        sees = self._world.brokers.sees(host)
        own = next((side for side in self._sides if host in side.members), None)

        def company(side: _Side) -> int:
            return sum(one != host and one in sees and self._cluster.is_there(one) for one in side.members)

        chosen = max(self._sides, key=company)
        if own and not company(chosen):
            chosen = own
        for side in self._sides:
            side.members.discard(host)
        chosen.members.add(host)
        chosen.gone.discard(host)
        chosen.driven.feed(NodeBack(host))

    def _says(self, side: _Side, state: MirroredState) -> None:
        side.reason = state.reason
        now, name = state.t, self.place.name
        everybody = frozenset(side.members) if len(self._sides) > 1 else frozenset[str]()
        if state.leader is None and side.view is None:
            (side.view,) = Classic(self._gone).feed(now, HomeGone(clean=True, reason=state.reason))
            self._listener.delivers(Deliveries(now, name, "nacked", None, everybody, state.reason))
        elif state.leader is not None and (state.requeued or side.view is not None):
            side.view = None
            if state.lost:
                self._listener.delivers(Deliveries(now, name, "lost", state.lost, everybody, state.reason))
            self._listener.delivers(Deliveries(now, name, "requeued", None, everybody, state.reason))
        self._listener.changed(self.place, state.reason)
