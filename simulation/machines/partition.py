"""What a broker does when it no longer sees others: partition strategies of Mnesia clusters; with Khepri, nothing.

Sources: RabbitMQ 3.8 to 4.2 ``rabbit_node_monitor.erl`` (``handle_dead_node``, ``await_cluster_recovery``,
``partial_partition``) and ``rabbit_autoheal.erl``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.clocks import next_tick
from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = [
    "Acts",
    "Autoheal",
    "Healed",
    "Inconsistent",
    "Others",
    "PartialCut",
    "Running",
    "Sees",
    "Strategy",
    "Watch",
    "WatchInput",
    "decide",
]

CHECK_S = 1.0
"""RABBIT_DOWN_PING_INTERVAL, rabbit_node_monitor.erl: pause of wait_for_cluster_recovery."""
SAFE_TO_START_S = 60.0
"""autoheal_state_transition_timeout, rabbit.erl environment: how long a loser waits for the winner."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A cluster's strategy; ``khepri`` stands for none at all."""

    name: Literal["ignore", "pause_minority", "pause_if_all_down", "autoheal", "khepri"]
    nodes: tuple[str, ...]
    preferred: tuple[str, ...] = ()
    recover: Literal["ignore", "autoheal"] = "autoheal"  # of pause_if_all_down

    @classmethod
    def from_design(cls, topology: Topology) -> Strategy:
        """Give that of a design: a new cluster of 4.2 or newer has Khepri."""
        handling = topology.partition_handling()
        if handling is None or topology.versions.can("rabbitmq.khepri_by_default"):
            return cls("khepri", topology.brokers)
        return cls(handling.strategy, topology.brokers, handling.nodes, handling.recover)

    @property
    def heals(self) -> bool:
        """Whether one side restarts by itself when a partition is over."""
        return self.name == "autoheal" or (self.name == "pause_if_all_down" and self.recover == "autoheal")

    def may_serve(self, alive: frozenset[str]) -> bool:
        """Whether a node that sees these, itself included, goes on."""
        if self.name == "pause_minority":
            return len(alive.intersection(self.nodes)) / len(self.nodes) > 0.5
        if self.name == "pause_if_all_down":
            watched = alive.intersection(self.preferred)
            return bool(watched) or not set(self.preferred).intersection(self.nodes)
        return True


class Sees(NamedTuple):
    """The Erlang nodes a broker is connected to now, itself included; *lost* if it just got nodedown for one."""

    alive: frozenset[str]
    lost: str | None = None


class Others(NamedTuple):
    """The brokers on which RabbitMQ runs, as the broker itself sees it: fewer than the nodes it is connected to."""

    running: frozenset[str]


class PartialCut(NamedTuple):
    """Another node says that it still sees the one that was lost: *proxy* of *lost*."""

    lost: str
    proxy: str


class Running(NamedTuple):
    """Whether RabbitMQ runs on the broker itself; a strategy is not applied before it does."""

    running: bool


class Inconsistent(NamedTuple):
    """Mnesia found that it and a peer went on without each other: both ran when their link came back."""

    node: str


WatchInput: TypeAlias = Sees | Others | PartialCut | Running | Inconsistent


class Acts(NamedTuple):
    """What a broker does about it.

    - *pauses*: RabbitMQ stops on it, listeners are closed, all its clients are dropped; the VM stays;
    - *returns*: RabbitMQ starts again;
    - *disconnects*: it ends its link to *other* for a second, so that the partition is a whole one;
    - *partitioned*: it knows it is, from *other*; under ``ignore`` until somebody restarts it.
    """

    t: float
    what: Literal["pauses", "returns", "disconnects", "partitioned"]
    other: str = ""


class Watch:
    """One broker's node monitor."""

    def __init__(self, strategy: Strategy, me: str) -> None:
        self.strategy = strategy
        self.me = me
        self.alive = frozenset(strategy.nodes)
        self.partitions: frozenset[str] = frozenset()
        self.paused = False
        self._running = True
        self._all_needed = False  # after a partial cut it waits for every node
        self._first = NEVER  # check, after it has stopped
        self._now = 0.0

    def _may_return(self) -> bool:
        if self._all_needed:
            return self.alive.issuperset(self.strategy.nodes)
        return self.strategy.may_serve(self.alive)

    @property
    def due(self) -> float:
        """The check that finds enough others."""
        if self._first == NEVER or not self._may_return():
            return NEVER
        return next_tick(self._first, CHECK_S, self._now)

    def fire(self) -> list[Acts]:
        """Return."""
        now = self.due
        self.paused, self._all_needed, self._first = False, False, NEVER
        return [Acts(now, "returns")]

    def feed(self, now: float, input_: WatchInput) -> list[Acts]:
        """Take in what the broker sees."""
        checked = self._first < now and next_tick(self._first, CHECK_S, now) == now
        self._now = math.nextafter(now, math.inf) if checked else now  # that check saw what was there before
        if isinstance(input_, Sees):
            self.alive = input_.alive
            if self.partitions and not self.partitions & self.alive:
                self.partitions = frozenset()
            if input_.lost is not None and self._running and not self.strategy.may_serve(self.alive):
                return self._pause(now)
        elif isinstance(input_, Others):
            if not self.partitions & input_.running:  # handle_dead_rabbit: none of them is left
                self.partitions = frozenset()
        elif isinstance(input_, Running):
            if not input_.running and self._running and self.paused:
                self._first = now  # it has stopped, and looks around at once
            self._running = input_.running
            if input_.running:
                self.partitions = frozenset()
        elif isinstance(input_, Inconsistent):
            if self._running and self.strategy.name != "khepri":
                self.partitions |= {input_.node}
                return [Acts(now, "partitioned", input_.node)]
        elif self._running:
            return self._partial(now, input_)
        return []

    def _pause(self, now: float) -> list[Acts]:
        if self.paused:
            return []
        self.paused = True
        return [Acts(now, "pauses")]

    def _partial(self, now: float, cut: PartialCut) -> list[Acts]:
        if self.strategy.name == "pause_minority":
            self._all_needed = not self.paused or self._all_needed
            return self._pause(now)
        if self.strategy.name == "khepri" or not self.strategy.may_serve(self.alive):
            return []
        return [Acts(now, "disconnects", cut.proxy)]


def decide(partitions: list[tuple[str, ...]], clients: Mapping[str, int]) -> tuple[str, tuple[str, ...]]:
    """Give autoheal's winner and losers: most client connections, then most nodes, then the last by name."""
    sides = sorted((sum(clients.get(n, 0) for n in side), len(side), sorted(side)) for side in partitions)
    (_, _, (winner, *_)), *losers = reversed(sides)
    return winner, tuple(node for _, _, side in losers for node in side)


class Healed(NamedTuple):
    """Autoheal has *losers* stop, or start again."""

    t: float
    what: Literal["stop", "start"]
    winner: str
    losers: tuple[str, ...]


class Autoheal:
    """The healing of one cluster: it begins when a partition is known and all nodes see each other again.

    The losers stop at once and all of them start when the last has stopped, or when a node is lost meanwhile, or by
    themselves after a minute.
    """

    def __init__(self) -> None:
        self._winner = ""
        self._waits: frozenset[str] = frozenset()
        self._losers: tuple[str, ...] = ()
        self.due = NEVER

    def begin(self, now: float, partitions: list[tuple[str, ...]], clients: Mapping[str, int]) -> list[Healed]:
        """Decide, and have the losers stop; nothing while a decision is carried out."""
        if self._waits:
            return []
        self._winner, self._losers = decide(partitions, clients)
        self._waits = frozenset(self._losers)
        self.due = now + SAFE_TO_START_S
        return [Healed(now, "stop", self._winner, self._losers)]

    def fire(self) -> list[Healed]:
        """Have no patience left."""
        return self._start(self.due)

    def stopped(self, now: float, node: str) -> list[Healed]:
        """RabbitMQ on a node has stopped."""
        if not self._waits:
            return []
        self._waits -= {node}
        return [] if self._waits else self._start(now)

    def lost(self, now: float) -> list[Healed]:
        """A node is gone: it gives up, so that nobody waits for ever."""
        return self._start(now) if self._waits else []

    def _start(self, now: float) -> list[Healed]:
        self.due, self._waits = NEVER, frozenset()
        return [Healed(now, "start", self._winner, self._losers)]
