"""A quorum queue: its Raft group among the brokers, and what channels on each of them meet.

Sources: RabbitMQ ``rabbit_fifo_client.erl``, ``rabbit_fifo.erl``, ``rabbit_quorum_queue.erl``, 3.8 to 4.3.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from simulation.driving import Driven
from simulation.machines.link_parts import Process
from simulation.machines.raft import Group
from simulation.machines.raft_parts import GroupInput, GroupSettings, GroupState, LeaderLost, Reach, Suspicion
from simulation.processes.queue_calls import Calls
from simulation.processes.queue_kinds import Shown
from simulation.processes.views import Copies, Deliveries, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.machines.clocks import Reason
    from simulation.machines.raft_parts import Length
    from simulation.processes.queue_cluster import Cluster
    from simulation.processes.queue_kinds import Listener
    from simulation.processes.queue_places import Place
    from simulation.processes.queue_suspects import Suspects
    from simulation.processes.views import LinkChanged, Served
    from simulation.processes.world import World

__all__ = ["Quorum"]


class Quorum:
    """One quorum queue. Consumers are not cancelled when it gets another leader: deliveries go on through that one."""

    def __init__(self, world: World, place: Place, cluster: Cluster, suspects: Suspects, listener: Listener) -> None:
        self.place = place
        self._world, self._cluster, self._suspects, self._listener = world, cluster, suspects, listener
        self._settings = GroupSettings.from_design(world.topology, len(place.members))
        self._draws: dict[str, Callable[[], float]] = {}
        self._group = Group(place.members, place.leader, self._settings.poll_s, self._draw)
        self._driven: Driven[GroupInput, GroupState] = Driven(world.clock, self._group, self._says)
        self._reach = Reach.all_of(place.members)
        group = self._group
        self.calls = Calls(world, place, cluster, lambda: self._state.leader, self._settings)
        self._state = GroupState(0.0, group.leader, group.term, group.commits, group.in_step, ())

    def _draw(self, member: str, _: Length) -> float:
        if member not in self._draws:
            self._draws[member] = self._world.streams.stream(
                self.place.queue.vhost, self.place.name, member, "election"
            )
        return self._draws[member]()

    # -- what it looks like -----------------------------------------------------------------------

    @property
    def leader(self) -> str | None:
        """The member that led last."""
        return self._state.leader

    def service(self, broker: str) -> Service:
        """What a channel on a broker meets: it waits, and after 32 commands that are not applied it is blocked."""
        state = self._state
        if state.commits and self._cluster.exchange(broker, state.leader):
            return Service(reason=state.reason)
        words = f"{state.leader} leads it, and is out of reach of {broker}"
        if not state.in_step:
            words = f"it has no leader: {state.leader} is gone"
        elif not state.commits:
            words = f"{state.leader} reaches {len(state.in_step)} of {len(self.place.members)} members"
        return Service("waits", "waits", holds=self._settings.soft_limit, reason=((words, 0.0),))

    def copies(self) -> Copies:
        """As many members as it takes beside the leader, before anything is delivered."""
        others = tuple(member for member in self._state.in_step if member != self._state.leader)
        return Copies(others, self._group.majority - 1, first=False)

    def shown(self, broker: str) -> Shown:
        """What the broker says of it: a leader that it cannot ask is none."""
        state, cluster = self._state, self._cluster
        online = [
            member for member in self.place.members if cluster.has_raft(member) and cluster.exchange(broker, member)
        ]
        leads = state.leader in state.in_step and state.leader in online
        return Shown(state.leader if leads else None, tuple(sorted(online)))

    def spares(self, broker: str) -> bool:
        """Whether it keeps its majority without a broker: rabbit_quorum_queue:filter_quorum_critical, v3.10.8.

        A broker without a member does not ask.
        """
        online = [member for member in self.place.members if self._cluster.has_raft(member)]
        return broker not in self.place.members or len(online) > self._group.majority

    def holds(self, messages: int, size: int) -> None:
        """Take no notice: a member that returns goes on from its log, and nothing is copied."""

    # -- what happens -----------------------------------------------------------------------------

    def served(self, _event: Served, _was: Process) -> None:
        """Hear of listeners and VMs."""
        self.look()

    def linked(self, event: LinkChanged) -> None:
        """Hear of a link: a member that loses its leader's node sets its timer, and a leader gives back deliveries."""
        self.look()
        if event.up:
            return
        if {event.here, event.there} <= set(self.place.members):
            self._driven.feed(LeaderLost(event.here, event.there, connection=True, reason=event.reason))
        if event.here == self._state.leader:
            self._give_back(frozenset({event.there}), self._settings.returned_s, event.reason)

    def suspected(self, here: str, there: str, *, up: bool, reason: Reason) -> None:
        """Hear that aten on one member's node suspects another, or no longer does."""
        if here in self.place.members and there in self.place.members:
            self._driven.feed(Suspicion(here, there, up, reason))

    def look(self) -> None:
        """Look who runs, and who exchanges messages with whom."""
        cluster, members = self._cluster, self.place.members
        raft = {member for member in members if cluster.has_raft(member)}
        running = frozenset(member for member in raft if cluster.process(member) is Process.RUNS)
        pairs = frozenset(
            frozenset(pair) for pair in itertools.combinations(sorted(running), 2) if cluster.exchange(*pair)
        )
        reach = Reach(running, pairs, frozenset(members) - raft)
        if reach == self._reach:
            self.calls.look()
            return
        ended = reach.ended - self._reach.ended
        self._reach = reach
        self._driven.feed(reach)
        for leader in ended:
            self._lost_in_order(leader)
        self.calls.look()

    def _lost_in_order(self, leader: str) -> None:
        """Tell members whose link to the leader's node stays up that its process has ended there.

        A VM that is stopped in order ends its processes before its links.
        """
        if not self._cluster.clean[leader]:
            return
        reason = ((f"RabbitMQ stopped on {leader}", 0.0),)
        for member in self.place.members:
            if member != leader and member in self._reach.running and leader in self._world.brokers.sees(member):
                self._driven.feed(LeaderLost(member, leader, connection=False, reason=reason))

    def _says(self, state: GroupState) -> None:
        before, self._state = self._state, state
        if state.term != before.term:
            self._begin_term(state)
        self.calls.look()
        self._listener.changed(self.place, state.reason)

    def _begin_term(self, state: GroupState) -> None:
        for member in self.place.members:
            if member != state.leader and not self._suspects.up(member, state.leader):
                self._driven.feed(Suspicion(member, state.leader, up=False))
        # A new leader watches all consumers: those on nodes that it does not see are gone for it at once.
        unseen = frozenset(self._world.topology.brokers) - self._world.brokers.sees(state.leader)
        if unseen:
            self._give_back(unseen, self._settings.returned_s, state.reason)

    def _give_back(self, lost: frozenset[str], after_s: float, reason: Reason) -> None:
        """Return what consumers on lost brokers hold; where the release waits, only if they stay lost."""
        world = self._world

        def give() -> None:
            still = lost - world.brokers.sees(self._state.leader) if after_s else lost
            if still:
                parts = (*reason, ("consumer_disconnected_timeout", after_s)) if after_s else reason
                self._listener.delivers(Deliveries(world.now, self.place.name, "requeued", None, still, parts))

        if after_s:
            world.clock.after(after_s, give)
        else:
            give()
