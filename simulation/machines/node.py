"""A broker's process on its host: starting, serving, stopping, frozen, killed and restarted by systemd.

Sources: RabbitMQ ``rabbit.erl`` (boot steps), ``rabbit_table.erl``, ``rabbit_khepri.erl``; Debian's
``rabbitmq-server.service`` and RabbitMQ's own (Type=notify, Restart=on-failure, RestartSec=10); systemd.service(5).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from simulation.machines.link_parts import Process
from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason

__all__ = ["Broker", "BrokerInput", "BrokerSettings", "BrokerView", "Took"]

Took: TypeAlias = Literal["vm", "app", "close", "stop", "host_stop", "host_boot"]
"""What takes a while: the VM's start until its peers see it, the application's until it listens, closing its listeners,
the rest of a stop, the host's shutdown after it, and the host's boot before it."""

BrokerInput: TypeAlias = Literal[
    "kill", "stop", "start", "stop_app", "start_app", "hang", "resume", "restart", "power_off", "power_on", "reboot",
    "peers_ready", "peers_missing",
]  # fmt: skip
"""What is done to it; *peers_ready*: a boot need not wait, *peers_missing*: it has to.

With Mnesia it waits for a peer that was running when it stopped (the last one to stop waits for nobody), with Khepri
for a majority. *stop_app* is also what a pause does (``rabbit:stop``); the VM and its links stay.
"""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """How long things take, as ranges, and what systemd does.

    Ranges are of the lab's machine, RabbitMQ 3.10.8: a killed broker is restarted after 10 s and listens 4.3 to 9.3 s
    later [M]; which part of that is the VM's, and how long a stop takes, is not measured yet [D].
    """

    vm_s: tuple[float, float] = (1.0, 2.5)
    app_s: tuple[float, float] = (3.3, 6.8)
    close_s: tuple[float, float] = (0.1, 1.0)
    stop_s: tuple[float, float] = (1.0, 10.0)
    host_stop_s: tuple[float, float] = (0.5, 2.0)
    host_boot_s: tuple[float, float] = (2.0, 10.0)
    restart_s: float | None = 10.0  # RestartSec, after what is a failure to systemd; None: it is left dead
    wait_s: float = 300.0  # mnesia_table_loading_retry_* 10 x 30 s; khepri_leader_wait_retry_timeout
    start_limit_s: float = 600.0  # TimeoutStartSec of both units and of the drop-in
    stop_limit_s: float = 90.0  # TimeoutStopSec, systemd's own; the drop-in says 600

    @classmethod
    def from_design(cls, topology: Topology, host: str) -> BrokerSettings:
        """Give those of the broker on a host; the drop-in's Restart and RestartSec are those of the packages."""
        return cls(stop_limit_s=600.0 if topology.os_of(host).supervise else 90.0)

    def range_of(self, what: Took) -> tuple[float, float]:
        """Give the shortest and the longest time of something."""
        found: tuple[float, float] = getattr(self, f"{what}_s")
        return found


@dataclass(frozen=True, slots=True)
class BrokerView:
    """What there is of it since *t*: its VM, and whether it accepts connections and serves."""

    t: float
    process: Process
    listens: bool
    reason: Reason


class _Phase(enum.Enum):
    OFF = "no power"
    HOST_BOOTS = "the host boots"
    DEAD = "no VM"
    VM_STARTS = "the VM starts"
    WAITS = "waits for peers"
    APP_STARTS = "the application starts"
    SERVES = "serves"
    CLOSING = "closes its listeners"
    APP_STOPPED = "the VM runs without the application"
    STOPPING = "stops"
    HOST_STOPS = "the host shuts down"


_VM = {_Phase.WAITS, _Phase.APP_STARTS, _Phase.SERVES, _Phase.CLOSING, _Phase.APP_STOPPED, _Phase.STOPPING}


class Broker:
    """A broker and the unit it runs in."""

    def __init__(self, settings: BrokerSettings, draw: Callable[[Took], float]) -> None:
        """Begin as one that serves; *draw* gives numbers between 0 and 1, evenly."""
        self.settings = settings
        self.ready = True  # whether a boot need not wait for peers
        self._draw = draw
        self._phase = _Phase.SERVES
        self._until = NEVER
        self._after: Literal["dead", "app", "restart", "reboot"] = "dead"  # what a stop is for
        self._by_hand = False  # an application that systemd did not start: its failure ends no unit
        self._started = self._waits_since = 0.0
        self._hung_at: float | None = None
        self._reason: Reason = ()
        self._seen = (Process.RUNS, True)

    # -- what it looks like -----------------------------------------------------------------------

    @property
    def process(self) -> Process:
        """What its VM is to its peers."""
        if self._phase in {_Phase.OFF, _Phase.HOST_BOOTS}:
            return Process.GONE
        if self._phase not in _VM:
            return Process.ENDED
        return Process.RUNS if self._hung_at is None else Process.HANGS

    @property
    def listens(self) -> bool:
        """Whether its listeners are open; those of a frozen one are, in its kernel."""
        return self._phase is _Phase.SERVES or (self._phase is _Phase.CLOSING and self._until < NEVER)

    # -- time -------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """When its next phase begins."""
        return NEVER if self._hung_at is not None else self._until

    def fire(self) -> list[BrokerView]:
        """Begin it."""
        now = self._until
        following = {
            _Phase.HOST_BOOTS: self._start,
            _Phase.DEAD: self._start,
            _Phase.VM_STARTS: self._wait,
            _Phase.WAITS: self._fail,
            _Phase.APP_STARTS: self._serve,
            _Phase.CLOSING: self._closed,
            _Phase.STOPPING: self._stopped,
            _Phase.HOST_STOPS: self._boot_host,
        }[self._phase]
        following(now)
        return self._tell(now)

    def feed(self, now: float, input_: BrokerInput) -> list[BrokerView]:
        """Take in what is done to it."""
        if input_ in {"peers_ready", "peers_missing"}:
            self.ready = input_ == "peers_ready"
            if self.ready and self._phase is _Phase.WAITS:
                self._go_on(now)
        elif input_ == "power_off":
            self._enter(_Phase.OFF, NEVER)
            self._hung_at = None
        elif self._phase in {_Phase.OFF, _Phase.HOST_BOOTS}:
            if input_ == "power_on" and self._phase is _Phase.OFF:
                self._boot_host(now)
        elif input_ == "kill":
            if self._phase in _VM or self._phase is _Phase.VM_STARTS:
                self._fail(now)
        elif input_ == "hang":
            if self._phase in _VM and self._hung_at is None:
                self._hung_at = now
        elif self._hung_at is not None:
            if input_ == "resume":
                self._until += now - self._hung_at
                self._hung_at = None
        else:
            self._command(now, input_)
        return self._tell(now)

    def _command(self, now: float, input_: BrokerInput) -> None:
        running = self._phase in _VM or self._phase is _Phase.VM_STARTS
        if input_ == "start":
            if self._phase is _Phase.DEAD:
                self._start(now)
        elif input_ == "start_app":
            if self._phase is _Phase.APP_STOPPED:
                self._by_hand = True
                self._wait(now)
        elif input_ == "stop_app":
            if self._phase in {_Phase.SERVES, _Phase.APP_STARTS, _Phase.WAITS}:
                self._leave(now, "app")
        elif input_ in {"stop", "restart", "reboot"}:
            aims: dict[str, Literal["dead", "restart", "reboot"]]
            aims = {"stop": "dead", "restart": "restart", "reboot": "reboot"}
            if running:
                self._leave(now, aims[input_])
            elif self._phase is _Phase.DEAD:
                self._enter(_Phase.DEAD, NEVER)
                self._after = aims[input_]
                self._stopped(now)

    # -- phases -----------------------------------------------------------------------------------

    def _enter(self, phase: _Phase, until: float, reason: Reason = ()) -> None:
        self._phase, self._until = phase, until
        self._reason = reason

    def _takes(self, what: Took) -> float:
        low, high = self.settings.range_of(what)
        return low + (high - low) * self._draw(what)

    def _start(self, now: float) -> None:
        self._started, self._by_hand = now, False
        seconds = self._takes("vm")
        self._enter(_Phase.VM_STARTS, now + seconds, (*self._reason, ("the VM's start", seconds)))

    def _wait(self, now: float) -> None:
        if self.ready:
            self._go_on(now)
            return
        limit = now + self.settings.wait_s
        if not self._by_hand:
            limit = min(limit, self._started + self.settings.start_limit_s)
        self._waits_since = now
        self._enter(_Phase.WAITS, limit, self._reason)

    def _go_on(self, now: float) -> None:
        seconds = self._takes("app")
        waited = (("wait for its peers", now - self._waits_since),) if self._phase is _Phase.WAITS else ()
        self._enter(_Phase.APP_STARTS, now + seconds, (*self._reason, *waited, ("the application's start", seconds)))

    def _serve(self, _: float) -> None:
        self._enter(_Phase.SERVES, NEVER, self._reason)

    def _fail(self, now: float) -> None:
        """Be killed, or give up a boot: `BOOT FAILED` ends the VM with a status that is a failure to systemd."""
        if self._phase is _Phase.WAITS and self._by_hand:
            self._enter(_Phase.APP_STOPPED, NEVER)
            return
        pause = self.settings.restart_s
        self._hung_at = None
        if self._phase in {_Phase.STOPPING, _Phase.CLOSING} and self._after != "app":
            self._stopped(now)  # systemd was stopping it anyway
        elif pause is None:
            self._enter(_Phase.DEAD, NEVER)
        else:
            self._enter(_Phase.DEAD, now + pause, (("RestartSec", pause),))

    def _leave(self, now: float, aim: Literal["dead", "app", "restart", "reboot"]) -> None:
        self._after = aim
        if self._phase is _Phase.SERVES:
            seconds = self._takes("close")
            self._enter(_Phase.CLOSING, now + seconds, (("its listeners close", seconds),))
        else:
            self._closed(now)

    def _closed(self, now: float) -> None:
        if self._after == "app":
            self._enter(_Phase.APP_STOPPED, NEVER, self._reason)
            return
        seconds = min(self._takes("stop"), self.settings.stop_limit_s)
        self._enter(_Phase.STOPPING, now + seconds, (*self._reason, ("the rest of its stop", seconds)))

    def _stopped(self, now: float) -> None:
        if self._after == "restart":
            self._start(now)
        elif self._after == "reboot":
            self._enter(_Phase.HOST_STOPS, now + self._takes("host_stop"), self._reason)
        else:
            self._enter(_Phase.DEAD, NEVER, self._reason)

    def _boot_host(self, now: float) -> None:
        seconds = self._takes("host_boot")
        self._enter(_Phase.HOST_BOOTS, now + seconds, (("the host's boot", seconds),))

    def _tell(self, now: float) -> list[BrokerView]:
        seen = (self.process, self.listens)
        if seen == self._seen:
            return []
        self._seen = seen
        return [BrokerView(now, *seen, self._reason)]
