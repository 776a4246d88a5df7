"""Aten on every broker: which of the others it suspects, and when that changes.

Source: rabbitmq/aten ``aten_detector.erl`` (one poll for all peers of a node), v0.5.0 to v0.6.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.driving import Driven
from simulation.machines.detector import Detector, DetectorInput, DetectorSettings, Judged
from simulation.machines.link_parts import Process
from simulation.processes.queue_cluster import GONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.processes.views import Heard, LinkChanged
    from simulation.processes.world import World

__all__ = ["Suspects"]


class Suspects:
    """The detectors of each broker as to each other one; made when something happens to the two of them."""

    def __init__(self, world: World, suspected: Callable[[str, str, Judged], None]) -> None:
        """Give to *suspected* who judges whom, and how."""
        self._world, self._suspected = world, suspected
        self._settings = DetectorSettings.from_design(world.topology)
        self._polls: dict[str, float] = {}
        self._beats: dict[str, float] = {}
        self._fresh: set[str] = set()  # whose VM has started since
        self._known: dict[tuple[str, str], Driven[DetectorInput, Judged]] = {}
        self._machines: dict[tuple[str, str], Detector] = {}

    def up(self, here: str, there: str) -> bool:
        """Whether the detector of one holds the other for up: what one who begins to watch is told."""
        detector = self._machines.get((here, there))
        return detector is None or detector.up

    def heard(self, event: Heard) -> None:
        """Take in silence or its end."""
        driven = self._of(event.here, event.there)
        if not event.hears:
            self._machines[event.here, event.there].beat = event.last
        driven.feed("heard" if event.hears else "silent")

    def linked(self, event: LinkChanged) -> None:
        """Take in a node that came or went."""
        driven = self._of(event.here, event.there)
        if event.up and event.there in self._beats:
            self._machines[event.here, event.there].beat = self._beats[event.there]
        driven.feed("nodeup" if event.up else "nodedown")

    def turned(self, t: float, host: str, was: Process, is_: Process) -> None:
        """Take in what becomes of a broker's VM."""
        if is_ in GONE:
            for pair in [pair for pair in self._known if pair[0] == host]:
                self._known.pop(pair).stop()
                del self._machines[pair]
        elif is_ is Process.HANGS:
            self._of_all(host, "hangs")
        elif was is Process.HANGS:
            self._of_all(host, "runs")
        elif was in GONE:
            self._fresh.add(host)
            self._polls[host] = t + self._settings.poll_s
            self._beats[host] = t + self._settings.beat_s

    def _of_all(self, host: str, what: DetectorInput) -> None:
        for peer in self._world.topology.brokers:
            if peer != host:
                self._of(host, peer).feed(what)

    def _of(self, here: str, there: str) -> Driven[DetectorInput, Judged]:
        pair = here, there
        if pair in self._known:
            return self._known[pair]
        known = self._settings
        if here not in self._polls:
            self._polls[here] = self._world.streams.phase(known.poll_s, here, "aten poll")
        if there not in self._beats:
            self._beats[there] = self._world.streams.phase(known.beat_s, there, "aten beat")
        detector = Detector(known, self._polls[here], self._beats[there])
        if here in self._fresh:
            detector.feed(self._world.now, "nodedown")  # it knows nothing of anybody yet
        self._machines[pair] = detector
        self._known[pair] = Driven(self._world.clock, detector, lambda judged: self._suspected(here, there, judged))
        return self._known[pair]
