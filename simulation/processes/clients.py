"""The publishers and consumers of a workload, all together: what they meet, what becomes of their messages.

They behave as the programs of integration/clients do. Nothing happens message by message: whenever something changes
that one of them meets, all messages until then are dealt with at once, as runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model import workload
from rmqha_model.events import Connection
from rmqha_model.workload import client_names
from simulation.machines.client import ClientSettings
from simulation.machines.machine import NEVER
from simulation.processes.balancer_endpoints import endpoints, source
from simulation.processes.client_consumer import Consumer
from simulation.processes.client_keeper import CONSUMER_S, SET_UP_S, Keeper
from simulation.processes.client_log import Log
from simulation.processes.client_losses import Losses
from simulation.processes.client_publisher import Publisher
from simulation.processes.client_queue import QueueMessages
from simulation.processes.client_settings import ConsumerSettings, PublisherSettings
from simulation.processes.queue_places import places

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from simulation.processes.client_log import Seen
    from simulation.processes.client_pool import Pool
    from simulation.processes.views import Deliveries, Served
    from simulation.processes.world import World

__all__ = ["Clients"]

LATENCIES_S: dict[str, tuple[float, float]] = {
    "classic": (0.0046, 0.0026),
    "quorum": (0.0072, 0.0062),
    "mirrored": (0.0084, 0.0043),
}
"""From a publish to its confirm, and to its delivery, by the kind of queue: medians of the quietest run of the lab
(docs/evidence/bookworm/article-fixed, haproxy_kill, before the fault). Streams are taken for quorum queues."""

SETTLE_S, DRAIN_S = 150.0, 120.0
"""For open confirms, and for draining: integration/running/plan.py."""
LOOKS_S = (0.02, 0.1, 0.5, 2.0)
"""Between looks whether all is settled: soon at first."""


class Clients:
    """All publishers and consumers of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.log = Log()
        self.over = False
        """Whether everything has come to its end: confirmed, consumed, drained."""
        kinds = {place.name: place.kind for place in places(world.topology, world.scenario, world.streams)}
        self._latencies = {name: LATENCIES_S.get(kind, LATENCIES_S["quorum"]) for name, kind in kinds.items()}
        self._queues: dict[str, QueueMessages] = {}
        self._losses = Losses(world)
        self._told: dict[str, int] = {}
        self._payload: dict[str, int] = {}
        self._clean: dict[str, bool] = {}
        self._source = source(world.topology, world.streams)
        self._at = world.now
        self._wanted = False
        self._ending_from = NEVER
        self._drained_from = NEVER
        self._looks = 0
        work = world.scenario.workload
        self.consumers = [
            self._consumer(name, part)
            for label, part in work.consumers.items()
            for name in client_names(label, part.count)
        ]
        self.publishers = [
            self._publisher(name, part)
            for label, part in work.publishers.items()
            for name in client_names(label, part.count)
        ]
        self._keepers = [one.keeper for one in self.consumers] + [one.keeper for one in self.publishers]

    def _played(self) -> None:
        """Say which clients are played by another library's program, as the lab says it."""
        work, clients = self._world.scenario.workload, self._world.topology.clients
        for name in dict.fromkeys(
            part.client or next(iter(clients)) for part in (*work.publishers.values(), *work.consumers.values())
        ):
            if (kind := clients[name].kind) != "pika":
                self._world.not_modelled.append(f"client {name} uses {kind}; pika plays it with its settings")

    def begin(self) -> None:
        """Hear of all that decides."""
        world = self._world
        self._played()
        world.queues.on_service(lambda _: self._changed())
        world.queues.on_deliveries(self._hear)
        world.brokers.on_served(self._served)
        world.brokers.on_blocks(lambda _: self._changed())
        world.paths.on_change(self._changed)
        world.routes.on_route(lambda _: self._changed())
        world.balancers.on_process(lambda _: self._changed())
        world.network.on_change(self._losses.change)
        world.network.on_change(self._changed)

    # -- for whoever runs it --------------------------------------------------------------------------

    def well(self) -> bool:
        """Whether every client has its connection, and none is blocked."""
        return all(keeper.well for keeper in self._keepers)

    def stop(self, now: float | None = None) -> None:
        """Have publishers make no new messages, and all come to its end; :attr:`over` says when it has."""
        self.advance()
        self._ending_from = self._world.now if now is None else now
        for publisher in self.publishers:
            publisher.ending = True
        self._look()

    def events(self) -> list[Seen]:
        """Give an event for each message: published, confirmed, delivered."""
        self.advance()
        return self.log.events()

    def held(self, queue: str) -> tuple[int, int]:
        """Give how many messages a queue holds now, and their bytes."""
        self.advance()
        count = self._queue(queue).main.count
        return count, count * self._payload.get(queue, 0)

    # -- time passes ----------------------------------------------------------------------------------

    def advance(self) -> None:
        """Deal with all messages until now, under what was met until now."""
        now = self._world.now
        if now <= self._at:
            return
        self._at = now
        for publisher in self.publishers:
            publisher.advance(now)
        for queue in self._queues.values():
            for _, pool in queue.pools:
                pool.advance(now)

    def _changed(self) -> None:
        """Look again, once in this instant, when everybody else knows what has changed."""
        if not self._wanted:
            self._wanted = True
            self._world.clock.at(self._world.now, self._look)

    def _look(self) -> None:
        self._wanted = False
        self.advance()
        self._losses.look()
        for keeper in self._keepers:
            keeper.look()
        for consumer in self.consumers:
            consumer.look()
            consumer.forget_empty()
        for publisher in self.publishers:
            publisher.look()
        self._tell_contents()
        if self._ending_from < NEVER and not self.over:
            self._settle()

    def _tell_contents(self) -> None:
        queues = self._world.queues
        for name, queue in self._queues.items():
            for _, pool in queue.pools:
                leader = queues.leader(name) if pool.orphans else None
                if leader is not None and queues.service(name, leader).publish == "confirmed":
                    pool.adopt(self._world.now)
            count = queue.main.count
            if self._told.get(name, 0) != count:
                self._told[name] = count
                queues.holds(name, count, count * self._payload.get(name, 0))

    def _hear(self, what: Deliveries) -> None:
        if what.queue not in self._queues:
            return
        self.advance()
        if what.what == "nacked":
            for publisher in self.publishers:
                line = publisher.keeper.line
                if publisher.settings.queue == what.queue and line and (not what.side or line.broker in what.side):
                    publisher.refused()
        else:
            self._queues[what.queue].hear(what)
        self._changed()

    def _served(self, event: Served) -> None:
        if not event.listens:
            self._clean[event.host] = event.clean
        self._changed()

    # -- the end --------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """End publishers that have heard of all their messages, then consumers; then drain."""
        now, limit = self._world.now, self._ending_from + SETTLE_S
        for publisher in self.publishers:
            if (publisher.settled or now >= limit) and publisher.keeper.machine.phase != "ended":
                publisher.end()
        if self._drained_from == NEVER and all(one.keeper.machine.phase == "ended" for one in self.publishers):
            self._drained_from = now
            for consumer in self.consumers:
                consumer.end()
        if self._drained_from < NEVER:
            self._drain(now)
            self.over = self.over or now >= self._drained_from + DRAIN_S
        if not self.over:
            pause = LOOKS_S[min(self._looks, len(LOOKS_S) - 1)]
            self._looks += 1
            self._world.clock.at(now + pause, self._changed)

    def _drain(self, now: float) -> None:
        """Consume what is left, on every side of a partition, as soon as the queue serves."""
        world = self._world
        names = list(dict.fromkeys(publisher.settings.queue for publisher in self.publishers))
        if not world.scenario.workload.drain:
            self.over = True
            return
        missing = any(publisher.expects for publisher in self.publishers)
        for number, name in enumerate(names, 1):
            queue = self._queues[name]
            taken = frozenset[str]().union(*(side for side, _ in queue.sides))
            for side, pool in queue.pools:
                brokers = [one for one in world.topology.brokers if (one in side if side else one not in taken)]
                self._drain_pool(pool, name, number, brokers, now)
                missing = missing or pool.count > 0
        self.over = not missing

    def _drain_pool(self, pool: Pool, queue: str, number: int, brokers: list[str], now: float) -> None:
        world = self._world
        pool.requeue(now, pool.takers)
        pool.takers.clear()
        serving = (
            one for one in brokers if world.brokers.serves(one) and world.queues.service(queue, one).consume == "served"
        )
        broker = next(serving, None)
        if broker is None or not pool.count:
            return
        name = f"drain-{broker}-{number}"
        ports = world.topology.rabbitmq.ports
        where = f"{world.topology.ip(broker)}:{ports.amqp or ports.amqps}"
        world.tell(Connection(now, name, "connected", where))
        for run in pool.ready.clear():
            self.log.deliver(name, run._replace(t=max(run.t, now), step=0.0))

    # -- who there is ---------------------------------------------------------------------------------

    def _queue(self, name: str) -> QueueMessages:
        if name not in self._queues:
            self._queues[name] = QueueMessages(self.log)
        return self._queues[name]

    def _client(self, part: workload.Publisher | workload.Consumer) -> Client:
        clients = self._world.topology.clients
        return clients[part.client or next(iter(clients))]

    def _publisher(self, name: str, part: workload.Publisher) -> Publisher:
        client, queue = self._client(part), self._queue(part.queue)
        keeper = self._keeper(name, part, client)
        settings = PublisherSettings(
            part.queue,
            part.rate,
            part.window,
            part.retry,
            client.confirms,
            client.mandatory,
            self._latencies.get(part.queue, LATENCIES_S["quorum"])[0],
            part.payload.bytes,
        )
        self._payload[part.queue] = max(part.payload.bytes, self._payload.get(part.queue, 0))
        keeper.role = publisher = Publisher(self._world, name, settings, keeper, self.log, queue.at, self._losses)
        return publisher

    def _consumer(self, name: str, part: workload.Consumer) -> Consumer:
        client, queue = self._client(part), self._queue(part.queue)
        keeper = self._keeper(name, part, client)
        settings = ConsumerSettings(
            part.queue,
            self._vhost_of(part.queue, client),
            client.prefetch,
            client.ack == "auto",
            part.work.s,
            self._latencies.get(part.queue, LATENCIES_S["quorum"])[1],
        )
        keeper.role = consumer = Consumer(self._world, name, settings, keeper, queue.at, self._losses)
        return consumer

    def _vhost_of(self, queue: str, client: Client) -> str:
        """As integration/running/plan.py: the client's, where it has such a queue."""
        declared = (*self._world.scenario.workload.queues, *self._world.topology.rabbitmq.queues)
        vhosts = [known.vhost for known in declared if known.name == queue]
        own = self._world.topology.vhost_of(client)
        return own if own in vhosts or not vhosts else vhosts[0]

    def _keeper(self, name: str, part: workload.Publisher | workload.Consumer, client: Client) -> Keeper:
        world, reconnect = self._world, client.reconnect
        found = endpoints(world.topology, part)
        publishes = isinstance(part, workload.Publisher)
        settings = ClientSettings(
            len(found),
            reconnect.delay.s,
            reconnect.jitter.s,
            reconnect.connect_timeout.s,
            client.confirm_timeout.s if publishes else NEVER,
        )
        beats = [each for each in (client.heartbeat.whole_s, world.topology.rabbitmq.heartbeat.whole_s) if each]
        return Keeper(
            world,
            name,
            found,
            settings,
            heartbeat_s=float(min(beats, default=0)),
            tls=client.tls,
            source=self._source,
            set_up_s=SET_UP_S if publishes else CONSUMER_S,
            every_s=1 / part.rate if isinstance(part, workload.Publisher) else None,
            advance=self.advance,
            clean=self._clean,
        )
