"""A world with real paths and HAProxys, whose brokers and virtual addresses are what a test says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fake_world import FakeBrokers, FakeRoutes, FakeWorld

from rmqha_model.document import load
from rmqha_model.scenario import Scenario
from rmqha_model.topology import Topology
from simulation.machines.link_parts import Process
from simulation.processes.balancers import LoadBalancers
from simulation.processes.paths import PortPaths

if TYPE_CHECKING:
    from rmqha_model.events import Event

__all__ = ["BalancerWorld", "balancer_world"]


class Brokers(FakeBrokers):
    """Brokers with ports."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.ports: dict[str, str] = defaultdict(lambda: "serving")
        self.dropped: dict[str, float] = {}

    def turn(self, host: str, port: Literal["serving", "frozen", "refused"]) -> None:
        """Have its port behave so."""
        self.ports[host] = port
        if port == "refused":
            self.dropped[host] = self.world.now
        states = {"serving": (Process.RUNS, True), "frozen": (Process.HANGS, True), "refused": (Process.ENDED, False)}
        self.become(host, states[port][0], listens=states[port][1])

    def port(self, host: str) -> str:
        """How its port behaves."""
        return self.ports[host]

    def drops(self, host: str) -> float:
        """When it last closed all connections."""
        return self.dropped.get(host, float("-inf"))


class Routes(FakeRoutes):
    """Virtual addresses, held by the first load balancer at first."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.ways: dict[str, str | None] = {}
        for address in world.topology.virtual_ips:
            self.held[address] = frozenset({world.topology.vrrp_hosts[0]})
            self.ways[address] = world.topology.vrrp_hosts[0]

    def leads_to(self, _: str, address: str) -> str | None:
        """Where a test says."""
        return self.ways[address]

    def on_route(self, call: Callable[[str], None]) -> None:
        """Hear of moves."""
        self.calls.append(call)

    def move(self, address: str, host: str | None, *, leads: bool = True) -> None:
        """Have another host hold it, and packets go there, or not yet."""
        self.held[address] = frozenset({host} - {None})  # type: ignore[arg-type]
        if leads and host is not None:
            self.ways[address] = host
        for call in self.calls:
            call(address)


class BalancerWorld(FakeWorld):
    """A world of which paths and HAProxys are real."""

    balancers: Any
    paths: Any

    def __init__(self, topology: Topology, scenario: Scenario, seed: int = 0) -> None:
        super().__init__(topology, scenario, seed)
        self.brokers, self.routes = Brokers(self), Routes(self)
        self.paths = PortPaths(self)
        self.balancers = LoadBalancers(self)
        self.paths.begin()
        self.balancers.begin()

    def lose_power(self, host: str) -> None:
        """Have a host without power."""
        self.network.power(host, on=False)
        if host in self.topology.load_balancers:
            self.balancers.act(host, "power_off")
        if host in self.topology.brokers:
            self.brokers.ports[host] = "refused"
        self.hosts.power_off(host)

    def get_power(self, host: str) -> None:
        """Give it back: HAProxy starts at once, a broker later."""
        self.network.power(host, on=True)
        self.hosts.power_on(host)
        for call in self.hosts.calls:
            call(host)
        if host in self.topology.load_balancers:
            self.balancers.act(host, "start")

    def events(self, kind: type[Event], **fields: object) -> list[Any]:
        """Give what was told of a kind."""
        told = [event for event, _ in self.told if isinstance(event, kind)]
        return [event for event in told if all(getattr(event, name) == value for name, value in fields.items())]


def balancer_world(design: Topology | str, seed: int = 0, workload: dict[str, Any] | None = None) -> BalancerWorld:
    """Give such a world; a design by its name is one of the examples."""
    topology = design if isinstance(design, Topology) else load(Path(f"examples/{design}.yaml"), Topology)
    scenario = Scenario.model_validate({"name": "test", "duration": "60s", "workload": workload or {}})
    return BalancerWorld(topology, scenario, seed)
