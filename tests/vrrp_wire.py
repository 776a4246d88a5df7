"""VRRP machines on a segment, driven as the simulator drives them, and what can be seen of them."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from simulation.machines.vrrp import Vrrp
from simulation.machines.vrrp_settings import LINK, VrrpSettings
from simulation.machines.vrrp_words import (
    Addresses,
    Entered,
    Garp,
    Hear,
    Sent,
    Speaks,
    Start,
    Stream,
    VrrpInput,
    VrrpOutput,
)

S = 1_000_000
ONE, TWO = 1, 2


class Wire:
    """Machines on a segment, driven as the simulator drives them: no event while nothing changes."""

    def __init__(self, told: list[VrrpSettings]) -> None:
        self.machines = {each.source: Vrrp(each) for each in told}
        self.streams: dict[int, Stream] = {}
        self.cut: set[tuple[int, int]] = set()
        self.seen: list[tuple[int, VrrpOutput]] = []
        self.fired = 0
        self._flying: deque[tuple[int, VrrpOutput]] = deque()

    def run(self, until: float = math.inf) -> None:
        """Fire all that is due before *until*."""
        while (at := min(machine.due for machine in self.machines.values())) < until:
            source = next(source for source, machine in self.machines.items() if machine.due == at)
            self.fired += 1
            self._take(source, self.machines[source].fire())

    def feed(self, at: float, source: int, input_: VrrpInput) -> None:
        """Bring the world to *at* and tell one machine something."""
        self.run(at)
        self._take(source, self.machines[source].feed(at, input_))
        if isinstance(input_, Start):
            for other, stream in self.streams.items():
                if (other, source) not in self.cut and other != source:
                    self._take(source, self.machines[source].feed(at, Hear(other, stream)))

    def kill(self, at: float, source: int) -> None:
        """End a process at once."""
        self.run(at)
        self._take(source, [Speaks(at, None)])
        self.machines[source] = Vrrp(self.machines[source].settings)

    def reach(self, at: float, pairs: set[tuple[int, int]], *, cut: bool) -> None:
        """Drop what goes from one to another, or no longer."""
        self.run(at)
        changed = pairs - self.cut if cut else pairs & self.cut
        self.cut = self.cut | pairs if cut else self.cut - pairs
        for source, other in sorted(changed):
            stream = None if cut else self.streams.get(source)
            if source in self.streams:
                self._take(other, self.machines[other].feed(at, Hear(source, stream)))

    def _take(self, source: int, outputs: list[VrrpOutput]) -> None:
        self._flying.extend((source, output) for output in outputs)
        while self._flying:
            source, output = self._flying.popleft()
            self.seen.append((source, output))
            if isinstance(output, Speaks):
                self.streams.pop(source, None)
                if output.stream is not None:
                    self.streams[source] = output.stream
            if not isinstance(output, Sent | Speaks):
                continue
            word: VrrpInput = output.advert if isinstance(output, Sent) else Hear(source, output.stream)
            for other, machine in self.machines.items():
                if other != source and (source, other) not in self.cut:
                    self._flying.extend((other, each) for each in machine.feed(output.at, word))

    def log(self, until: float) -> list[tuple[Any, ...]]:
        """Give what could be seen with each advert of each clock, in microseconds."""
        found: list[tuple[Any, ...]] = []
        clocks: dict[int, tuple[Speaks, float]] = {}

        def end(source: int, at: float) -> None:
            said = clocks.pop(source, None)
            if said is None or said[0].stream is None:
                return
            begin = said[0].at
            if begin == at:
                return  # of several in one instant the last one counts
            advert, clock = said[0].stream
            for ticks, what in (
                (clock, ("advert", advert.priority)),
                *((refresh, ("garp", told[source].garp_refresh_packets)) for refresh in said[0].refreshes),
            ):
                tick = ticks.after(math.nextafter(begin, -math.inf))
                while tick <= at:
                    found.append((round(tick * S), source, *what))
                    tick = ticks.after(tick)

        told = {source: machine.settings for source, machine in self.machines.items()}
        for source, output in self.seen:
            match output:
                case Sent(at, advert):
                    found.append((round(at * S), source, "advert", advert.priority))
                case Entered(at, state):
                    found.append((round(at * S), source, state))
                case Addresses(at, held):
                    found.append((round(at * S), source, "addresses", int(held)))
                case Garp(at, packets):
                    found.append((round(at * S), source, "garp", packets))
                case Speaks(at):
                    end(source, at)
                    clocks[source] = output, at
        for source in list(clocks):
            end(source, math.nextafter(until, -math.inf))
        return sorted(found)


def pair(first: int = 110, second: int = 60, at: float = 100.0, **told: Any) -> Wire:
    """Give two members of which the first has been master for long; the second listens."""
    wire = Wire([VrrpSettings(source=ONE, priority=first, **told), VrrpSettings(source=TWO, priority=second, **told)])
    wire.feed(0.0, ONE, Start({LINK: True}))
    wire.feed(7.3, TWO, Start({LINK: True}))
    wire.run(at)
    assert [wire.machines[each].state for each in (ONE, TWO)] == ["MASTER", "BACKUP"]
    wire.seen.clear()
    return wire


def entered(wire: Wire, source: int, state: str = "MASTER") -> list[float]:
    """Give when an instance entered a state."""
    return [
        output.at
        for who, output in wire.seen
        if who == source and isinstance(output, Entered) and output.state == state
    ]
