"""A world in which clients are real, and all that they look at does what a test says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from designs import design

from rmqha_model.events import Connection
from rmqha_model.scenario import Scenario
from rmqha_model.timeline import Head, Timeline
from simulation.machines.connecting import Fate
from simulation.machines.session import SessionEnded
from simulation.machines.wire import Target
from simulation.processes.clients import Clients
from simulation.processes.views import Copies, Deliveries, Service, Through
from simulation.processes.world import World

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["FAULTLESS", "STUCK", "VIP", "FakeStay", "Play", "Stage", "designed"]

VIP = "10.0.0.100"
FAULTLESS = Service()
STUCK = Service("waits", "waits", holds=32)


class FakeStay:
    """A session that a test ends."""

    def __init__(self, through: Through, done: Callable[[SessionEnded], None]) -> None:
        self.through, self.done, self.closed = through, done, False

    def close(self) -> None:
        """Be closed by the client."""
        self.closed = True


class Stage:
    """All that clients look at; a test changes it and says so with :meth:`tell`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.services: dict[str, Service] = {}
        self.blocking = False
        self.vip: str | None = "lb1"
        self.proxy = "serves"
        self.stays: list[FakeStay] = []
        self.turn = 0
        self.held: list[int] = []
        self.waiting: list[Callable[[], None]] | None = None
        self.frozen: set[str] = set()
        self.also: frozenset[str] = frozenset()
        self.dropped: dict[str, float] = {}
        self.deliveries: Callable[[Deliveries], None] = lambda _: None
        self.calls: list[Callable[[], None]] = []

    def tell(self) -> None:
        """Say that something has changed."""
        for call in self.calls:
            call()

    def leader(self, _: str) -> str | None:
        """Lead always on one broker."""
        return "r1"

    def service(self, _: str, broker: str) -> Service:
        """Meet what the test says."""
        return self.services.get(broker, self.services.get("", FAULTLESS))

    def copies(self, _: str) -> Copies:
        """Have a majority of three tell."""
        return Copies(("r2", "r3"), 1, first=False)

    def enters(self, _: str, __: str, done: Callable[[], None], **___: bool) -> None:
        """Know every channel at once, or when the test says."""
        if self.waiting is None:
            done()
        else:
            self.waiting.append(done)

    def holds(self, _: str, messages: int, size: int) -> None:
        """Write it down."""
        assert size == messages * 256
        self.held.append(messages)

    def on_service(self, call: Callable[[str], None]) -> None:
        """Be told of every change."""
        self.calls.append(lambda: call("q"))

    def on_deliveries(self, call: Callable[[Deliveries], None]) -> None:
        """Be told what the test says."""
        self.deliveries = call

    def blocks(self, _: str) -> bool:
        """Block as the test says."""
        return self.blocking

    def port(self, host: str) -> str:
        """Serve, or stand still."""
        return "frozen" if host in self.frozen else "serving"

    def serves(self, host: str) -> bool:
        """Serve, or stand still."""
        return host not in self.frozen

    def sees(self, _: str) -> frozenset[str]:
        """See all."""
        return frozenset({"r1", "r2", "r3"})

    def drops(self, host: str) -> float:
        """Have dropped connections when the test says."""
        return self.dropped.get(host, float("-inf"))

    def on_served(self, call: Callable[[Any], None]) -> None:
        """Nothing of it."""

    def on_blocks(self, call: Callable[[str], None]) -> None:
        """Nothing of it."""

    def leads_to(self, _: str, __: str) -> str | None:
        """Lead to who has the address."""
        return self.vip

    def holders(self, _: str) -> frozenset[str]:
        """Be held by one, and by another that does not give it up."""
        return frozenset({self.vip} if self.vip else ()) | self.also

    def on_route(self, call: Callable[[str], None]) -> None:
        """Nothing of it."""

    def broker(self, _: str, __: str) -> Target:
        """Answer."""
        return Target("answering", 0.0003, 0.0, 0.003)

    def balancer(self, _: str, __: str) -> Target:
        """Answer while the address is somewhere."""
        return Target("answering" if self.vip else "silent", 0.0003)

    def on_change(self, call: Callable[[], None]) -> None:
        """Nothing of it."""

    def haproxy(self, _: str) -> str:
        """Serve, or stand still."""
        return self.proxy

    def on_process(self, call: Callable[[str], None]) -> None:
        """Nothing of it."""

    def dial(self, _: str, __: str, proxy: str, ___: Any, done: Callable[..., None]) -> Callable[[], None]:
        """Connect to one broker after the other."""
        if self.vip is not None:
            self.turn += 1
            through = Through(self.vip, proxy, f"r{self.turn % 3 + 1}")
            self.world.clock.after(0.004, lambda: done(Fate(self.world.now, "ok", through.server, ()), through))
        return lambda: None

    def establish(self, through: Through, *_: Any, done: Callable[[SessionEnded], None], **__: Any) -> FakeStay:
        """Begin a session."""
        self.stays.append(FakeStay(through, done))
        return self.stays[-1]

    def end(self, index: int, *, client: float = 0.0, server: float = 0.0, cause: str = "HAProxy ended") -> None:
        """End a session; its sides learn of it in so many seconds."""
        now, stay = self.world.now, self.stays[index]
        if not stay.closed:
            stay.closed = True
            stay.done(SessionEnded(now, cause, now + client, now + server, ()))


@functools.cache
def designed(client: tuple[tuple[str, Any], ...]) -> Topology:
    """Give a design with one quorum queue and one kind of client."""
    return design(
        rabbitmq={"queues": [{"name": "q", "type": "quorum"}]},
        clients={"worker": {"prefetch": 5, **dict(client)}},
    )


class Play:
    """A workload on a stage."""

    def __init__(self, *, client: dict[str, Any] | None = None, publishers: Any = None, consumers: Any = None) -> None:
        topology = designed(tuple((client or {}).items()))
        self.scenario = Scenario.model_validate(
            {
                "name": "test",
                "duration": "5m",
                "workload": {
                    "publishers": {"p": {"queue": "q"}} if publishers is None else publishers,
                    "consumers": {"c": {"queue": "q"}} if consumers is None else consumers,
                },
            }
        )
        self.world = World(topology, self.scenario, 7)
        self.stage = stage = Stage(self.world)
        for part in ("hosts", "brokers", "queues", "routes", "paths", "balancers"):
            setattr(self.world, part, stage)
        self.clients = Clients(self.world)
        self.clients.begin()

    def at(self, t: float, **changes: Any) -> None:
        """Let time pass until *t*, then change the stage."""
        self.world.clock.run(t)
        for name, value in changes.items():
            setattr(self.stage, name, value)
        self.stage.tell()

    def ended(self, t: float) -> Timeline:
        """Stop at *t*, let all come to its end, and give what was seen."""
        self.world.clock.run(t)
        self.clients.stop(t)
        self.world.clock.run(t + 300)
        assert self.clients.over
        events = [*(event for event, _ in self.world.told), *self.clients.events()]
        head = Head(world="simulation", design="test", digest="", scenario=self.scenario, duration_s=t + 300)
        return Timeline.of(head, events)

    def states(self, client: str) -> list[tuple[float, str]]:
        """Give what became of a client's connection, and when."""
        told = [event for event, _ in self.world.told if isinstance(event, Connection)]
        return [(round(event.t, 3), event.state) for event in told if event.client == client]
