"""A world in which tests say themselves what becomes of brokers and their links, for tests of queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from designs import design

from rmqha_model.events import QueueLeader
from rmqha_model.scenario import Scenario
from simulation.machines.link_parts import Process
from simulation.processes.queues import QueueSet
from simulation.processes.views import Deliveries, Heard, LinkChanged, Served
from simulation.processes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FakeBrokers", "QueueWorld"]

GONE = {Process.ENDED, Process.GONE}


class FakeBrokers:
    """Brokers that are what a test says."""

    def __init__(self, world: World) -> None:
        """Begin with all of them up and linked."""
        self.world, self.hosts = world, world.topology.brokers
        self.processes = dict.fromkeys(self.hosts, Process.RUNS)
        self.listening = dict.fromkeys(self.hosts, True)
        self.stage = dict.fromkeys(self.hosts, True)
        self.links = {host: set(self.hosts) for host in self.hosts}
        self.calls: dict[str, list[Callable[[Any], None]]] = {"served": [], "link": [], "heard": [], "running": []}

    def process(self, host: str) -> Process:
        """What became of a VM."""
        return self.processes[host]

    def sees(self, host: str) -> frozenset[str]:
        """Nodes it is connected to."""
        return frozenset() if self.processes[host] in GONE else frozenset(self.links[host])

    def running(self, host: str) -> frozenset[str]:
        """Brokers it takes for running."""
        return frozenset(other for other in self.sees(host) if self.stage[other]) if self.stage[host] else frozenset()

    def on_served(self, call: Callable[[Served], None]) -> None:
        """Register."""
        self.calls["served"].append(call)

    def on_link(self, call: Callable[[LinkChanged], None]) -> None:
        """Register."""
        self.calls["link"].append(call)

    def on_heard(self, call: Callable[[Heard], None]) -> None:
        """Register."""
        self.calls["heard"].append(call)

    def on_running(self, call: Callable[[str], None]) -> None:
        """Register."""
        self.calls["running"].append(call)

    def _call(self, kind: str, event: Any) -> None:
        for call in self.calls[kind]:
            call(event)

    def serve(self, host: str, *, listens: bool, process: Process = Process.RUNS, clean: bool = False) -> None:
        """Have listeners or a VM change."""
        self.listening[host], self.processes[host] = listens, process
        self.stage[host] = process not in GONE and (listens or self.stage[host])
        if process in GONE:
            self.links[host] = {host}
        self._call("served", Served(self.world.now, host, listens, process, clean, ()))

    def link(self, here: str, there: str, *, up: bool) -> None:
        """Have one end see the other come or go."""
        (self.links[here].add if up else self.links[here].discard)(there)
        reason = () if up else (("nodedown", 0.0),)
        self._call("link", LinkChanged(self.world.now, here, there, up, reason))

    def hear(self, here: str, there: str, *, hears: bool) -> None:
        """Have bytes of one arrive at the other again, or no longer."""
        self._call("heard", Heard(self.world.now, here, there, hears, self.world.now))

    # -- what happens to a broker -----------------------------------------------------------------

    def others(self, host: str) -> list[str]:
        """Give the rest."""
        return [other for other in self.hosts if other != host]

    def kill(self, host: str) -> None:
        """End a VM; its peers read its FIN at once."""
        self.serve(host, listens=False, process=Process.ENDED)
        self.lose(host)

    def stop_app(self, host: str) -> None:
        """Close the listeners of one that stops in order."""
        self.serve(host, listens=False, clean=True)

    def stopped(self, host: str) -> None:
        """Have RabbitMQ end on one whose listeners are closed; its VM goes on."""
        self.stage[host] = False
        for other in self.others(host):
            self._call("running", other)

    def power_off(self, host: str) -> None:
        """Take its power: nobody is told, and it falls silent."""
        self.serve(host, listens=False, process=Process.GONE)
        self.fall_silent(host)

    def hang(self, host: str) -> None:
        """Freeze its VM."""
        self.serve(host, listens=True, process=Process.HANGS)
        self.fall_silent(host)

    def resume(self, host: str) -> None:
        """Have it go on; those that still see it hear it again."""
        self.serve(host, listens=True)
        for other in self.others(host):
            if host in self.links[other]:
                self.hear(other, host, hears=True)

    def fall_silent(self, host: str) -> None:
        """Have the others hear nothing of it."""
        for other in self.others(host):
            self.hear(other, host, hears=False)

    def lose(self, host: str) -> None:
        """Have the others see that its node is gone."""
        for other in self.others(host):
            if host in self.links[other]:
                self.link(other, host, up=False)

    def boot(self, host: str) -> None:
        """Have it start, meet the others, and listen."""
        self.stage[host] = False
        self.serve(host, listens=False)
        for other in self.others(host):
            if self.processes[other] is Process.RUNS:
                self.link(host, other, up=True)
                self.link(other, host, up=True)
        self.serve(host, listens=True)


class QueueWorld:
    """The queues of a design with such brokers, and all that they say."""

    def __init__(self, *queues: dict[str, Any], seed: int = 1, used: tuple[str, ...] = (), **changes: Any) -> None:
        """Lay *changes* over the design, and declare *queues* for the workload."""
        publishers = {f"p-{number}": {"queue": name} for number, name in enumerate(used)}
        workload = {"queues": list(queues), "publishers": publishers}
        scenario = Scenario.model_validate({"name": "test", "workload": workload})
        self.world = World(design(**changes), scenario, seed)
        self.brokers = FakeBrokers(self.world)
        self.world.brokers = self.brokers  # type: ignore[assignment]
        self.queues = self.world.queues = QueueSet(self.world)
        self.deliveries: list[Deliveries] = []
        self.services: list[tuple[float, str]] = []
        self.queues.on_deliveries(self.deliveries.append)
        self.queues.on_service(lambda queue: self.services.append((self.world.now, queue)))
        self.queues.begin()

    def until(self, t: float) -> None:
        """Let time pass."""
        self.world.clock.run(t)

    @property
    def leaders(self) -> list[QueueLeader]:
        """Give what observers were told."""
        return [event for event, _ in self.world.told if isinstance(event, QueueLeader)]

    def met(self, queue: str) -> dict[str, tuple[str, str]]:
        """Give what is met at each broker that listens: of publishing, and of consuming."""
        found = {host: self.queues.service(queue, host) for host in self.brokers.hosts if self.brokers.listening[host]}
        return {host: (service.publish, service.consume) for host, service in found.items()}

    def doings(self) -> list[tuple[str, int | None, tuple[str, ...]]]:
        """Give what became of messages."""
        return [(each.what, each.count, tuple(sorted(each.side))) for each in self.deliveries]
