"""What a new channel meets at a quorum queue: a call to the broker that led it when that was last written down.

Sources: ``rabbit_fifo_client.erl`` (``checkout``, ``try_process_command``; ``enqueue``, whose first call registers the
channel; a command's time limit is net_ticktime + 5 s), ``rabbit_quorum_queue.erl`` (``init`` puts the recorded leader
first; ``become_leader`` records a new one in a transaction of Mnesia, which all nodes take part in that are taken for
running), 3.10.8.

A broker that is silent without being taken for gone answers when it is heard again. If another one leads by then, and
the call comes to it before the new leader's word does, it is put into a log that is cut off: nobody answers, and the
channel asks the next member when the time limit is over. Measured on 3.10.8: a consumer that began to subscribe 5.6 s
before its leader's cable came back was served 65.0 s after its call; a publisher
that had connected before had its first confirm 0.4 s after the cable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.machines.raft_parts import GroupSettings
    from simulation.processes.queue_cluster import Cluster
    from simulation.processes.queue_places import Place
    from simulation.processes.world import World

__all__ = ["Calls"]

FIRST_SHARE = 0.5
"""Of two links that go on after the same silence, either may be the first: each goes on when its kernel sends again."""


@dataclass(slots=True, eq=False)
class _Call:
    """A channel that asks."""

    broker: str
    asked: str
    publishes: bool
    done: Callable[[], None]
    over: bool = False

    def answer(self) -> None:
        """Have it go on, once."""
        if not self.over:
            self.over = True
            self.done()


class Calls:
    """The calls of one queue's new channels."""

    def __init__(
        self, world: World, place: Place, cluster: Cluster, leader: Callable[[], str], settings: GroupSettings
    ) -> None:
        self._world, self._cluster, self._leader, self._settings = world, cluster, leader, settings
        self._recorded = place.leader
        self._open: list[_Call] = []
        self._luck = world.streams.stream(place.queue.vhost, place.name, "calls")

    def begin(self, broker: str, done: Callable[[], None], *, publishes: bool) -> None:
        """Have a channel on a broker ask, and call *done* when it has an answer: at once, mostly."""
        call = _Call(broker, self._recorded, publishes, done)
        if not self._is_silent(call):
            call.answer()
            return
        self._open.append(call)
        self._world.clock.after(self._settings.register_s, call.answer)

    def look(self) -> None:
        """See who is heard again, or known to be gone; and whether a new leader can be recorded."""
        for call in [call for call in self._open if not self._is_silent(call)]:
            self._open.remove(call)
            if not self._is_cut_off(call):
                self._world.clock.at(self._world.now, call.answer)
        leader = self._leader()
        if leader != self._recorded and (self._settings.records_alone or self._is_whole(leader)):
            self._recorded = leader

    def _is_silent(self, call: _Call) -> bool:
        """Whether the one that is asked is neither heard nor known to be gone."""
        return self._sees(call) and not self._cluster.exchange(call.broker, call.asked)

    def _is_whole(self, leader: str) -> bool:
        """Whether all that it takes for running answer it."""
        return all(self._cluster.exchange(leader, one) for one in self._world.brokers.sees(leader))

    def _is_cut_off(self, call: _Call) -> bool:
        """Whether the answer is lost: who was asked leads no more, and has heard the call before it heard of that.

        A new leader's own channels use the link that brings its word. A publisher that asks for a version before
        registers when that is over.
        """
        leader = self._leader()
        if (
            (call.publishes and self._settings.asks_version)
            or not self._sees(call)
            or leader in {call.asked, call.broker}
        ):
            return False
        return self._luck() < FIRST_SHARE

    def _sees(self, call: _Call) -> bool:
        return call.asked in self._world.brokers.sees(call.broker)
