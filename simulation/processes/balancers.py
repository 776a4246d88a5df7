"""HAProxy on every host that has it: its process, its checks, the connections it makes and the sessions it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from rmqha_model.events import HaproxyState
from rmqha_model.faults import CLIENTS
from simulation.driving import Driven
from simulation.machines.balancer import Act, Balancer, ProcessChanged
from simulation.processes.balancer_dial import Dialling, Met
from simulation.processes.balancer_luck import later
from simulation.processes.balancer_neighbours import Packets
from simulation.processes.balancer_plan import HostPlan, not_modelled, plans
from simulation.processes.balancer_stay import Library, Stay, talks
from simulation.processes.balancer_worker import Proxy, Worker
from simulation.processes.paths import PortPaths

if TYPE_CHECKING:
    from simulation.machines.check_words import ServerChanged
    from simulation.machines.connecting import Caller, Fate
    from simulation.machines.session import SessionEnded
    from simulation.processes.views import Listening, Stays, Through
    from simulation.processes.world import World

__all__ = ["LoadBalancers"]

START_S = (0.05, 0.5)
"""From exec to listening: see :class:`simulation.machines.balancer.Balancer`."""


class _Host:
    """HAProxy on one host."""

    def __init__(self, world: World, name: str, plan: HostPlan, seen: Callable[[ProcessChanged], None]) -> None:
        draw = later(world.streams, name, "haproxy start")
        self.plan, self.lives = plan, 0
        self.machine = Balancer(plan.process, lambda: START_S[0] + (START_S[1] - START_S[0]) * draw())
        self.driven: Driven[Act, ProcessChanged] = Driven(world.clock, self.machine, seen, feeds_first=True)
        self.workers: list[Worker] = []
        """The last one, and before it those that were reloaded and still have sessions."""

    @property
    def worker(self) -> Worker:
        """The one that listens, or did so last."""
        return self.workers[-1]

    def last_packet(self, server: str, now: float) -> float:
        """Give when it last heard a server before *now*."""
        return self.worker.last_packet(server, now)

    def next_packet(self, server: str, now: float) -> float:
        """Give when it next sends something to a server by itself."""
        return self.worker.next_packet(server, now)


class LoadBalancers:
    """All of them (it satisfies :class:`simulation.processes.views.Balancers`)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lost_power: dict[str, float] = {}
        """When a host last lost its power."""
        self._calls: list[Callable[[str], None]] = []
        self._before: list[Callable[[], None]] = []
        self._after: list[Callable[[], None]] = []
        self._offered: dict[int, tuple[Through, Worker]] = {}
        self._losses: dict[tuple[str, str], float] = {}
        self._dialled = self._established = 0
        self._on = set(world.topology.hosts)
        self._hosts: dict[str, _Host] = {}
        for name, plan in plans(world.topology).items():
            self._hosts[name] = host = _Host(world, name, plan, self._heard_by(name))
            self._start(name, host)

    def _heard_by(self, name: str) -> Callable[[ProcessChanged], None]:
        return lambda changed: self._process(name, changed)

    def begin(self) -> None:
        """Listen to the paths, and tell how everything is."""
        world = self.world
        left_out = not_modelled(world.topology, world.scenario)
        world.not_modelled += [each for each in left_out if each not in world.not_modelled]
        world.paths.on_change(self._look)
        for name, host in self._hosts.items():
            world.tell(HaproxyState(0.0, name, up=True))
            self._tell_servers(name, host.worker, world.now)
            if isinstance(world.paths, PortPaths):
                world.paths.says(name, self._packets(host))
        self._look()

    @staticmethod
    def _packets(host: _Host) -> Packets:
        return Packets(host.last_packet, host.next_packet)

    # -- its process --------------------------------------------------------------------------------

    def act(self, host: str, act: Act) -> None:
        """Do something to its process."""
        self.before()
        if act == "power_off":
            for worker in self._hosts[host].workers:
                worker.cut = True
        self._hosts[host].driven.feed(act)

    def listening(self, host: str) -> Listening:
        """How its ports behave, as seen from its own host."""
        if host not in self._hosts or not self._hosts[host].machine.running:
            return "refused"
        machine = self._hosts[host].machine
        return "frozen" if machine.frozen else "serving"

    def haproxy(self, host: str) -> Literal["serves", "dead", "stopping", "frozen"]:
        """What a check script finds; one that starts is there and does not serve, as one that is stopping."""
        machine = self._hosts[host].machine
        if machine.running:
            return "frozen" if machine.frozen else "serves"
        return "stopping" if machine.starting else "dead"

    def startable(self, host: str) -> bool:
        """Whether it would start: its configuration is valid."""
        return self._hosts[host].machine.valid

    def on_process(self, call: Callable[[str], None]) -> None:
        """Hear of a process that came, went, froze or went on."""
        self._calls.append(call)

    def _process(self, name: str, changed: ProcessChanged) -> None:
        self.before()
        host, t = self._hosts[name], changed.t
        worker = host.worker
        if changed.what == "ended":
            for each in host.workers:
                each.over = True
                each.end_checks()
            self.world.tell(HaproxyState(t, name, up=False), changed.reason)
        elif changed.what == "listening":
            self._start(name, host)
            self.world.tell(HaproxyState(t, name, up=True), changed.reason)
            self._tell_servers(name, host.worker, t)
        elif changed.what == "reloaded":
            worker.end_checks()
            self._start(name, host)
            self._tell_servers(name, host.worker, t)
        elif changed.what == "drained":
            old = next((each for each in host.workers[:-1] if not each.over), None)
            if old is not None:
                host.workers.remove(old)
                for stay in old.kept:
                    stay.drain()
        elif changed.what == "frozen":
            for each in host.workers:
                each.freeze()
        elif changed.what == "resumed":
            for each in host.workers:
                each.resume(hidden=changed.hidden)
        self._look()
        for call in tuple(self._calls):
            call(name)

    def _start(self, name: str, host: _Host) -> None:
        """Have a new worker; those that have ended keep whose connections they had until these have heard of it."""
        host.workers = [each for each in host.workers if not each.over or each.kept or each.dials]
        host.workers.append(Worker(self.world, name, host.plan, life=host.lives, told=self._server))
        host.lives += 1

    # -- servers ------------------------------------------------------------------------------------

    def _tell_servers(self, name: str, worker: Worker, t: float) -> None:
        for proxy in worker.proxies.values():
            for server in proxy.seen:
                self.world.tell(proxy.event(t, name, server))

    def _server(self, worker: Worker, proxy: Proxy, server: str, changed: ServerChanged) -> None:
        self.before()
        proxy.balance.set(server, up=changed.up, steps=changed.steps, running=changed.running)
        seen = (changed.up, changed.health, changed.code)
        if proxy.seen[server] != seen:
            proxy.seen[server] = seen
            self.world.tell(proxy.event(changed.t, worker.host, server), changed.reason)
        if changed.became == "DOWN":
            for dial in tuple(worker.dials):
                dial.marked_down(proxy, server)
            for stay in worker.kept:
                if stay.through.proxy == proxy.plan.name and stay.through.server == server:
                    stay.shut_down()

    # -- connections --------------------------------------------------------------------------------

    def dial(
        self, place: str, address: str, proxy: str, caller: Caller, done: Callable[[Fate, Through | None], None]
    ) -> Callable[[], None]:
        """Begin a connection from a place, and call *done* when its fate is known.

        What is given abandons it; it also hangs up a connection that was made and of which no session was begun.
        """
        self.before()
        self._dialled += 1
        draw = later(self.world.streams, "dial", str(self._dialled))
        return Dialling(self, self.met(place, address), proxy, caller, done, draw=draw, clock=self.world.clock).give_up

    @property
    def observes(self) -> bool:
        """Whether connections of clients count for how servers are judged."""
        proxies = (proxy for host in self._hosts.values() for proxy in host.plan.proxies.values())
        return any(proxy.check is not None and proxy.check.observe for proxy in proxies)

    def met(self, place: str, address: str) -> Met:
        """Give what is met at an address now."""
        return Met(place, address, self.worker_of(place, address), self.world.paths.balancer(place, address))

    def establish(  # noqa: PLR0913 - what two sides say how often
        self,
        through: Through,
        place: str,
        address: str,
        *,
        heartbeat_s: float,
        done: Callable[[SessionEnded], None],
        library: Library = "pika",
        client_every_s: float | None = None,
        server_every_s: float | None = None,
    ) -> Stays:
        """Begin an established session; *done* is called when its client hears that it is over.

        Where the client will not hear of it, *done* is called when it is over for HAProxy. What either side says
        beside its heartbeats is said every so many seconds.
        """
        self.before()
        self._established += 1
        worker = self.claim(through)
        if worker is None:
            worker = self._hosts[through.balancer].worker
            worker.proxies[through.proxy].balance.opened(through.server)
        draw = self.world.streams.stream("session", str(self._established))
        sides = talks(self.world.now, heartbeat_s, draw, library, (client_every_s, server_every_s))
        return Stay(self, worker, through, place, address, sides, done)

    def offer(self, through: Through, worker: Worker) -> None:
        """Keep a place at a server for who has been connected to it."""
        self._offered[id(through)] = (through, worker)

    def claim(self, through: Through) -> Worker | None:
        """Take that place, if it is still kept."""
        kept = self._offered.pop(id(through), None)
        return kept[1] if kept else None

    # -- who is where -------------------------------------------------------------------------------

    def host_of(self, place: str, address: str) -> str | None:
        """Give the host that has HAProxy and is where an address leads to."""
        virtual = address not in self.world.topology.hosts
        return self.world.routes.leads_to(place, address) if virtual else address

    def reaches(self, place: str, address: str) -> bool:
        """Whether packets pass both ways between a place and an address."""
        return self.world.paths.talks(place, address) in {"alive", "gone", "moved"}

    def worker_of(self, place: str, address: str) -> Worker:
        """Give who is met at an address; anyone, where nobody is met."""
        host = self.host_of(place, address)
        return self._hosts[host if host in self._hosts else next(iter(self._hosts))].worker

    def loss(self, here: str, there: str) -> float:
        """Give the share of packets that was lost between two places when they were last looked at."""
        return self._losses.get((here, there), 0.0) if self._losses else 0.0

    def _lossy_pairs(self) -> Iterator[tuple[tuple[str, str], float]]:
        topology, network = self.world.topology, self.world.network
        for here in (CLIENTS, *topology.load_balancers):
            for there in topology.hosts:
                if share := network.loss(here, there):
                    yield (here, there), share

    # -- changes ------------------------------------------------------------------------------------

    def watch(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Have something called before anything changes that new connections meet, and after what ports look like."""
        self._before.append(before)
        self._after.append(after)

    def before(self) -> None:
        """Tell that something is about to change."""
        for call in self._before:
            call()

    def _changed(self) -> None:
        for call in self._after:
            call()

    def _look(self) -> None:
        """See how everything looks now."""
        self.before()
        now, network = self.world.now, self.world.network
        for host in self.world.topology.hosts:
            if network.powered(host):
                self._on.add(host)
            elif host in self._on:
                self._on.discard(host)
                self.lost_power[host] = now
        self._losses = dict(self._lossy_pairs())
        workers = [worker for host in self._hosts.values() for worker in host.workers]
        for worker in workers:
            for proxy, server, target in tuple(worker.look()):
                for dial in tuple(worker.dials):
                    dial.changed(proxy, server, target)
        seen: set[Dialling] = set()
        # Who hears that a connection has failed may dial at once.
        while dials := [dial for worker in workers for dial in worker.dials if dial not in seen]:
            seen.update(dials)
            for dial in dials:
                dial.look()
        for worker in workers:
            for stay in worker.kept:
                stay.look()
        self._changed()
