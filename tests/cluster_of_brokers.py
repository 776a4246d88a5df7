"""A cluster of brokers in a world of its own, for tests: nothing else is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from designs import design

from rmqha_model.events import BrokerState, Event
from rmqha_model.faults import CLIENTS
from rmqha_model.scenario import Scenario
from simulation.machines.link_parts import Process
from simulation.processes.brokers import Cluster
from simulation.processes.world import World

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason
    from simulation.processes.views import Heard, LinkChanged, Served

__all__ = ["Cast", "cast"]

E = TypeVar("E", bound=Event)


@cache
def _design(release: str, strategy: str | None, nodes: tuple[str, ...]) -> Topology:
    rabbitmq: dict[str, Any] = {"nodes": list(nodes)}
    if strategy == "pause_if_all_down":
        rabbitmq["partition_handling"] = {"strategy": strategy, "nodes": ["r2"], "recover": "ignore"}
    elif strategy:
        rabbitmq["partition_handling"] = strategy
    hosts = {node: f"10.0.0.{number}/24" for number, node in enumerate(nodes, 51) if node > "r3"}
    return design(versions={"rabbitmq": release}, rabbitmq=rabbitmq, hosts=hosts)


class Cast:
    """Brokers, and all that they tell."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cluster = world.brokers = Cluster(world)
        self.served: list[Served] = []
        self.links: list[LinkChanged] = []
        self.heard: list[Heard] = []
        self.blocked: list[tuple[float, str]] = []
        self.cluster.begin()
        self.cluster.on_served(self.served.append)
        self.cluster.on_link(self.links.append)
        self.cluster.on_heard(self.heard.append)
        self.cluster.on_blocks(lambda host: self.blocked.append((world.now, host)))

    def at(self, t: float, call: Callable[[], Any]) -> None:
        """Do something at an instant."""
        self.world.clock.at(t, call)

    def run(self, until: float) -> None:
        """Let time pass."""
        self.world.clock.run(until)

    def power(self, host: str, *, on: bool) -> None:
        """Take a host's power, or give it back; it boots in no time."""
        if self.world.network.powered(host) is not on:
            self.world.network.power(host, on=on)
            self.cluster.act(host, "power_on" if on else "power_off")

    def cut(self, side: set[str], others: set[str] | None = None) -> Callable[[], None]:
        """Cut hosts off from others, both ways; give what heals it."""
        rest = others or {*self.world.topology.brokers, CLIENTS} - side
        return self.world.network.cut([pair for a in side for b in rest for pair in ((a, b), (b, a))])

    def only(self, kind: type[E]) -> list[E]:
        """Give what was told of one kind."""
        return [event for event, _ in self.world.told if isinstance(event, kind)]

    def ups(self) -> list[tuple[float, str, bool]]:
        """Give when listeners opened and closed."""
        return [(event.t, event.host, event.up) for event in self.only(BrokerState)]

    def reason(self, event: Event) -> Reason:
        """Give what an event's time is made of."""
        return next(reason for told, reason in self.world.told if told is event)

    def agree(self) -> None:
        """Check that what the cluster tells of itself fits together."""
        cluster, brokers = self.cluster, self.world.topology.brokers
        for host in brokers:
            process, sees, running = cluster.process(host), cluster.sees(host), cluster.running(host)
            assert bool(sees) == (process in {Process.RUNS, Process.HANGS})
            assert not sees or host in sees
            assert running <= sees
            assert not cluster.serves(host) or host in running
            assert cluster.port(host) == "refused" or cluster.process(host) in {Process.RUNS, Process.HANGS}
            assert cluster.drops(host) <= self.world.now


def cast(
    seed: int = 1,
    *,
    versions: dict[str, str] | None = None,
    strategy: str | None = None,
    nodes: tuple[str, ...] = ("r1", "r2", "r3"),
    faults: list[dict[str, Any]] | None = None,
) -> Cast:
    """Give a cluster of brokers, at the start."""
    release = (versions or {"rabbitmq": "3.10.8"})["rabbitmq"]
    scenario = Scenario.model_validate({"name": "test", "faults": faults or []})
    return Cast(World(_design(release, strategy, nodes), scenario, seed))
