"""The brokers of a cluster: their units, the links between them, what they do about each other, and their alarms."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from rmqha_model.events import BrokerState
from rmqha_model.faults import PacketLoss
from rmqha_model.versions import Version
from simulation.driving import Driven
from simulation.machines.link_parts import Process
from simulation.machines.node import Broker, BrokerInput, BrokerSettings, BrokerView, Stage, Took
from simulation.machines.partition import Strategy
from simulation.processes.broker_alarms import Alarms
from simulation.processes.broker_api import Answers, Api
from simulation.processes.broker_boots import Boots
from simulation.processes.broker_links import Links
from simulation.processes.broker_members import Members
from simulation.processes.broker_partitions import Partitions, Unit, lacks
from simulation.processes.hosts import busy
from simulation.processes.views import Heard, LinkChanged, Listening, Served

if TYPE_CHECKING:
    from simulation.processes.world import World

__all__ = ["Cluster"]

QUICK_S = 1.0
"""How soon after the nodedown of its peers a broker's return is in danger of rabbitmq-server#6034 [lab: 0.01 s hung,
1.2 s did not]."""
HANGS_BEFORE = Version(3, 10, 9)


class Cluster:
    """All brokers of a design."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._brokers = brokers = world.topology.brokers
        self._units = {host: self._unit(host) for host in brokers}
        self._seen = {host: BrokerView(0.0, Process.RUNS, listens=True, stage="runs", reason=()) for host in brokers}
        self._dark: dict[str, Literal["fed", "off"]] = {}  # of one that lost its power: whether the network knows
        self._clean = dict.fromkeys(brokers, True)
        self._drops = dict.fromkeys(brokers, -math.inf)
        self._downs: dict[tuple[str, str], float] = {}
        self._served: list[Callable[[Served], None]] = []
        self._linked: list[Callable[[LinkChanged], None]] = []
        self._heard: list[Callable[[Heard], None]] = []
        self._running: list[Callable[[str], None]] = []
        self._links = Links(world, self.process)
        self._members = Members(brokers, self._links, self._stage)
        strategy = Strategy.from_design(world.topology)
        self._partitions: Partitions | None = None
        if strategy.name != "khepri":
            unit = Unit(self.process, self._stage, self._tell_unit)
            self._partitions = Partitions(world, strategy, self._links, self._members, unit)
        apart = self._partitions.split if self._partitions else None
        self._boots = Boots(brokers, self._members, apart, self._tell_unit)
        self._alarms = Alarms(world, self._members)
        self._api = Api(world, Answers(self._listens, self._answers, self._shown, self._partitioned))

    def _unit(self, host: str) -> Driven[BrokerInput, BrokerView]:
        streams: dict[Took, Callable[[], float]] = {}

        def draw(what: Took) -> float:
            if what not in streams:
                streams[what] = self._world.streams.stream(host, "broker", what)
            return streams[what]()

        settings = BrokerSettings.from_design(self._world.topology, host, host_boot_s=(0.0, 0.0))
        settings = dataclasses.replace(settings, busy=busy(self._world, host))
        return Driven(self._world.clock, Broker(settings, draw), lambda view: self._viewed(host, view))

    def begin(self) -> None:
        """Connect the parts, and tell how it is at the start."""
        self._world.network.on_change(self._network_changed)
        self._links.changed.append(self._link_changed)
        self._links.heard.append(self._heard_changed)
        self._members.changed.append(self._members_changed)
        self._alarms.raised.append(self._api.alarm)
        if self._partitions:
            self._partitions.changed.append(self._api.news)
        for host in self._brokers:
            self._world.tell(BrokerState(self._world.now, host, up=True))
        self._api.begin()
        ram = [host for host, node in self._world.topology.rabbitmq.nodes.items() if node.type == "ram"]
        if ram:
            lacks(self._world, f"RAM nodes ({', '.join(ram)}) boot as disc nodes do")
        if any(isinstance(fault, PacketLoss) for fault in self._world.scenario.faults):
            lacks(self._world, "packets that are lost by chance delay nothing between brokers")

    # -- what is done to them ---------------------------------------------------------------------

    def act(self, host: str, input_: BrokerInput) -> None:
        """Do something to a broker's process; ``power_on`` is given when its host has booted."""
        if input_ == "power_off":
            self._dark[host] = "fed" if self._world.network.powered(host) else "off"
            self._api.power_off(host)
        elif input_ == "power_on":
            self._dark.pop(host, None)
        if input_ in {"kill", "power_off"}:
            self._clean[host] = False
        elif input_ in {"stop", "stop_app", "restart", "reboot"}:
            self._clean[host] = True
        self._tell_unit(host, input_)
        if input_ in {"power_off", "power_on"}:
            self._links.update({host})

    def alarm(self, host: str, resource: Literal["memory", "disk"], *, on: bool) -> None:
        """Raise or clear a resource alarm by its limit; nobody sets one in a broker that does not run."""
        if self._stage(host) == "runs" and self.process(host) is Process.RUNS:
            self._alarms.limit(host, resource, wrong=on)

    def _tell_unit(self, host: str, input_: BrokerInput) -> None:
        self._units[host].feed(input_)

    # -- what there is ----------------------------------------------------------------------------

    def process(self, host: str) -> Process:
        """What became of a broker's VM: a host that has power answers for one that has ended."""
        process = self._seen[host].process
        if process is Process.GONE and host not in self._dark and self._world.network.powered(host):
            return Process.ENDED
        return process

    def _stage(self, host: str) -> Stage:
        return self._seen[host].stage

    def _listens(self, host: str) -> bool:
        return self._seen[host].listens

    def port(self, host: str) -> Listening:
        """How its AMQP listener behaves, as seen from its own host."""
        if not self._listens(host):
            return "refused"
        return "serving" if self.process(host) is Process.RUNS else "frozen"

    def serves(self, host: str) -> bool:
        """Whether RabbitMQ runs on it: it listens, and its VM is not frozen."""
        return self.port(host) == "serving"

    def sees(self, host: str) -> frozenset[str]:
        """Erlang nodes it is connected to, its own included; nothing where its VM does not run."""
        runs = self.process(host) in {Process.RUNS, Process.HANGS}
        return self._links.sees(host) if runs else frozenset()

    def running(self, host: str) -> frozenset[str]:
        """Brokers it takes for running, itself included."""
        return self._members.running(host)

    def blocks(self, host: str) -> bool:
        """Whether it blocks connections that publish, for the alarm of some node it sees."""
        return self._alarms.blocks(host)

    def drops(self, host: str) -> float:
        """When it last closed all its clients' connections: stopped, killed, paused; minus infinity if never."""
        return self._drops[host]

    # -- who listens ------------------------------------------------------------------------------

    def on_served(self, call: Callable[[Served], None]) -> None:
        """Hear of listeners and VMs."""
        self._served.append(call)

    def on_link(self, call: Callable[[LinkChanged], None]) -> None:
        """Hear of Erlang links."""
        self._linked.append(call)

    def on_heard(self, call: Callable[[Heard], None]) -> None:
        """Hear of silence and its end on links that are up."""
        self._heard.append(call)

    def on_blocks(self, call: Callable[[str], None]) -> None:
        """Hear of a broker that begins or ceases to block publishers."""
        self._alarms.blocked.append(call)

    def on_running(self, call: Callable[[str], None]) -> None:
        """Hear of a broker that takes others for running than before."""
        self._running.append(call)

    def count_clients(self, ask: Callable[[str], int]) -> None:
        """Have somebody asked how many client connections a broker has; autoheal decides by that."""
        if self._partitions:
            self._partitions.clients = ask

    # -- what happens -----------------------------------------------------------------------------

    def _viewed(self, host: str, view: BrokerView) -> None:
        was, self._seen[host] = self._seen[host], view
        if was.stage == "runs" and view.stage != "runs":
            self._boots.stops(host)
            self._alarms.stops(host)
        if was.listens and not view.listens:
            self._drops[host] = view.t
        self._links.update({host})
        if was.stage == "out" and view.stage != "out":
            self._links.seek(host)
        self._members.view_changed(host, view.process)
        if view.stage != was.stage:
            self._members_changed(host)
        if self._partitions:
            self._partitions.view_changed(host, was.stage)
        if view.process is Process.RUNS and was.process is Process.HANGS:
            for other in self._brokers:
                self._alarms.tell(other, host)
        self._boots.update()
        self._news()
        if (view.listens, view.process) != (was.listens, was.process):
            self._tell_served(host, view, was)

    def _tell_served(self, host: str, view: BrokerView, was: BrokerView) -> None:
        if view.listens is not was.listens:
            self._world.tell(BrokerState(view.t, host, up=view.listens), view.reason)
        if view.listens:
            self._clean[host] = True
        served = Served(view.t, host, view.listens, self.process(host), self._clean[host], view.reason)
        for call in self._served:
            call(served)

    def _network_changed(self) -> None:
        for host in list(self._dark):
            powered = self._world.network.powered(host)
            if not powered:
                self._dark[host] = "off"
            elif self._dark[host] == "off":
                del self._dark[host]  # its kernel answers from now on
        self._links.update()

    def _link_changed(self, link: LinkChanged) -> None:
        if link.up:
            self._note_quick_return(link)
            self._members.link_changed(link)
            if self._partitions:
                self._partitions.link_changed(link)
        else:
            self._downs[link.here, link.there] = link.t
            if self._partitions:
                self._partitions.link_changed(link)
            self._members.link_changed(link)
        self._boots.update()
        self._news()
        for call in self._linked:
            call(link)

    def _note_quick_return(self, link: LinkChanged) -> None:
        down = self._downs.get((link.here, link.there), -math.inf)
        if link.t - down > QUICK_S or self._stage(link.there) != "out":
            return
        if Version.parse(self._world.topology.versions.rabbitmq) < HANGS_BEFORE:
            lacks(
                self._world,
                "RabbitMQ before 3.10.9 may hang in its start when it returns in the second in which its peers notice "
                "that it was gone (rabbitmq-server#6034); here it starts",
            )

    def _heard_changed(self, heard: Heard) -> None:
        self._members.heard_changed(heard)
        if heard.hears:
            self._alarms.tell(heard.there, heard.here)
        if self._partitions:
            self._partitions.heard_changed(heard)
        self._boots.update()
        self._news()
        for call in self._heard:
            call(heard)

    def _members_changed(self, host: str) -> None:
        self._alarms.learns(host)
        if self._partitions:
            self._partitions.members_changed(host)
        for call in self._running:
            call(host)

    # -- the HTTP API -----------------------------------------------------------------------------

    def _news(self) -> None:
        for host in self._brokers:
            self._api.news(host)

    def _answers(self, host: str) -> bool:
        """Whether its API answers: it asks all the others that it sees, and waits for one that is silent [D]."""
        return self.serves(host) and not self._links.silent(host)

    def _shown(self, host: str) -> frozenset[str]:
        """Give the brokers that its API calls running: with Mnesia whose database is one with its own."""
        partitions = self._partitions
        if partitions is None:
            return self._members.running(host)
        joined = self._members.joined(host)
        return frozenset({host, *(other for other in joined if not partitions.split(host, other))})

    def _partitioned(self, host: str) -> frozenset[str]:
        return self._partitions.of(host) if self._partitions else frozenset()
