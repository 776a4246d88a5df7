"""A world whose processes do nothing but write down what is done to them, for tests of who does it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rmqha_model.scenario import Scenario
from simulation.machines.link_parts import Process
from simulation.processes.views import Served
from simulation.processes.world import World

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["FakeBalancers", "FakeBrokers", "FakeHosts", "FakeQueues", "FakeRoutes", "FakeWorld", "fake_world"]


class _Fake:
    def __init__(self, world: FakeWorld) -> None:
        self.world = world
        self.calls: list[Callable[..., None]] = []

    def note(self, *what: object) -> None:
        """Write down what is done, and when."""
        self.world.log.append((round(self.world.now, 6), *what))


class FakeHosts(_Fake):
    """Hosts that are on until they are told otherwise."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.off: set[str] = set()
        self.boots: set[str] = set()
        self.reboots: dict[str, Callable[[], None]] = {}

    def power_off(self, host: str) -> None:
        """Be off."""
        self.note("power_off", host)
        self.off.add(host)
        for call in self.calls:
            call(host)

    def power_on(self, host: str) -> None:
        """Be on at once."""
        self.note("power_on", host)
        self.off.discard(host)

    def reboot(self, host: str, done: Callable[[], None]) -> None:
        """Wait for the test to say that it has booted."""
        self.note("reboot", host)
        self.reboots[host] = done

    def has_power(self, host: str) -> bool:
        """Whether it is on."""
        return host not in self.off

    def booted(self, host: str) -> bool:
        """Whether it is on, and not told otherwise."""
        return host not in self.off | self.boots

    def on_power(self, call: Callable[[str], None]) -> None:
        """Hear of changes."""
        self.calls.append(call)


class FakeBrokers(_Fake):
    """Brokers that serve, and become what a test says."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.states: dict[str, tuple[Process, bool]] = defaultdict(lambda: (Process.RUNS, True))
        self.unknown: set[str] = set()
        """Brokers that the others do not know of."""

    def become(self, host: str, process: Process, *, listens: bool) -> None:
        """Be so, and tell it."""
        self.states[host] = (process, listens)
        for call in self.calls:
            call(Served(self.world.now, host, listens, process, clean=True, reason=()))

    def act(self, host: str, input_: str) -> None:
        """Write it down; a loss of power is heeded."""
        self.note("broker", host, input_)
        if input_ == "power_off":
            self.become(host, Process.GONE, listens=False)

    def alarm(self, host: str, resource: str, *, on: bool) -> None:
        """Write it down."""
        self.note("alarm", host, resource, on)

    def process(self, host: str) -> Process:
        """What it is."""
        return self.states[host][0]

    def serves(self, host: str) -> bool:
        """Whether it listens."""
        return self.states[host] == (Process.RUNS, True)

    def running(self, _: str) -> frozenset[str]:
        """All that serve, but those that are said to be unknown."""
        return frozenset(name for name in self.world.topology.brokers if self.serves(name)) - self.unknown

    def on_served(self, call: Callable[[Served], None]) -> None:
        """Hear of changes."""
        self.calls.append(call)


class FakeBalancers(_Fake):
    """HAProxys that serve, and become what a test says."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.states: dict[str, str] = defaultdict(lambda: "serves")
        self.broken: set[str] = set()

    def become(self, host: str, state: str) -> None:
        """Be so, and tell it."""
        self.states[host] = state
        for call in self.calls:
            call(host)

    def act(self, host: str, act: str) -> None:
        """Write it down; what ends a process at once is heeded."""
        self.note("haproxy", host, act)
        if act in {"stop", "power_off", "kill", "restart"}:
            self.become(host, "dead")

    def haproxy(self, host: str) -> str:
        """What it is."""
        return self.states[host]

    def startable(self, host: str) -> bool:
        """Whether its configuration is valid."""
        return host not in self.broken

    def on_process(self, call: Callable[[str], None]) -> None:
        """Hear of changes."""
        self.calls.append(call)


class FakeRoutes(_Fake):
    """keepalived that runs, and addresses that are where a test says."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.dead: set[str] = set()
        self.held: dict[str, frozenset[str]] = {}

    def act(self, host: str, input_: object) -> None:
        """Write it down; what ends its processes is heeded."""
        self.note("keepalived", host, input_)
        if type(input_).__name__ in {"StopUnit", "Kill"}:
            self.dead.add(host)

    def power(self, host: str, *, on: bool) -> None:
        """Write it down, and heed it."""
        self.note("keepalived", host, "on" if on else "off")
        (self.dead.discard if on else self.dead.add)(host)

    def script(self, host: str, name: str | None, mode: str) -> None:
        """Write it down."""
        self.note("script", host, name, mode)

    def runs(self, host: str) -> bool:
        """Whether it runs."""
        return host not in self.dead

    def holders(self, address: str) -> frozenset[str]:
        """Who has the address."""
        return self.held.get(address, frozenset())


class FakeQueues(_Fake):
    """Queues with one leader."""

    def __init__(self, world: FakeWorld) -> None:
        super().__init__(world)
        self.leaders: dict[str, str] = {}
        self.critical: set[str] = set()

    def leader(self, queue: str) -> str | None:
        """The broker that leads it."""
        return self.leaders.get(queue)

    def spares(self, broker: str) -> bool:
        """Whether it is not said to be critical."""
        return broker not in self.critical


class FakeWorld(World):
    """A world of fakes; *log* is what was done to them, with the times."""

    hosts: Any
    brokers: Any
    queues: Any
    routes: Any
    balancers: Any

    def __init__(self, topology: Topology, scenario: Scenario, seed: int = 0) -> None:
        super().__init__(topology, scenario, seed)
        self.log: list[tuple[Any, ...]] = []
        self.hosts, self.brokers, self.queues = FakeHosts(self), FakeBrokers(self), FakeQueues(self)
        self.routes, self.balancers = FakeRoutes(self), FakeBalancers(self)


def fake_world(topology: Topology, *faults: dict[str, Any], seed: int = 0, **scenario: Any) -> FakeWorld:
    """Give a world in which *faults* are to happen within a minute."""
    document = {"name": "test", "duration": "60s", "faults": list(faults), **scenario}
    return FakeWorld(topology, Scenario.model_validate(document), seed)
