"""What the brokers of a Mnesia cluster do when they lose each other, and what they find when they meet again.

Sources: RabbitMQ 3.8 to 4.2 ``rabbit_node_monitor.erl`` (``check_partial_partition``, ``maybe_autoheal``),
``rabbit_autoheal.erl`` (``check_other_nodes``, ``all_partitions``); OTP ``mnesia_monitor.erl``
(``detect_partitioned_network``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from simulation.driving import Driven
from simulation.machines.link_parts import Process
from simulation.machines.machine import NEVER
from simulation.machines.partition import (
    Acts,
    Autoheal,
    Healed,
    Inconsistent,
    Others,
    PartialCut,
    Running,
    Sees,
    Strategy,
    Watch,
    WatchInput,
)

if TYPE_CHECKING:
    from simulation.machines.node import BrokerInput, Stage
    from simulation.processes.broker_links import Links
    from simulation.processes.broker_members import Members
    from simulation.processes.views import Heard, LinkChanged
    from simulation.processes.world import World

__all__ = ["Partitions", "Unit", "lacks", "sides"]


class Unit(NamedTuple):
    """What is to know of a broker's unit, and how it is told something."""

    process: Callable[[str], Process]
    stage: Callable[[str], Stage]
    tell: Callable[[str, BrokerInput], None]


class Partitions:
    """The node monitors of a cluster, and its autoheal."""

    def __init__(self, world: World, strategy: Strategy, links: Links, members: Members, unit: Unit) -> None:
        self._world, self._strategy = world, strategy
        self._links, self._members, self._unit = links, members, unit
        self._watches = {host: self._watch(host) for host in strategy.nodes}
        self._lost: set[tuple[str, str]] = set()  # (here, there): here's database went on without there's
        self._split: set[frozenset[str]] = set()  # pairs whose databases stay apart though they are connected
        self._asked: set[tuple[str, str, str]] = set()  # (who lost, whom, who still sees it): no answer yet
        self._autoheal = Autoheal()
        self._heals_at = NEVER
        self._starts: set[str] = set()  # losers that start when they have stopped
        self.changed: list[Callable[[str], None]] = []
        """Called with a broker that has found, or forgotten, that it is partitioned."""
        self.clients: Callable[[str], int] | None = None
        """Gives how many client connections a broker has."""

    def _watch(self, host: str) -> Driven[WatchInput, Acts]:
        watch = Watch(self._strategy, host)
        return Driven(self._world.clock, watch, lambda acts: self._acts(host, acts))

    def of(self, host: str) -> frozenset[str]:
        """Give the brokers that one calls partitioned from itself."""
        machine = self._watches[host].machine
        assert isinstance(machine, Watch)
        return machine.partitions

    def split(self, here: str, there: str) -> bool:
        """Whether the databases of two brokers are apart though their nodes are connected."""
        return frozenset({here, there}) in self._split

    # -- what happens to the brokers --------------------------------------------------------------

    def view_changed(self, host: str, was: Stage) -> None:
        """A broker's VM, or RabbitMQ in it, is another than before."""
        process, stage = self._unit.process(host), self._unit.stage(host)
        if stage == "out" and was != "out":
            self._lost = {pair for pair in self._lost if host not in pair}
            self._split = {pair for pair in self._split if host not in pair}
        if process in {Process.ENDED, Process.GONE}:
            self._starts.discard(host)
            if was != "out":
                self._watches[host].stop()
                self._watches[host] = self._watch(host)
                self._feed(host, Running(running=False))
            self._feed(host, Sees(frozenset({host})))
        elif (stage == "runs") is not (was == "runs"):
            self._feed(host, Running(running=stage == "runs"))
            if stage == "runs":
                self._feed(host, Others(self._members.running(host)))
        if stage != "runs" and was == "runs":
            self._asked = {asked for asked in self._asked if host not in asked}
            self._healed(self._autoheal.stopped(self._world.now, host))
        if stage == "out" and host in self._starts and process is Process.RUNS:
            self._starts.discard(host)
            self._unit.tell(host, "start_app")

    def members_changed(self, host: str) -> None:
        """A broker has learnt that RabbitMQ on another one runs, or does not."""
        self._feed(host, Others(self._members.running(host)))
        self._maybe_heal(host)

    def link_changed(self, link: LinkChanged) -> None:
        """A broker has, or has lost, its connection to another."""
        if link.up:
            self._meets(link.here, link.there)
        else:
            self._loses(link.here, link.there)

    def heard_changed(self, heard: Heard) -> None:
        """A broker hears another one again: what it asked it meanwhile is answered now."""
        if heard.hears:
            for asked in [one for one in self._asked if one[1:] == (heard.there, heard.here)]:
                self._answered(asked)

    # -- what it means ----------------------------------------------------------------------------

    def _loses(self, here: str, there: str) -> None:
        if self._unit.stage(here) != "out" and self._members.known(here, there) != "out":
            self._lost.add((here, there))
        self._asked = {asked for asked in self._asked if asked[1:] != (there, here)}
        alive = self._links.sees(here)
        self._feed(here, Sees(alive, there))
        if self._unit.stage(here) == "runs":
            for other in sorted(alive - {here}):
                if {here, there} <= self._members.running(other) and self._links.hears(other, here):
                    self._asked.add((here, there, other))
                    if self._links.hears(other, there):
                        self._answered((here, there, other))
        if not self._strategy.heals:
            return
        self._healed(self._autoheal.lost(self._world.now))

    def _answered(self, asked: tuple[str, str, str]) -> None:
        """An intermediate broker has reached the one that another lost: the partition is a partial one."""
        self._asked.discard(asked)
        who, lost, proxy = asked
        if self._unit.stage(lost) == "runs" and self._links.hears(who, proxy):
            self._feed(who, PartialCut(lost, proxy))

    def _meets(self, here: str, there: str) -> None:
        pair = frozenset({here, there})
        if {(here, there), (there, here)} <= self._lost:
            self._split.add(pair)
        self._lost -= {(here, there), (there, here)}
        self._feed(here, Sees(self._links.sees(here)))
        if pair in self._split:
            self._feed(here, Inconsistent(there))

    def _feed(self, host: str, input_: WatchInput) -> None:
        before = self.of(host)
        self._watches[host].feed(input_)
        if self.of(host) != before:
            for call in self.changed:
                call(host)

    def _acts(self, host: str, acts: Acts) -> None:
        if acts.what == "pauses":
            self._unit.tell(host, "stop_app")
        elif acts.what == "returns":
            self._unit.tell(host, "start_app")
        elif acts.what == "disconnects":
            self._links.disconnect(host, acts.other)
        else:
            self._maybe_heal(host)

    # -- autoheal ---------------------------------------------------------------------------------

    def _maybe_heal(self, host: str) -> None:
        """Heal if a broker knows of a partition, and everybody runs and sees everybody."""
        nodes = self._strategy.nodes
        if not self._strategy.heals or not self.of(host):
            return
        if any(self._unit.stage(node) != "runs" or self._unit.process(node) is not Process.RUNS for node in nodes):
            return
        if any(len(self._links.sees(node)) < len(nodes) for node in nodes):
            return
        clients: Mapping[str, int] = {}
        if self.clients is None:
            lacks(self._world, "autoheal's winner is chosen without counting the clients of each side")
        else:
            clients = {node: self.clients(node) for node in nodes}
        found = sides(nodes, {node: self.of(node) for node in nodes})
        self._healed(self._autoheal.begin(self._world.now, found, clients))

    def _healed(self, told: Iterable[Healed]) -> None:
        for healed in told:
            for loser in healed.losers:
                if healed.what == "stop":
                    self._unit.tell(loser, "stop_app")
                else:
                    self._start(loser)
        due = self._autoheal.due
        if due != self._heals_at:
            self._heals_at = due
            if due < NEVER:
                self._world.clock.at(due, lambda: self._patience(due))

    def _patience(self, due: float) -> None:
        if self._autoheal.due == due:
            self._healed(self._autoheal.fire())

    def _start(self, loser: str) -> None:
        if self._unit.stage(loser) == "out" and self._unit.process(loser) is Process.RUNS:
            self._unit.tell(loser, "start_app")
        elif self._unit.process(loser) is not Process.ENDED:
            self._starts.add(loser)


def sides(nodes: Iterable[str], apart: Mapping[str, frozenset[str]]) -> list[tuple[str, ...]]:
    """Give the sides of a partition by whom each node calls partitioned from itself."""
    found = [tuple(sorted(nodes))]
    for node, from_ in apart.items():
        parted: list[tuple[str, ...]] = []
        for side in found:
            halves = [side]
            if node in side:
                halves = [tuple(n for n in side if n not in from_), tuple(n for n in side if n in from_)]
            parted += [half for half in halves if half]
        found = parted
    return found


def lacks(world: World, words: str) -> None:
    """Say once what this run leaves out."""
    if words not in world.not_modelled:
        world.not_modelled.append(words)
