"""What a timeline says in numbers: outages, gaps, owners of addresses, detection; the same in both worlds.

All are in seconds. A measure looks at the time from the first fault until clients end their work, which is when
they have recovered from the last one, if they do; without a fault, at all of it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.events import (
    Attempt,
    Confirmed,
    Delivered,
    FaultBegan,
    FaultUndone,
    HostState,
    Published,
    ServerState,
    VipHeld,
)
from rmqha_model.faults import CATALOGUE, Partition, RollingRestart
from rmqha_model.workload import client_names

if TYPE_CHECKING:
    from rmqha_model.timeline import Timeline

__all__ = [
    "Detection",
    "Gap",
    "Outage",
    "Ownership",
    "confirm_gaps",
    "consumer_gaps",
    "detections",
    "outages",
    "ownership",
    "window",
]


@dataclass(frozen=True, slots=True)
class Outage:
    """Fresh connections that failed: from the first failure to the last.

    *begin_s* is when the first attempt that failed began, *end_s* when the first one that succeeded after the last
    failure began; where none did, the end of the scenario, and *over* is false.
    """

    begin_s: float
    end_s: float
    failed: int
    attempts: int
    over: bool

    @property
    def length_s(self) -> float:
        """How long it lasted."""
        return self.end_s - self.begin_s

    @property
    def share(self) -> float:
        """Share of the attempts within it that failed, 0 to 1."""
        return self.failed / self.attempts if self.attempts else 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time in which nothing came; *over* is false where nothing came until the end."""

    begin_s: float
    end_s: float
    over: bool

    @property
    def length_s(self) -> float:
        """How long it lasted."""
        return self.end_s - self.begin_s


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who held a virtual address: how long nobody did, how long several did, and how many at most."""

    absent_s: float
    shared_s: float
    owners_max: int
    moves: int
    """How often a host took it that did not hold it before."""


@dataclass(frozen=True, slots=True)
class Detection:
    """When one HAProxy noticed that a fault had hit a server; ``None`` where it never did, and when it saw it back."""

    fault: int
    host: str
    proxy: str
    server: str
    down_after_s: float | None
    up_after_s: float | None
    """After the fault was undone, or was over."""


def window(timeline: Timeline) -> tuple[float, float]:
    """Give the time measures look at: from the first fault until clients end their work."""
    return timeline.first_fault_s or 0.0, timeline.end_s


def outages(timeline: Timeline) -> dict[str, Outage | None]:
    """Give the outage of each probe that tried anything, by its name; ``None`` where no attempt failed."""
    begin, end = window(timeline)
    attempts: dict[str, list[Attempt]] = {}
    for attempt in timeline.only(Attempt):
        if attempt.t + attempt.took_s >= begin and attempt.t < end:
            attempts.setdefault(attempt.client, []).append(attempt)
    return {name: _outage(tried, end) for name, tried in sorted(attempts.items())}


def _outage(attempts: Sequence[Attempt], end: float) -> Outage | None:
    failures = [index for index, attempt in enumerate(attempts) if attempt.outcome != "ok"]
    if not failures:
        return None
    first, last = failures[0], failures[-1]
    over = last + 1 < len(attempts)
    finish = attempts[last + 1].t if over else end
    return Outage(attempts[first].t, finish, len(failures), last - first + 1, over)


def confirm_gaps(timeline: Timeline) -> dict[str, Gap]:
    """Give, for each publisher that uses confirms, the longest time without a confirm."""
    confirmed: dict[str, list[float]] = {publisher.client: [] for publisher in timeline.only(Published)}
    for event in timeline.only(Confirmed):
        confirmed.setdefault(event.client, []).append(event.t)
    return {name: _gap(times, window(timeline)) for name, times in confirmed.items() if times}


def consumer_gaps(timeline: Timeline) -> dict[str, Gap]:
    """Give, for each consumer, the longest time without a delivery."""
    end = window(timeline)[1]
    # One that is given nothing at all has the longest gap of all.
    given: dict[str, list[float]] = {name: [] for name in _consumers(timeline)}
    for event in timeline.only(Delivered):
        if event.t < end:  # What is drained after the end is nobody's work.
            given.setdefault(event.client, []).append(event.t)
    return {name: _gap(times, window(timeline)) for name, times in given.items()}


def _consumers(timeline: Timeline) -> Iterator[str]:
    for label, consumer in timeline.head.scenario.workload.consumers.items():
        yield from client_names(label, consumer.count)


def _gap(times: Sequence[float], within: tuple[float, float]) -> Gap:
    """Give the longest interval that ends within the window; it may have begun before it."""
    begin, end = within
    before = [t for t in times if t < begin][-1:]
    points = [*(before or [begin]), *(t for t in times if begin <= t < end)]
    gaps = [Gap(a, b, over=True) for a, b in itertools.pairwise(points)]
    gaps.append(Gap(points[-1], end, over=False))
    return max(gaps, key=lambda gap: gap.length_s)


def ownership(timeline: Timeline) -> dict[str, Ownership]:
    """Give who held each virtual address, by the address.

    A host without power holds nothing, whatever its interface was last seen with.
    """
    begin, end = window(timeline)
    addresses = sorted({event.address for event in timeline.only(VipHeld)})
    return {address: _ownership(list(_holders(timeline, address)), begin, end) for address in addresses}


def _holders(timeline: Timeline, address: str) -> Iterator[tuple[float, frozenset[str]]]:
    """Give, at each change, the hosts that hold *address* from then on."""
    holding: set[str] = set()
    off: set[str] = set()
    for event in timeline.events:
        if isinstance(event, VipHeld) and event.address == address:
            (holding.add if event.held else holding.discard)(event.host)
        elif isinstance(event, HostState):
            (off.discard if event.on else off.add)(event.host)
        else:
            continue
        yield event.t, frozenset(holding - off)


def _ownership(changes: Sequence[tuple[float, frozenset[str]]], begin: float, end: float) -> Ownership:
    absent = shared = 0.0
    owners_max = moves = 0
    known: frozenset[str] = frozenset()
    for (since, holders), (until, _) in itertools.pairwise([*changes, (end, frozenset[str]())]):
        length = max(0.0, min(until, end) - max(since, begin))
        moves += len(holders - known) if known and since >= begin else 0
        known = holders or known
        if length > 0:
            absent += length if not holders else 0.0
            shared += length if len(holders) > 1 else 0.0
            owners_max = max(owners_max, len(holders))
    return Ownership(absent, shared, owners_max, moves)


def detections(timeline: Timeline) -> tuple[Detection, ...]:
    """Give, for each fault of a broker or its host, when each HAProxy that can notice saw the server DOWN, then UP.

    An HAProxy on a host that the fault hits as a whole notices nothing of its own host, and one on the same side of a
    partition nothing of that side.
    """
    states: dict[tuple[str, str, str], list[ServerState]] = defaultdict(list)
    for state in timeline.only(ServerState):
        states[state.host, state.proxy, state.server].append(state)
    ends = {event.index: event.t for event in timeline.only(FaultUndone)}
    found = []
    for fault in timeline.only(FaultBegan):
        until = ends.get(fault.index)
        for (host, proxy, server), seen in states.items():
            if server in fault.hosts and _can_notice(timeline, fault, host, server):
                down = _first(seen, fault.t, up=False)
                up = None if until is None or down is None else _first(seen, max(until, down), up=True)
                found.append(
                    Detection(
                        fault.index,
                        host,
                        proxy,
                        server,
                        None if down is None else down - fault.t,
                        None if up is None or until is None else up - until,
                    )
                )
    return tuple(found)


def _can_notice(timeline: Timeline, event: FaultBegan, host: str, server: str) -> bool:
    """Tell whether a fault is one of brokers or of whole hosts, and HAProxy on *host* is where it can be noticed."""
    faults = timeline.head.scenario.faults
    fault = faults[event.index] if event.index < len(faults) else None
    if isinstance(fault, RollingRestart):
        return fault.layer == "brokers"
    if isinstance(fault, Partition) and len(fault.targets) == len(event.hosts):
        known = dict(zip(fault.targets, event.hosts, strict=True))
        one, other = ({known.get(name, name) for name in side} for side in fault.between)
        return (host in one and server in other) or (host in other and server in one)
    target = CATALOGUE[event.fault].target
    return target == "broker" or (target == "host" and host not in event.hosts)


def _first(states: Iterable[ServerState], after: float, *, up: bool) -> float | None:
    """Give when a server next changed to *up*, after *after*."""
    was: bool | None = None
    for state in states:
        if state.t > after and state.up is up and was is not up:
            return state.t
        was = state.up
    return None
