"""Resource alarms: when a broker raises and clears one, and which connections are blocked by it.

Sources: RabbitMQ 3.8 to 4.3 ``vm_memory_monitor.erl``, ``rabbit_disk_monitor.erl``, ``rabbit_alarm.erl``,
``rabbit_reader.erl``; the guide "Memory and Disk Alarms".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.clocks import next_tick
from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulation.machines.clocks import Reason

__all__ = ["Blocking", "Blocks", "Limit", "Monitor", "MonitorInput", "Raised", "Resource", "Used"]

Resource: TypeAlias = Literal["memory", "disk"]

MEMORY_S = 1.0
"""DEFAULT_MEMORY_CHECK_INTERVAL, rabbit_memory.hrl, 3.10.8 to 4.3.5. (memory_monitor_interval, 2.5 s, is that of
rabbit_memory_monitor, which has queues write to disk and raises nothing.)"""
DISK_MIN_S = 0.1
DISK_MAX_S = 10.0
"""DEFAULT_MIN_DISK_CHECK_INTERVAL and ..._MAX_..., rabbit_disk_monitor.erl."""
FAST_RATE = 250_000
"""Bytes a millisecond: how fast a disk is taken to fill, rabbit_disk_monitor.erl."""


class Used(NamedTuple):
    """Bytes of memory a broker uses, or that are free on its disk, from now on."""

    amount: float


class Limit(NamedTuple):
    """A limit set while it runs (``rabbitmqctl set_vm_memory_high_watermark``, ``set_disk_free_limit``)."""

    amount: float


MonitorInput: TypeAlias = Used | Limit


class Raised(NamedTuple):
    """An alarm is raised, or cleared."""

    t: float
    on: bool
    reason: Reason


class Monitor:
    """One broker's monitor of one resource.

    A limit that is set is looked at in the same instant; what is used only at the next check. Memory is checked at
    a steady pace; a disk the more often the closer it is to its limit, and every 10 s while there is an alarm.
    """

    def __init__(self, resource: Resource, limit: float, amount: float, check: float) -> None:
        """Take the instant of a check as the clock's phase."""
        self.resource = resource
        self.limit = limit
        self.amount = amount
        self.on = False
        self._first = check  # of the checks since the pace was last set
        self._period = self._pace(amount)
        self._since = 0.0
        self._now = 0.0

    def _bad(self) -> bool:
        return self.amount > self.limit if self.resource == "memory" else self.amount < self.limit

    def _pace(self, seen: float) -> float:
        if self.resource == "memory":
            return MEMORY_S
        if self.on:
            return DISK_MAX_S
        ideal = 2 * (seen - self.limit) / FAST_RATE
        return math.trunc(max(DISK_MIN_S * 1000, min(DISK_MAX_S * 1000, ideal))) / 1000

    @property
    def due(self) -> float:
        """The check that raises or clears the alarm."""
        return NEVER if self._bad() == self.on else self._next_check()

    def _next_check(self) -> float:
        return next_tick(self._first, self._period, self._now)

    def fire(self) -> list[Raised]:
        """Check."""
        now = self.due
        said = self._check(now, (("until the next check", now - self._since),))
        self._set_pace(now)
        return said

    def _set_pace(self, checked: float) -> None:
        pace = self._pace(self.amount)
        if pace != self._period:
            self._period, self._first = pace, checked + pace

    def feed(self, now: float, input_: MonitorInput) -> list[Raised]:
        """Take in what is used, or a limit."""
        checked = self._next_check()
        if checked <= now:  # since the last change nothing was found but, perhaps, another pace
            self._set_pace(checked)
            at_once = self._first <= now and next_tick(self._first, self._period, now) == now
            self._now = math.nextafter(now, math.inf) if at_once else now  # that check saw what was there before
        else:
            self._now = now
        self._since = now
        if isinstance(input_, Limit):
            self.limit = input_.amount
            return self._check(now, (("a limit is looked at when it is set", 0.0),))
        self.amount = input_.amount
        return []

    def _check(self, now: float, reason: Reason) -> list[Raised]:
        if self._bad() == self.on:
            return []
        self.on = not self.on
        return [Raised(now, self.on, reason)]


@dataclass(frozen=True, slots=True)
class Blocks:
    """What a node does with publishers since *t*, because of the alarms of *nodes*.

    While *blocks*, a connection that publishes is told ``connection.blocked`` at its first publish, and no more is
    read from it, acknowledgements neither; pure consumers go on. Its heartbeats are not missed meanwhile
    (rabbit_reader.erl, pause_monitor).
    """

    t: float
    blocks: bool
    nodes: tuple[str, ...]


class Blocking:
    """Alarms of a whole cluster as one node knows them: one node's alarm blocks the publishers of all."""

    due = NEVER

    def __init__(self, me: str, nodes: Iterable[str]) -> None:
        self.me = me
        self._sees = frozenset(nodes)
        self._alarms: dict[str, set[Resource]] = {}
        self._seen: tuple[str, ...] = ()

    def fire(self) -> list[Blocks]:
        """Do nothing: nothing is ever due."""
        return []

    def alarm(self, now: float, node: str, resource: Resource, *, on: bool) -> list[Blocks]:
        """Hear of an alarm; from a node that is silent this comes when it is heard again."""
        held = self._alarms.setdefault(node, set())
        (held.add if on else held.discard)(resource)
        return self._tell(now)

    def sees(self, now: float, nodes: Iterable[str]) -> list[Blocks]:
        """Know other nodes to be up: who is down has no alarm any more, and who comes back tells its own anew."""
        self._sees = frozenset(nodes)
        for node in set(self._alarms) - self._sees - {self.me}:
            del self._alarms[node]
        return self._tell(now)

    def _tell(self, now: float) -> list[Blocks]:
        nodes = tuple(sorted(node for node, held in self._alarms.items() if held))
        if nodes == self._seen:
            return []
        self._seen = nodes
        return [Blocks(now, bool(nodes), nodes)]
