"""The leaders of queues as observers see them, who ask each broker's management API once a second.

The same as in the lab (``integration/observe``): what most brokers say counts; of as many the first one's; what a
broker said counts no more once it does not listen.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rmqha_model.events import QueueLeader
from simulation.machines.clocks import next_tick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation.machines.clocks import Reason
    from simulation.processes.queue_cluster import Cluster
    from simulation.processes.queue_kinds import Kind, Shown
    from simulation.processes.queue_places import Place
    from simulation.processes.world import World

__all__ = ["Seen", "is_watched"]

ASK_S = 1.0
"""API_S, integration/observe/host.py; the answer itself takes some milliseconds more."""
PATIENCE_S = 5.0
"""API_PATIENCE_S, integration/observe/host.py. While a node is silent, no answer came within it (power losses, freezes
and cuts of the lab on 3.10.8, 4.0.5); what is answered later is stamped with the time of the question."""


def is_watched(world: World) -> bool:
    """Whether there is a management API, and a user who may ask it."""
    rabbitmq = world.topology.rabbitmq
    allowed = {"monitoring", "administrator"}
    return "rabbitmq_management" in rabbitmq.plugins and any(
        allowed.intersection(user.tags) for user in rabbitmq.users.values()
    )


class Seen:
    """What is known of who leads each queue; asks are events only when an answer would be news."""

    def __init__(self, world: World, cluster: Cluster, kinds: Sequence[Kind]) -> None:
        self._world, self._cluster, self._kinds = world, cluster, kinds
        self._claims: dict[str, dict[str, Shown]] = {}
        self._known: dict[str, Shown | None] = {}
        self._phases: dict[str, float] = {}
        self._awaited: set[str] = set()
        self._stuck: dict[str, float] = {}  # since when questions to a broker are not answered
        self._reasons: dict[str, tuple[float, Reason]] = {}  # and since when

    def begin(self) -> None:
        """Tell who leads each queue to begin with."""
        for kind in self._kinds:
            claims = self._claims[kind.place.name] = {}
            for host in self._cluster.hosts:
                if shown := kind.shown(host):
                    claims[host] = shown
            self._settle(kind, 0.0)

    def because(self, place: Place, reason: Reason) -> None:
        """Hear why a queue may look different when it is next asked for."""
        self._reasons[place.name] = self._world.now, reason

    def look(self) -> None:
        """See which brokers have news, and whether those that did not answer do."""
        for host in self._cluster.hosts:
            if host in self._stuck and self._cluster.answers(host):
                self._is_free(host)
            elif host not in self._awaited and host not in self._stuck and self._has_news(host):
                self._await(host, next_tick(self._phase(host), ASK_S, self._world.now))

    def withdrawn(self, host: str) -> None:
        """Count no more what a broker said that no longer listens."""
        self._stuck.pop(host, None)
        for kind in self._kinds:
            if self._claims[kind.place.name].pop(host, None):
                self._settle(kind, self._world.now)

    # -- questions --------------------------------------------------------------------------------

    def _phase(self, host: str) -> float:
        if host not in self._phases:
            self._phases[host] = self._world.streams.phase(ASK_S, host, "asked")
        return self._phases[host]

    def _has_news(self, host: str) -> bool:
        if host not in self._cluster.up:
            return False
        if not self._cluster.answers(host):
            return True  # an ask begins, and nobody knows yet what comes of it
        return any(self._is_news(kind, host) for kind in self._kinds)

    def _is_news(self, kind: Kind, host: str) -> bool:
        shown = kind.shown(host)
        return shown is not None and self._claims[kind.place.name].get(host) != shown

    def _await(self, host: str, at: float) -> None:
        self._awaited.add(host)

        def ask() -> None:
            self._awaited.discard(host)
            if host not in self._cluster.up:
                return
            if self._cluster.answers(host):
                self._answer(host, self._world.now)
            else:
                self._stuck[host] = self._world.now

        self._world.clock.at(at, ask)

    def _is_free(self, host: str) -> None:
        """Find the question that is open, or the next one."""
        now, cycle = self._world.now, PATIENCE_S + ASK_S
        asked = self._stuck.pop(host)
        asked += (now - asked) // cycle * cycle
        if now - asked < PATIENCE_S:
            self._answer(host, asked)
        else:
            self._phases[host] = asked + cycle
            self._await(host, asked + cycle)

    def _answer(self, host: str, asked: float) -> None:
        for kind in self._kinds:
            if self._is_news(kind, host):
                shown = kind.shown(host)
                assert shown is not None  # else it would be no news
                self._claims[kind.place.name][host] = shown
                self._settle(kind, asked)

    def _settle(self, kind: Kind, t: float) -> None:
        name = kind.place.name
        claims = self._claims[name]
        order = [claims[host] for host in self._world.topology.brokers if host in claims]
        agreed: Shown | None = Counter(order).most_common(1)[0][0] if order else None
        if name in self._known and self._known[name] == agreed:
            return
        self._known[name] = agreed
        leader, in_step = agreed or (None, ())
        since, reason = self._reasons.get(name, (t, ()))
        if t > since:
            reason = (*reason, ("until a broker is asked for it", t - since))
        self._world.tell(QueueLeader(t, kind.place.queue.vhost, name, leader, in_step), reason)
