"""Established connections of clients straight to a broker: what passes, and what ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model.faults import CLIENTS
from simulation.driving import Driven
from simulation.machines.client_end import ClientEnd, Condition, Hung, Says, Way, server_misses
from simulation.machines.machine import NEVER
from simulation.processes.client_lines import WORDS, Line

if TYPE_CHECKING:
    from simulation.processes.client_lines import LineEnds
    from simulation.processes.world import World

__all__ = ["DirectLine"]


class DirectLine(Line):
    """A connection straight to a broker."""

    def __init__(self, world: World, broker: str, heartbeat_s: float, ends: LineEnds) -> None:
        super().__init__(world, broker, heartbeat_s, ends)
        self._missed = NEVER
        self._machine = ClientEnd(heartbeat_s, world.now)
        self._end = Driven(world.clock, self._machine, self._hung)

    def says(self) -> None:
        """The client says something."""
        if not self.over:
            self._end.feed(Says())

    def look(self) -> None:
        """Look what has become of its way, and of the broker."""
        super().look()
        if not self.broker_over:
            self._look_at_broker()
        condition = self._condition()
        if not self.over and condition != self._machine.condition:
            self._end.feed(Way(condition))

    def _condition(self) -> Condition:
        if not self._meets():
            return "silent"
        if self.broker_over:
            return "reset"
        return "alive" if self._world.brokers.port(self.broker) == "serving" else "frozen"

    def _meets(self) -> bool:
        return self._world.network.meet(CLIENTS, self.broker)

    def _ways(self) -> tuple[bool, bool, bool]:
        """Tell whether bytes pass to the broker, and back, and whether none of their packets are lost."""
        network, broker = self._world.network, self.broker
        out, in_ = network.passes(CLIENTS, broker), network.passes(broker, CLIENTS)
        works = not self.broker_over and self._world.brokers.port(broker) == "serving"
        return out and works, in_ and works, out and in_

    def _hang_up(self) -> None:
        self._end.stop()
        if self._meets():
            self._broker_ended()

    def _hung(self, hung: Hung) -> None:
        if hung.cause == "heartbeat":
            self._hang_up()
        self._client_ended(WORDS[hung.cause].format(f"{self._heartbeat:g}"))

    def _look_at_broker(self) -> None:
        world = self._world
        if world.brokers.drops(self.broker) > self.made:
            self._broker_ended()
            if self._meets():
                self._end.stop()
                # In the same instant, when all is known of how it ended.
                world.clock.at(world.now, lambda: self._client_ended(self._eof()))
        elif world.network.passes(CLIENTS, self.broker) and not self.over:
            self._missed = NEVER
        elif self._missed == NEVER:
            self._missed = missed = server_misses(self.made, self._heartbeat, world.now)
            if missed < NEVER:
                world.clock.at(missed, lambda: self._miss(missed))

    def _miss(self, missed: float) -> None:
        if self._missed == missed and self._world.brokers.port(self.broker) == "serving":
            self._broker_ended()
            self.look()
