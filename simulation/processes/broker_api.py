"""What an observer on a broker's host learns from its HTTP API: members, partitions and alarms, late as there.

``integration/observe`` asks each broker that listens once a second and tells what is new. Alarms come with the node's
statistics: emitted every 5 s (``rabbit_mgmt_external_stats.erl``, collect_statistics_interval) and taken up every 5 s
(``rabbit_mgmt_metrics_collector.erl``) [lab: 4.7 to 9.7 s, ten alarms on 3.10.8 and 4.0.5].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rmqha_model.events import Alarm, Peers
from simulation.machines.clocks import next_tick

if TYPE_CHECKING:
    from simulation.machines.alarms import Resource
    from simulation.processes.world import World

__all__ = ["Answers", "Api"]

ASKED_S = 1.0
"""API_S, integration/observe/host.py."""
STATS_S = 5.0


class Answers(NamedTuple):
    """What a broker's API would say."""

    listens: Callable[[str], bool]
    """Whether the observer takes the broker for up, and so asks."""
    answers: Callable[[str], bool]
    """Whether it gets an answer."""
    running: Callable[[str], frozenset[str]]
    partitioned: Callable[[str], frozenset[str]]


class _Known(NamedTuple):
    """What was last told of a broker."""

    running: tuple[str, ...]
    partitioned: tuple[str, ...]


class Api:
    """The observers of all brokers; each looks when something may be new for it."""

    def __init__(self, world: World, answers: Answers) -> None:
        self._world, self._answers = world, answers
        self._brokers = world.topology.brokers
        self._known: dict[str, _Known | None] = {}
        self._alarms: dict[tuple[str, Resource], bool] = {}
        self._stats: dict[tuple[str, Resource], bool] = {}  # as the statistics have them
        self._asks: set[str] = set()  # hosts whose next question is waited for
        self._phases: dict[tuple[str, str], float] = {}

    def begin(self) -> None:
        """Tell how it is at the start."""
        for host in self._brokers:
            self._tell_peers(host, self._brokers, ())
            for resource in ("memory", "disk"):
                self._tell_alarm(host, resource, on=False)

    def news(self, host: str) -> None:
        """Something may be new for who asks a broker: it is seen when the broker is asked next."""
        if host not in self._asks:
            self._asks.add(host)
            at = self._tick(host, "asked", ASKED_S, self._world.now)
            self._world.clock.at(at, lambda: self._ask(host))

    def alarm(self, host: str, resource: Resource, on: bool) -> None:  # noqa: FBT001 - a callback of alarms
        """A broker has an alarm, or has it no longer."""

        def collected() -> None:
            self._stats[host, resource] = on
            self.news(host)

        emitted = self._tick(host, "statistics emitted", STATS_S, self._world.now)
        self._world.clock.at(self._tick(host, "statistics collected", STATS_S, emitted), collected)

    def _tick(self, host: str, clock: str, period: float, t: float) -> float:
        first = self._phases.get((host, clock))
        if first is None:
            first = self._phases[host, clock] = self._world.streams.phase(period, host, clock)
        return next_tick(first, period, t)

    def power_off(self, host: str) -> None:
        """The observer is gone with its host; after the boot another one tells all anew."""
        self._known[host] = None

    def _ask(self, host: str) -> None:
        self._asks.discard(host)
        if not self._world.network.powered(host):
            return
        if not self._answers.listens(host):
            if self._known.get(host) is not None:
                self._known[host] = None
                self._world.tell(Peers(self._world.now, host, ()))
        elif self._answers.answers(host):
            running, partitioned = self._answers.running(host), self._answers.partitioned(host)
            self._tell_peers(host, self._order(running), self._order(partitioned))
            for (of, resource), on in self._stats.items():
                if of == host:
                    self._tell_alarm(host, resource, on=on)

    def _order(self, hosts: frozenset[str]) -> tuple[str, ...]:
        return tuple(host for host in self._brokers if host in hosts)

    def _tell_peers(self, host: str, running: tuple[str, ...], partitioned: tuple[str, ...]) -> None:
        known = _Known(running, partitioned)
        if self._known.get(host) != known:
            self._known[host] = known
            self._world.tell(Peers(self._world.now, host, running, partitioned))

    def _tell_alarm(self, host: str, resource: Resource, *, on: bool) -> None:
        if self._alarms.get((host, resource)) is not on:
            self._alarms[host, resource] = on
            self._world.tell(Alarm(self._world.now, host, resource, on))
