"""What bad cables do to established connections: packets are lost and sent again, and those behind them wait.

Sources: Linux ``net/ipv4/tcp_recovery.c`` (RACK: a packet counts as lost when one that was sent later is acknowledged),
``tcp_output.c`` (``tcp_schedule_loss_probe``), ``tcp_timer.c`` (``tcp_retransmit_timer``: doubled each time), 5.10 to
6.18. Bytes are read in their order: what follows a lost packet waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from rmqha_model.faults import CLIENTS
from simulation.processes.client_runs import NEAR, Run

if TYPE_CHECKING:
    from simulation.processes.world import World

__all__ = ["Losses", "Pair", "Ways", "back"]

Pair: TypeAlias = tuple[str, str]
"""Two places, packets going from the first to the second."""

RTO_S = (0.204, 0.236)
"""Retransmission timeout on a local network: TCP_RTO_MIN 200 ms, and what the kernel makes of round trips and ticks."""
SHORTEST_S = 0.001
"""Between two packets of a burst."""
LONGEST_S = 120.0
"""Nobody waits longer for one packet: a client has lost its patience by then."""


def back(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Give the same way in the other direction."""
    return tuple((there, here) for here, there in reversed(pairs))


class Losses:
    """The shares of packets that hosts' cables lose, as they have been since somebody last looked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._places = (*world.topology.hosts, CLIENTS)
        self._shares: dict[str, float] = {}
        self._stale = False
        self.ever = False
        """Whether any cable has been bad yet."""

    def change(self) -> None:
        """Hear that the network has changed."""
        self._stale = True

    def look(self) -> None:
        """Take in how it is from now on."""
        if not self._stale:
            return
        self._stale = False
        loss = self._world.network.loss
        self._shares = {place: share for place in self._places if 0.0 < (share := loss(place, "")) < 1.0}
        self.ever = self.ever or bool(self._shares)

    def of(self, pair: Pair) -> float:
        """Give the share that is lost on the way from one place to another."""
        kept = 1.0
        if self._shares and pair[0] != pair[1]:
            for place in pair:
                kept *= 1.0 - self._shares.get(place, 0.0)
        return 1.0 - kept


class _Hop:
    """One direction of one TCP connection."""

    __slots__ = ("_draw", "last")

    def __init__(self, draw: Callable[[], float]) -> None:
        self.last = 0.0
        """When the last packet arrived; no later one arrives before."""
        self._draw = draw

    def carry(self, times: list[float], share: float, step: float) -> list[float]:
        """Give when packets arrive that were sent at *times*, *step* apart."""
        out = []
        for t in times:
            late = self._late(share, step) if share and self._draw() < share else 0.0
            self.last = max(self.last, t + late)
            out.append(self.last)
        return out

    def _late(self, share: float, step: float) -> float:
        """Give how long a lost packet is missing: until a later one tells of it, or the timeout ends."""
        low, high = RTO_S
        rto = low + (high - low) * self._draw()
        told = step = max(step, SHORTEST_S)
        passes = (1.0 - share) ** 2  # a later packet, and its acknowledgement
        while told < rto and self._draw() >= passes:
            told += step
        late = min(told, rto)
        while late < LONGEST_S and self._draw() < share:
            late += rto
            rto *= 2.0
        return late


class Ways:
    """The connections over which one client's messages go, and how late each arrives for its packets' sake."""

    def __init__(self, world: World, losses: Losses, name: str) -> None:
        self._world, self._losses, self._name = world, losses, name
        self._hops: dict[tuple[str, Pair], _Hop] = {}

    def carry(self, purpose: str, run: Run, pairs: Sequence[Pair]) -> Iterable[Run]:
        """Give messages as they arrive at the end of a way, whose hops are *pairs*."""
        if not run.size or not self._is_rough(purpose, run.t, pairs):
            return (run,)
        times = [t for _, t in run.each()]
        for pair in pairs:
            times = self._hop(purpose, pair).carry(times, self._losses.of(pair), run.step)
        return _runs(run, times)

    def copied(self, run: Run, here: str, others: Sequence[str], needed: int) -> Iterable[Run]:
        """Give messages as they are when so many of *others* have told that they have them, too."""
        ways = [((here, other), (other, here)) for other in others]
        if not run.size or not needed or not any(self._is_rough("copy", run.t, way) for way in ways):
            return (run,)
        told = [[t for _, t in run.each()] for _ in ways]
        for index, way in enumerate(ways):
            for pair in way:
                told[index] = self._hop("copy", pair).carry(told[index], self._losses.of(pair), run.step)
        return _runs(run, [sorted(each)[min(needed, len(each)) - 1] for each in zip(*told, strict=True)])

    def _is_rough(self, purpose: str, t: float, pairs: Sequence[Pair]) -> bool:
        if not self._losses.ever:
            return False
        late = (self._hops[purpose, pair].last > t for pair in pairs if (purpose, pair) in self._hops)
        return any(map(self._losses.of, pairs)) or any(late)

    def _hop(self, purpose: str, pair: Pair) -> _Hop:
        key = purpose, pair
        if key not in self._hops:
            self._hops[key] = _Hop(self._world.streams.stream(self._name, "losses", purpose, *pair))
        return self._hops[key]


def _runs(run: Run, times: list[float]) -> Iterator[Run]:
    """Give messages at their times, those that are evenly spaced, or arrive all at once, as one run."""
    begin, count = 0, len(times)
    while begin < count:
        end, step = begin + 1, 0.0
        if end < count:
            apart = times[end] - times[begin]
            step = run.step if abs(apart - run.step) < NEAR else 0.0
            while end < count and abs(times[end] - times[end - 1] - step) < NEAR:
                end += 1
        yield run._replace(first=run.first + begin * run.stride, size=end - begin, t=times[begin], step=step)
        begin = end
