"""The services of the design as systemd is told to start, stop and restart them, and which of them it leaves dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from simulation.machines.balancer import from_design as balancer_from_design
from simulation.machines.keepalived import LINGER_S, StartUnit, StopUnit, keepalived_from_design
from simulation.machines.link_parts import Process
from simulation.machines.node import BrokerSettings

if TYPE_CHECKING:
    from simulation.processes.views import Served
    from simulation.processes.world import World

__all__ = ["Layer", "Units"]

Layer: TypeAlias = Literal["brokers", "haproxy", "keepalived"]

_LOOK_S = 0.1
"""Between two looks whether keepalived runs again; as in the lab (integration/faults/daemons.py)."""


class Units:
    """What faults order of systemd, on all hosts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.run: Counter[str] = Counter()
        """Which run of each host's broker this is: what one VM was told, the next one does not know."""
        self._stopped: set[tuple[Layer, str]] = set()
        """What was stopped on purpose: systemd starts none of it by itself."""
        self._when_stopped: dict[str, Literal["start", "start_app"]] = {}
        """What to do with a broker, or with the application in it, as soon as its stop is through."""
        self._when_serving: dict[tuple[Layer, str], tuple[int, Callable[[], None]]] = {}
        """Whom to tell that a restarted daemon serves, and the run of a broker that is over by then."""
        self._dead_since: dict[str, float] = {}
        """HAProxys without a process."""

    def begin(self) -> None:
        """Listen to daemons that start and end."""
        world = self._world
        world.hosts.on_power(self._power_changed)
        world.brokers.on_served(self._served)
        world.balancers.on_process(self._haproxy_changed)

    def active(self, layer: Layer, host: str) -> bool:
        """Whether a service has told systemd that it runs: a broker does when it has booted."""
        if layer == "brokers":
            return self._world.brokers.serves(host)
        if layer == "haproxy":
            return self._world.balancers.haproxy(host) in {"serves", "frozen"}
        return self._world.routes.runs(host)

    # -- orders -----------------------------------------------------------------------------------

    def stop(self, layer: Layer, host: str) -> None:
        """``systemctl stop``."""
        self._stopped.add((layer, host))
        if layer == "brokers":
            self._world.brokers.act(host, "stop")
        elif layer == "haproxy":
            self._world.balancers.act(host, "stop")
        else:
            self._world.routes.act(host, StopUnit())

    def start(self, layer: Layer, host: str) -> None:
        """``systemctl start``: nothing if it runs; a host that boots starts everything by itself."""
        on_purpose = (layer, host) in self._stopped
        self._stopped.discard((layer, host))
        if not self._world.hosts.booted(host):
            return
        if layer == "brokers":
            # Of one that died by itself, the order waits for systemd's own restart (systemd src/core/service.c
            # service_start: -EAGAIN in SERVICE_AUTO_RESTART).
            if on_purpose or self._pause_s(layer, host) is None:
                self._start_broker(host)
        elif layer == "haproxy":
            self._world.balancers.act(host, "start")
        else:
            self._world.routes.act(host, StartUnit())

    def start_if_left(self, layer: Layer, host: str, since: float) -> None:
        """``systemctl start`` if it is dead, killed at *since* at the earliest, and systemd will not start it."""
        if self.active(layer, host) or (layer == "haproxy" and self._world.balancers.haproxy(host) != "dead"):
            return
        pause_s = self._pause_s(layer, host)
        died = self._dead_since.get(host, self._world.now) if layer == "haproxy" else since
        # One that is dead for longer than systemd waits was stopped, or is not tried any more. A broker has a start
        # that takes longer, and is always tried again.
        left = pause_s is None or (layer != "brokers" and self._world.now - died > pause_s)
        if left or (layer, host) in self._stopped:
            self.start(layer, host)

    def restart(self, layer: Layer, host: str, serves: Callable[[], None]) -> None:
        """``systemctl restart``; *serves* is called when the new one serves."""
        self._stopped.discard((layer, host))
        if layer == "keepalived":
            self._world.routes.act(host, StopUnit())
            self._world.routes.act(host, StartUnit())
            start_s = keepalived_from_design(self._world.topology, host).start_s
            self._world.clock.after(LINGER_S + start_s, lambda: self._look(host, serves))
            return
        self._when_serving[layer, host] = (self.run[host], serves)
        if layer == "brokers":
            self._world.brokers.act(host, "restart")
        else:
            self._world.balancers.act(host, "restart")

    def start_app(self, host: str) -> None:
        """``rabbitmqctl start_app``, when a stop of the application that is under way is through."""
        brokers = self._world.brokers
        if brokers.serves(host):
            self._when_stopped[host] = "start_app"
        else:
            brokers.act(host, "start_app")

    # -- within -----------------------------------------------------------------------------------

    def _pause_s(self, layer: Layer, host: str) -> float | None:
        """Give after which time systemd starts again what was killed; ``None``: never."""
        topology = self._world.topology
        if layer == "brokers":
            return BrokerSettings.from_design(topology, host).restart_s
        if layer == "keepalived":
            known = keepalived_from_design(topology, host)
            # A child that lost its parent stops in order first.
            return None if known.restart_s is None else LINGER_S + known.restart_s
        settings = balancer_from_design(topology, host)
        return settings.restart_s if settings.restarts else None

    def _start_broker(self, host: str) -> None:
        brokers = self._world.brokers
        if brokers.process(host) is Process.ENDED:
            brokers.act(host, "start")
        else:
            # systemd keeps the order until the stop is through.
            self._when_stopped[host] = "start"

    def _look(self, host: str, serves: Callable[[], None]) -> None:
        if self._world.routes.runs(host):
            serves()
        else:
            self._world.clock.after(_LOOK_S, lambda: self._look(host, serves))

    def _power_changed(self, host: str) -> None:
        # All of them are enabled: a boot starts them.
        self._stopped = {(layer, other) for layer, other in self._stopped if other != host}
        self._when_stopped.pop(host, None)
        self._dead_since.pop(host, None)

    def _served(self, told: Served) -> None:
        host = told.host
        if told.process in {Process.ENDED, Process.GONE}:
            self.run[host] += 1
        following = self._when_stopped.get(host)
        if following and (told.process is Process.ENDED or (following == "start_app" and not told.listens)):
            del self._when_stopped[host]
            # In an event of its own: whoever tells this is not through with it. Without a VM nothing is started in it.
            if following == "start" or told.process is Process.RUNS:
                self._world.clock.after(0.0, lambda: self._world.brokers.act(host, following))
        before, serves = self._when_serving.get(("brokers", host), (self.run[host], None))
        if serves and self.run[host] != before and self._world.brokers.serves(host):
            del self._when_serving["brokers", host]
            serves()

    def _haproxy_changed(self, host: str) -> None:
        state = self._world.balancers.haproxy(host)
        if state == "dead":
            self._dead_since.setdefault(host, self._world.now)
            return
        self._dead_since.pop(host, None)
        _, serves = self._when_serving.get(("haproxy", host), (0, None))
        if serves and state == "serves":
            del self._when_serving["haproxy", host]
            serves()
