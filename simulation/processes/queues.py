"""All queues of a design and of a workload: who leads them, and what they do for whom."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import TYPE_CHECKING

from rmqha_model.usual import OWN
from simulation.machines.link_parts import Process
from simulation.processes.queue_classic import Plain
from simulation.processes.queue_cluster import Cluster
from simulation.processes.queue_mirrored import Copied
from simulation.processes.queue_places import places
from simulation.processes.queue_quorum import Quorum
from simulation.processes.queue_seen import Seen, is_watched
from simulation.processes.queue_suspects import Suspects
from simulation.processes.views import Copies, Deliveries, Service
from simulation.processes.world import Stall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulation.machines.clocks import Reason
    from simulation.machines.detector import Judged
    from simulation.processes.queue_kinds import Kind
    from simulation.processes.queue_places import Place
    from simulation.processes.views import Heard, LinkChanged, Served
    from simulation.processes.world import World

__all__ = ["QueueSet"]

_LIMITS = ("max_length", "max_length_bytes", "message_ttl", "expires", "delivery_limit", "auto_delete")


class QueueSet:
    """The queues of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cluster = Cluster(world)
        self._suspects = Suspects(world, self._judged)
        self._kinds: dict[str, Kind] = {}
        for place in places(world.topology, world.scenario, world.streams):
            if kind := self._made(place):
                self._kinds[place.name] = kind
        world.not_modelled.extend(self._left_out())
        self._seen = Seen(world, self._cluster, tuple(self._kinds.values()) if is_watched(world) else ())
        self._hears = 0  # so many events are being heard of, one within the other
        self._met: dict[str, tuple[Service, ...]] = {}
        self._hear_service: list[Callable[[str], None]] = []
        self._hear_deliveries: list[Callable[[Deliveries], None]] = []

    def _made(self, place: Place) -> Kind | None:
        if place.kind == "quorum":
            return Quorum(self._world, place, self._cluster, self._suspects, self)
        if place.kind == "mirrored":
            return Copied(self._world, place, self._cluster, self)
        return Plain(self._world, place, self._cluster, self) if place.kind == "classic" else None

    def _left_out(self) -> Iterator[str]:
        workload = self._world.scenario.workload
        used = {one.queue for one in workload.publishers.values()} | {one.queue for one in workload.consumers.values()}
        if streams := [queue.name for queue in self._world.topology.rabbitmq.queues if queue.type == "stream"]:
            yield f"streams ({', '.join(streams)}): who uses one is served as long as its broker is there"
        for name in sorted(used & self._kinds.keys()):
            place = self._kinds[name].place
            # The limit that a measurement's own policy sets is one that nobody reaches.
            parts = (place.queue, None if name.startswith(OWN) else place.policy)
            said = {each for part in parts for each in _LIMITS if getattr(part, each, None)}
            if said:
                yield f"limits of queue {name} ({', '.join(sorted(said))}): it is taken for one without"

    def begin(self) -> None:
        """Hear of brokers, and tell who leads what."""
        brokers = self._world.brokers
        brokers.on_served(self._served)
        brokers.on_link(self._linked)
        brokers.on_heard(self._heard)
        brokers.on_running(self._ran)
        self._met = {name: self._services(name) for name in self._kinds}
        self._seen.begin()

    # -- what others ask --------------------------------------------------------------------------

    def leader(self, queue: str) -> str | None:
        """The broker that leads a queue: a classic queue's home."""
        kind = self._kinds.get(queue)
        return kind.leader if kind else None

    def service(self, queue: str, broker: str) -> Service:
        """What a channel on a broker meets."""
        kind = self._kinds.get(queue)
        return kind.service(broker) if kind else Service()

    def copies(self, queue: str) -> Copies:
        """Who must have a queue's messages beside its leader."""
        kind = self._kinds.get(queue)
        return kind.copies() if kind else Copies()

    def enters(self, queue: str, broker: str, done: Callable[[], None], *, publishes: bool) -> None:
        """Have a new channel on a broker make itself known to a queue: only quorum queues have that done."""
        kind = self._kinds.get(queue)
        if isinstance(kind, Quorum):
            kind.calls.begin(broker, done, publishes=publishes)
        else:
            done()

    def spares(self, broker: str) -> bool:
        """Whether every quorum queue keeps its majority without a broker."""
        quorum = [kind for kind in self._kinds.values() if isinstance(kind, Quorum)]
        return all(kind.spares(broker) for kind in quorum)

    def holds(self, queue: str, messages: int, size: int) -> None:
        """Be told how much a queue holds, unacknowledged deliveries included."""
        if kind := self._kinds.get(queue):
            kind.holds(messages, size)

    def on_service(self, call: Callable[[str], None]) -> None:
        """Hear of a queue whose service may have changed at some broker."""
        self._hear_service.append(call)

    def on_deliveries(self, call: Callable[[Deliveries], None]) -> None:
        """Hear of what becomes of messages."""
        self._hear_deliveries.append(call)

    # -- what the queues say ----------------------------------------------------------------------

    def changed(self, place: Place, reason: Reason) -> None:
        """Hear of a queue whose service or leader may have changed."""
        self._seen.because(place, reason)
        if not self._hears:  # else all of them are looked at when it is over
            self._compare(place.name)
            self._seen.look()

    def _compare(self, name: str) -> None:
        met = self._services(name)
        if self._met.get(name) != met:
            self._met[name] = met
            self._stall(name, confirms=any(service.publish == "confirmed" for service in met))
            for call in self._hear_service:
                call(name)

    def _stall(self, name: str, *, confirms: bool) -> None:
        """Note since when nothing is confirmed."""
        stalls, now = self._world.stalls, self._world.now
        last = next((stall for stall in reversed(stalls) if stall.queue == name), None)
        if last is not None and last.end == math.inf:
            last.end = now if confirms else math.inf
        elif not confirms and now > 0:
            stalls.append(Stall(name, now))

    def delivers(self, what: Deliveries) -> None:
        """Hear of what becomes of messages."""
        for call in self._hear_deliveries:
            call(what)

    def _services(self, name: str) -> tuple[Service, ...]:
        kind = self._kinds[name]
        return tuple(dataclasses.replace(kind.service(host), reason=()) for host in self._cluster.hosts)

    # -- what happens to brokers ------------------------------------------------------------------

    def _served(self, event: Served) -> None:
        host, was_up = event.host, event.host in self._cluster.up
        was = self._cluster.served(event)
        with self._hearing():
            if was is not event.process:
                self._suspects.turned(event.t, host, was, event.process)
            if not event.listens or event.process is Process.GONE:
                self._seen.withdrawn(host)
            for kind in self._kinds.values():
                kind.served(event, was)
            if was_up and host not in self._cluster.up and event.clean:
                self._closed(event)

    def _closed(self, event: Served) -> None:
        """Have what consumers on a broker held go out again, whose connections it has closed in order."""
        side = frozenset({event.host})
        for name in self._kinds:
            self.delivers(Deliveries(event.t, name, "requeued", None, side, event.reason))

    def _linked(self, event: LinkChanged) -> None:
        self._cluster.linked_anew(event)
        with self._hearing():
            self._suspects.linked(event)
            for kind in self._kinds.values():
                kind.linked(event)

    def _heard(self, event: Heard) -> None:
        self._cluster.heard(event)
        with self._hearing():
            self._suspects.heard(event)

    def _judged(self, here: str, there: str, judged: Judged) -> None:
        for kind in self._kinds.values():
            if isinstance(kind, Quorum):
                kind.suspected(here, there, up=judged.up, reason=judged.reason)

    def _ran(self, _: str) -> None:
        """RabbitMQ has begun or ended somewhere, which may be seen on links that stay."""
        with self._hearing():
            self._cluster.look()

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Tell others what has changed when all queues have heard of it: each depends on each broker."""
        self._hears += 1
        yield
        for kind in self._kinds.values():
            kind.look()
        self._hears -= 1
        if not self._hears:
            for name in self._kinds:
                self._compare(name)
            self._seen.look()
