"""A consumer: subscribed, cancelled, coming again; what its channel holds for it outlives its client."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from simulation.machines.machine import NEVER
from simulation.processes.client_losses import Losses, Ways, back
from simulation.processes.client_pool import Taker

if TYPE_CHECKING:
    from simulation.processes.client_keeper import Keeper
    from simulation.processes.client_lines import Line
    from simulation.processes.client_pool import Pool
    from simulation.processes.client_runs import Run
    from simulation.processes.client_settings import ConsumerSettings
    from simulation.processes.views import Service
    from simulation.processes.world import World

__all__ = ["Consumer"]

CANCELLED = "the broker cancelled the consumer"
WATCH_S = 0.02
"""Between looks for a delivery, while two hosts have an address: as soon as consumers of the lab were lost by it."""


class Consumer:
    """One connection's deliveries (a role of a :class:`simulation.processes.client_keeper.Keeper`)."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it has to do with
        self,
        world: World,
        name: str,
        settings: ConsumerSettings,
        keeper: Keeper,
        pool: Callable[[str], Pool],
        losses: Losses,
    ) -> None:
        self.name = name
        self.settings, self.keeper = settings, keeper
        self.takers: dict[Line, Taker] = {}
        """What brokers have of this consumer, by connection; of those, too, whose client is gone."""
        self._world, self._pool, self._losses = world, pool, losses
        self._waits = self._cancelled = False
        self._asked = 0
        self._watched: Line | None = None
        self._known: Line | None = None
        """The connection of which the queue knows."""

    # -- as a role ------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Subscribe: that may wait for the queue, or be refused."""
        line, now = self.keeper.line, self._world.now
        assert line is not None
        if self._known is not line:
            self._enter(line)
            return
        service = self._met(line)
        self._waits = service.consume == "waits"
        self._cancelled = False
        self._asked += 1
        asked = self._asked

        def answer() -> None:
            if asked == self._asked and self.keeper.line is line and line not in self.takers:
                self._answered(line)

        if not self._waits:
            self._world.clock.at(now + service.consume_after_s, answer)

    def _enter(self, line: Line) -> None:
        """Have the queue know the channel, then go on."""

        def done() -> None:
            if self.keeper.line is line and self._known is not line:
                self._known = line
                self.set_up()

        self._world.queues.enters(self.settings.queue, line.broker, done, publishes=False)

    def lost(self) -> None:
        """Forget the work: its messages come again."""
        self._waits = False
        self._asked += 1
        for taker in self.takers.values():
            taker.hears_from = taker.acks_from = NEVER

    def broker_ended(self, line: Line) -> None:
        """Free what the broker holds for a connection, unless the broker itself has ended: then the queue says when."""
        taker = self.takers.get(line)
        if taker is None:
            return
        taker.served_from = taker.hears_from = taker.acks_from = NEVER
        if self._world.brokers.port(line.broker) != "refused":
            self._pool(line.broker).requeue(self._world.now, [taker])
            self._forget(line)

    # -- what it meets --------------------------------------------------------------------------------

    def look(self) -> None:
        """Take in what it meets from now on."""
        line = self.keeper.line
        if line is None:
            return
        if self._waits:
            if self._met(line).consume != "waits":
                self.set_up()
            return
        taker = self.takers.get(line)
        if taker is None or line.broker_over:
            return
        service, now = self._met(line), self._world.now
        taker.hears_from, taker.acks_from = line.in_from, line.out_from
        if line.is_doubled() and self._watched is not line:
            self._watched = line
            self._watch(line)
        if service.consume == "served" and self._world.brokers.port(line.broker) == "serving":
            taker.served_from = min(taker.served_from, now + service.consume_after_s)
        else:
            taker.served_from = NEVER
        if service.consume == "cancelled" and not self._cancelled:
            self._cancelled = True
            self._world.clock.at(now + service.consume_after_s, lambda: self._cancel(line))

    def _watch(self, line: Line) -> None:
        """Wait for a delivery by a host whose address another one has, too: its acknowledgement is reset by that one.

        Consumers of the lab were lost 20 to 38 ms after a publisher was back (docs/evidence, keepalived_hang).
        """
        taker, now = self.takers.get(line), self._world.now
        if self.keeper.line is not line or taker is None or not line.is_doubled():
            self._watched = None
            return
        self.keeper.advance()
        if taker.flight.count and (first := taker.flight.runs[0].t) <= now:
            taker.hears_from = first
            self._pool(line.broker).see(taker, first)
            line.reset()
        else:
            self._world.clock.after(WATCH_S, lambda: self._watch(line))

    def end(self) -> None:
        """Take no more deliveries."""
        self.keeper.end()
        self.lost()

    def forget_empty(self) -> None:
        """Drop what is left of ended channels when what they held has been given back."""
        for line, taker in list(self.takers.items()):
            if line.broker_over and not taker.held.count and not taker.flight.count:
                self._forget(line)

    def _met(self, line: Line) -> Service:
        return self._world.queues.service(self.settings.queue, line.broker)

    def _answered(self, line: Line) -> None:
        """The broker answers basic.consume."""
        service = self._met(line)
        if service.consume == "waits":
            self._waits = True
        elif service.consume == "served":
            self.keeper.advance()
            s = self.settings
            taker = Taker(self.name, line.broker, s.prefetch, s.auto, s.work_s, s.takes_s, way=self._way(line))
            self.takers[line] = taker
            self._pool(line.broker).takers.append(taker)
            self.keeper.ready()
            self.look()
        else:
            home = self._world.queues.leader(self.settings.queue)
            queue = f"queue '{self.settings.queue}' in vhost '{self.settings.vhost}'"
            node = self._world.topology.node_name(home) if home else ""
            reason = f"home node '{node}' of durable {queue} is down or inaccessible" if home else f"no {queue}"
            self.keeper.give_up(f"NOT_FOUND - {reason}")

    def _way(self, line: Line) -> Callable[[Run], Iterable[Run]]:
        """Give what becomes of deliveries from the queue's leader to the client."""
        ways, queues, queue = Ways(self._world, self._losses, self.name), self._world.queues, self.settings.queue

        def carry(run: Run) -> Iterable[Run]:
            home = queues.leader(queue) or line.broker if self._losses.ever else line.broker
            first = () if home == line.broker else ((home, line.broker),)
            return ways.carry("deliver", run, (*first, *back(line.hops)))

        return carry

    def _cancel(self, line: Line) -> None:
        if self.keeper.line is line and self._cancelled and self._met(line).consume != "served":
            self.keeper.give_up(CANCELLED)

    def _forget(self, line: Line) -> None:
        taker, takers = self.takers.pop(line), self._pool(line.broker).takers
        if taker in takers:
            takers.remove(taker)
