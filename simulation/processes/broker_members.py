"""What each broker of a cluster believes about RabbitMQ on the others: news travel over links that are up and flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulation.machines.link_parts import Process

if TYPE_CHECKING:
    from simulation.machines.node import Stage
    from simulation.processes.broker_links import Links
    from simulation.processes.views import Heard, LinkChanged

__all__ = ["Members"]


class Members:
    """The stage of each broker as each other one knows it."""

    def __init__(self, brokers: tuple[str, ...], links: Links, stage: Callable[[str], Stage]) -> None:
        """Ask *stage* how far RabbitMQ on a broker really is."""
        self._brokers, self._links, self._stage = brokers, links, stage
        self._known: dict[str, dict[str, Stage]] = {
            here: {there: "runs" for there in brokers if there != here} for here in brokers
        }
        self.changed: list[Callable[[str], None]] = []
        """Called with a broker that has learnt something."""

    def known(self, here: str, there: str) -> Stage:
        """Give how far a broker takes another one to be."""
        return self._stage(here) if here == there else self._known[here][there]

    def running(self, host: str) -> frozenset[str]:
        """Give the brokers that one takes for running, itself included; none where RabbitMQ does not run itself."""
        if self._stage(host) != "runs":
            return frozenset()
        return frozenset({host, *(there for there, stage in self._known[host].items() if stage == "runs")})

    def joined(self, host: str) -> frozenset[str]:
        """Give the others whose database a broker's own is connected to."""
        return frozenset(there for there, stage in self._known[host].items() if stage != "out")

    def hears(self, here: str, there: str) -> bool:
        """Whether a broker hears what another one says."""
        return self._links.hears(here, there)

    # -- what happens -----------------------------------------------------------------------------

    def view_changed(self, host: str, process: Process) -> None:
        """RabbitMQ on a broker, or its VM, is another than before."""
        if process in {Process.ENDED, Process.GONE}:
            self._known[host] = dict.fromkeys(self._known[host], "out")
        for other in self._brokers:
            if other != host:
                self._learn(other, host)
                self._learn(host, other)  # what a frozen one has not read until now

    def link_changed(self, link: LinkChanged) -> None:
        """A broker has, or has lost, its connection to another."""
        if link.up:
            self._learn(link.here, link.there)
        else:
            self._put(link.here, link.there, "out")

    def heard_changed(self, heard: Heard) -> None:
        """A broker hears another one again."""
        if heard.hears:
            self._learn(heard.here, heard.there)

    def _learn(self, here: str, there: str) -> None:
        if self._links.hears(here, there):
            self._put(here, there, self._stage(there))

    def _put(self, here: str, there: str, stage: Stage) -> None:
        if self._known[here][there] != stage:
            self._known[here][there] = stage
            for call in self.changed:
                call(here)
