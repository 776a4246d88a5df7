"""Power of hosts: its loss and return, boots, and orderly reboots, with all that runs on them.

Ranges are of the lab's hosts, as observers and journals have it: nine returns of power and a reboot on a busy machine,
five returns and a reboot on a quiet one (docs/evidence/bookworm/article-fixed).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmqha_model.events import HostState
from simulation.machines.busy import lasts
from simulation.machines.keepalived import LINGER_S, KeepalivedSettings, StopUnit
from simulation.machines.link_parts import Process
from simulation.machines.node import BrokerSettings

if TYPE_CHECKING:
    from simulation.processes.views import Served
    from simulation.processes.world import World

__all__ = ["ANSWERS_S", "BOOT_S", "SHUTDOWN_S", "HostPower", "busy"]

ANSWERS_S, ANSWERS_QUIET_S = (0.06, 0.89), 0.1
"""From the return of power until the host is seen on, and its kernel answers: quiet 0.067 to 0.091 s, of a whole site
0.089 to 0.252 s; busy up to 0.882 s."""
BOOT_S, BOOT_QUIET_S = (0.28, 3.87), 0.52
"""From then until systemd starts the first daemon: quiet 0.289 to 0.405 s, of a whole site 0.512 to 0.966 s; busy up to
3.860 s."""
SHUTDOWN_S = (0.12, 0.25)
"""From the end of the last daemon until the host goes down: two reboots, systemd shut down after 0.126 and 0.134 s, and
the hosts were seen off after 0.208 and 0.247 s."""

_State: TypeAlias = Literal["off", "boots", "on", "stops"]


QUIET_SHARE = 1 / 3
"""How many hosts are quiet: of the 33 starts of brokers that ranges were taken from, 12 were on a quiet machine. How
busy those of somebody's site are, nobody knows."""


def busy(world: World, host: str) -> float:
    """Give how much else a host does in this run, 0 (quiet) to 1; all that its processor has to do follows it."""
    return max(0.0, (world.streams.once(host, "busy") - QUIET_SHARE) / (1 - QUIET_SHARE))


class HostPower:
    """Every host's power (the :class:`simulation.processes.views.Hosts` of a run)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._state: dict[str, _State] = dict.fromkeys(world.topology.hosts, "on")
        self._lives = dict.fromkeys(world.topology.hosts, 0)
        """How often each host's fate was decided anew: what was begun before that is not gone on with."""
        self._stopping: dict[str, set[str]] = {}
        """What hosts that shut down still wait for."""
        self._haproxy_first: set[str] = set()
        """Hosts that boot, whose keepalived is ordered after an HAProxy that starts."""
        self._keepalived_at: dict[str, float] = {}
        """When a keepalived that starts at boot has told systemd so."""
        self._awaited: dict[str, list[Callable[[], None]]] = {}
        """Whom to tell that all runs that starts at boot."""
        self._listeners: list[Callable[[str], None]] = []

    def begin(self) -> None:
        """Tell that all have power, and listen to daemons that start and end."""
        world = self._world
        for host in world.topology.hosts:
            world.tell(HostState(world.now, host, on=True))
        world.brokers.on_served(self._served)
        world.balancers.on_process(self._haproxy_changed)

    def on_power(self, call: Callable[[str], None]) -> None:
        """Hear of a host that loses its power, or has booted."""
        self._listeners.append(call)

    def has_power(self, host: str) -> bool:
        """Whether a host has been given power; it may be booting."""
        return self._state[host] != "off"

    def booted(self, host: str) -> bool:
        """Whether a host with power has come as far as to start its daemons, and does not shut down."""
        return self._state[host] == "on"

    # -- power ------------------------------------------------------------------------------------

    def power_off(self, host: str) -> None:
        """Take a host's power: every process of it ends at once."""
        if self._state[host] == "off":
            return
        world = self._world
        self._enter(host, "off")
        self._stopping.pop(host, None)
        self._haproxy_first.discard(host)
        world.tell(HostState(world.now, host, on=False))
        # Cables first, as in the lab: no word of what ends reaches anybody.
        world.network.power(host, on=False)
        if host in world.topology.brokers:
            world.brokers.act(host, "power_off")
        if host in world.topology.load_balancers:
            world.balancers.act(host, "power_off")
        if host in world.topology.vrrp_hosts:
            world.routes.power(host, on=False)
        self._tell(host)

    def power_on(self, host: str) -> None:
        """Give it back: the host boots, and starts what it starts at boot."""
        if self._state[host] != "off":
            return
        life = self._enter(host, "boots")
        seconds = self._drawn(host, "power", ANSWERS_S, ANSWERS_QUIET_S)
        self._world.clock.after(seconds, lambda: self._answer(host, life, seconds))

    def _answer(self, host: str, life: int, seconds: float) -> None:
        """Have its kernel run: from now on it refuses connections, and resets those that it no longer knows."""
        if self._lives[host] == life:
            world = self._world
            world.tell(HostState(world.now, host, on=True), (("return of its power", seconds),))
            world.network.power(host, on=True)
            world.clock.after(self._drawn(host, "boot", BOOT_S, BOOT_QUIET_S), lambda: self._boot(host, life))

    def _boot(self, host: str, life: int) -> None:
        """Start its daemons."""
        if self._lives[host] != life:
            return
        world = self._world
        self._state[host] = "on"
        self._keepalived_at.pop(host, None)
        # Of both, the design's drop-in says which is first (generators/system.py); an HAProxy that cannot start is
        # waited for no longer than it takes to find that out.
        first = self._in_order(host) and world.balancers.startable(host)
        if first:
            self._haproxy_first.add(host)
        if host in world.topology.brokers:
            world.brokers.act(host, "power_on")
        if host in world.topology.load_balancers:
            world.balancers.act(host, "start")
        if host in world.topology.vrrp_hosts and not first:
            self._start_keepalived(host)
        self._tell(host)
        self._look(host)

    def _start_keepalived(self, host: str) -> None:
        world, life = self._world, self._lives[host]
        self._keepalived_at[host] = world.now + KeepalivedSettings().start_s
        world.routes.power(host, on=True)
        if host in self._awaited:
            world.clock.at(self._keepalived_at[host], lambda: self._look(host) if self._lives[host] == life else None)

    # -- orderly reboots --------------------------------------------------------------------------

    def reboot(self, host: str, done: Callable[[], None]) -> None:
        """Stop everything in order, boot again, and call *done* when all that starts at boot runs."""
        self._awaited.setdefault(host, []).append(done)
        if self._state[host] == "on":
            self._shut_down(host, self._enter(host, "stops"))

    def _shut_down(self, host: str, life: int) -> None:
        world, topology = self._world, self._world.topology
        waits = self._stopping[host] = {"orders"}
        if host in topology.brokers:
            world.brokers.act(host, "stop")
            if world.brokers.process(host) in {Process.RUNS, Process.HANGS}:
                waits.add("broker")
                # One that does not heed its orderly stop is ended by a signal then.
                limit = BrokerSettings.from_design(topology, host).stop_limit_s
                world.clock.after(limit, lambda: self._stopped(host, life, "broker"))
        if host in topology.vrrp_hosts and world.routes.runs(host):
            waits.add("keepalived")
            world.routes.act(host, StopUnit())
            world.clock.after(LINGER_S, lambda: self._stopped(host, life, "keepalived"))
        # What is ordered after another at start is stopped before it (systemd.unit(5), After=).
        if host in topology.load_balancers and not ("keepalived" in waits and self._in_order(host)):
            world.balancers.act(host, "stop")
        self._stopped(host, life, "orders")

    def _stopped(self, host: str, life: int, what: str) -> None:
        """Note that something has ended on a host that shuts down; when all has, it goes down."""
        waits = self._stopping.get(host, set())
        if self._lives[host] != life or what not in waits:
            return
        waits.discard(what)
        if what == "keepalived" and self._in_order(host):
            self._world.balancers.act(host, "stop")
        if not waits:
            del self._stopping[host]
            seconds = self._drawn(host, "shutdown", SHUTDOWN_S, SHUTDOWN_S[1])
            self._world.clock.after(seconds, lambda: self._restart(host, life))

    def _restart(self, host: str, life: int) -> None:
        if self._lives[host] == life:
            self.power_off(host)
            self.power_on(host)

    # -- daemons ----------------------------------------------------------------------------------

    def _in_order(self, host: str) -> bool:
        """Whether keepalived comes after HAProxy there."""
        topology = self._world.topology
        both = host in topology.load_balancers and host in topology.vrrp_hosts
        return both and topology.os_of(host).supervise

    def _served(self, told: Served) -> None:
        if told.process is Process.ENDED:
            self._stopped(told.host, self._lives[told.host], "broker")
        self._look(told.host)

    def _haproxy_changed(self, host: str) -> None:
        if host in self._haproxy_first:
            self._haproxy_first.discard(host)
            self._start_keepalived(host)
        self._look(host)

    def _look(self, host: str) -> None:
        """Tell who waits for it that all that starts at boot runs, if it does."""
        if host in self._awaited and self.booted(host) and self._complete(host):
            for done in self._awaited.pop(host):
                done()

    def _complete(self, host: str) -> bool:
        world, topology = self._world, self._world.topology
        balancers = world.balancers
        return (
            (host not in topology.brokers or world.brokers.serves(host))
            # One that cannot start leaves the host degraded, which is as far as it comes.
            and (
                host not in topology.load_balancers
                or balancers.haproxy(host) in {"serves", "frozen"}
                or not balancers.startable(host)
            )
            and (host not in topology.vrrp_hosts or world.now >= self._keepalived_at.get(host, float("inf")))
        )

    # -- within -----------------------------------------------------------------------------------

    def _enter(self, host: str, state: _State) -> int:
        self._state[host] = state
        self._lives[host] += 1
        return self._lives[host]

    def _drawn(self, host: str, what: str, within: tuple[float, float], quiet: float) -> float:
        """Draw how long something takes this time."""
        luck = self._world.streams.once(host, what, str(self._lives[host]))
        return lasts(within, quiet, luck, busy(self._world, host))

    def _tell(self, host: str) -> None:
        for call in self._listeners:
            call(host)
