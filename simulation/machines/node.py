"""A broker's process on its host: starting, serving, stopping, frozen, killed and restarted by systemd.

Sources: RabbitMQ ``rabbit.erl`` (boot steps, ``stop_apps``), ``rabbit_table.erl``, ``rabbit_khepri.erl``; Debian's
``rabbitmq-server.service`` and RabbitMQ's own (Type=notify, Restart=on-failure, RestartSec=10); systemd.service(5).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from simulation.machines.link_parts import Process
from simulation.machines.machine import NEVER
from simulation.machines.node_settings import BrokerSettings, Took

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason

__all__ = ["Broker", "BrokerInput", "BrokerSettings", "BrokerView", "Stage", "Took"]

BrokerInput: TypeAlias = Literal[
    "kill", "stop", "start", "stop_app", "start_app", "hang", "resume", "restart", "power_off", "power_on", "reboot",
    "peers_ready", "peers_missing",
]  # fmt: skip
"""What is done to it; *peers_ready*: a boot need not wait, *peers_missing*: it has to.

With Mnesia it waits for a peer that was running when it stopped (the last one to stop waits for nobody), with Khepri
for a majority. *stop_app* is also what a pause does (``rabbit:stop``); the VM and its links stay.
"""

Stage: TypeAlias = Literal["out", "joined", "runs"]
"""How far RabbitMQ in the VM is: *joined*: its database is up, and may wait for others; *runs*: its peers are told."""


@dataclass(frozen=True, slots=True)
class BrokerView:
    """What there is of it since *t*: its VM, whether it accepts connections and serves, and RabbitMQ in the VM."""

    t: float
    process: Process
    listens: bool
    stage: Stage
    reason: Reason


class _Phase(enum.Enum):
    OFF = "no power"
    HOST_BOOTS = "the host boots"
    DEAD = "no VM"
    VM_STARTS = "the VM starts"
    BOOTS = "the application boots"
    WAITS = "waits for peers"
    LOADS = "loads"
    OPENS = "opens its listeners"
    SERVES = "serves"
    ORDERED = "rabbitmqctl starts, which will stop it"
    CLOSES = "closes its listeners"
    QUITS = "the application ends"
    APP_STOPPED = "the VM runs without the application"
    HALTS = "the VM ends"
    UNIT_ENDS = "systemd waits for the rest of the unit"
    HOST_STOPS = "the host shuts down"


_RUNS = {_Phase.OPENS, _Phase.SERVES, _Phase.ORDERED, _Phase.CLOSES, _Phase.QUITS}
_JOINED = {_Phase.WAITS, _Phase.LOADS}
_VM = {_Phase.BOOTS, *_JOINED, *_RUNS, _Phase.APP_STOPPED, _Phase.HALTS}
_STOPS = {_Phase.ORDERED, _Phase.CLOSES, _Phase.QUITS, _Phase.HALTS}
_AIMS: dict[str, Literal["dead", "restart", "reboot"]] = {"stop": "dead", "restart": "restart", "reboot": "reboot"}


class Broker:
    """A broker and the unit it runs in."""

    def __init__(self, settings: BrokerSettings, draw: Callable[[Took], float]) -> None:
        """Begin as one that serves; *draw* gives numbers between 0 and 1, evenly."""
        self.settings = settings
        self.ready = True  # whether a boot need not wait for peers
        self._draw = draw
        self._phase = _Phase.SERVES
        self._until = self._deadline = NEVER  # of the phase; of a stop, when systemd kills it
        self._after: Literal["dead", "app", "restart", "reboot"] = "dead"  # what a stop is for
        self._again = False  # the application is started when it has stopped
        self._by_hand = False  # an application that systemd did not start: its failure ends no unit
        self._started = self._waits_since = 0.0
        self._hung_at: float | None = None
        self._held: list[BrokerInput] = []  # what it was told while it hung
        self._reason: Reason = ()  # what the time so far is made of
        self._coming: Reason = ()  # and what the phase adds when it is over
        self._seen: tuple[Process, bool, Stage] = (Process.RUNS, True, "runs")

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
        return self._phase in {_Phase.SERVES, _Phase.ORDERED, _Phase.CLOSES}

    @property
    def stage(self) -> Stage:
        """How far RabbitMQ in the VM is."""
        return "runs" if self._phase in _RUNS else "joined" if self._phase in _JOINED else "out"

    # -- time -------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """When its next phase begins."""
        return min(self._deadline, NEVER if self._hung_at is not None else self._until)

    def fire(self) -> list[BrokerView]:
        """Begin it."""
        now = self.due
        following = {
            _Phase.HOST_BOOTS: self._start,
            _Phase.DEAD: self._start,
            _Phase.VM_STARTS: self._boot,
            _Phase.BOOTS: self._join,
            _Phase.WAITS: self._fail,
            _Phase.LOADS: self._open,
            _Phase.OPENS: self._serve,
            _Phase.ORDERED: self._close,
            _Phase.CLOSES: self._quit,
            _Phase.QUITS: self._app_ended,
            _Phase.HALTS: self._vm_ended,
            _Phase.UNIT_ENDS: self._stopped,
            _Phase.HOST_STOPS: self._boot_host,
        }
        if now == self._deadline:
            self._enter(_Phase.HALTS, now, (("TimeoutStopSec", self.settings.stop_limit_s),))
            self._vm_ended(now)
        else:
            self._reason, self._coming = (*self._reason, *self._coming), ()
            following[self._phase](now)
        return self._tell(now)

    def feed(self, now: float, input_: BrokerInput) -> list[BrokerView]:
        """Take in what is done to it."""
        if input_ in {"peers_ready", "peers_missing"}:
            self.ready = input_ == "peers_ready"
            if self.ready and self._phase is _Phase.WAITS and self._hung_at is None:
                self._load(now)
        elif input_ == "power_off":
            self._enter(_Phase.OFF, NEVER)
            self._deadline, self._hung_at, self._held = NEVER, None, []
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
            self._command_frozen(now, input_)
        else:
            self._command(now, input_)
        return self._tell(now)

    def _command_frozen(self, now: float, input_: BrokerInput) -> None:
        if input_ == "resume":
            assert self._hung_at is not None
            if self._until < NEVER:
                self._until += now - self._hung_at
                self._coming = (*self._coming, ("frozen", now - self._hung_at))
            self._hung_at, held, self._held = None, self._held, []
            if self.ready and self._phase is _Phase.WAITS:
                self._load(now)
            for each in held:
                self._command(now, each)
        elif input_ in {"stop", "restart", "reboot", "stop_app", "start_app"}:
            self._held.append(input_)  # its own part waits until it goes on; systemd's patience does not
            if input_ in _AIMS:
                self._after = _AIMS[input_]
                self._deadline = min(self._deadline, now + self.settings.stop_limit_s)
        elif input_ == "start" and self._deadline < NEVER and self._after == "dead":
            self._held.append(input_)  # systemd keeps the order until the stop is through
            self._after = "restart"

    def _command(self, now: float, input_: BrokerInput) -> None:
        if input_ == "start":
            if self._phase is _Phase.DEAD:
                self._start(now)
            elif (self._phase in _STOPS or self._phase is _Phase.UNIT_ENDS) and self._after == "dead":
                self._after = "restart"
        elif input_ == "start_app":
            self._again = self._after == "app" and self._phase in _STOPS  # when it has stopped
            if self._phase is _Phase.APP_STOPPED:
                self._boot_again(now)
        elif input_ == "stop_app":
            if self._phase is _Phase.SERVES:
                self._after, self._again = "app", False
                self._close(now)
            elif self._phase in {_Phase.OPENS, _Phase.BOOTS, *_JOINED}:
                self._enter(_Phase.APP_STOPPED, NEVER)
        elif input_ in _AIMS:
            self._stop(now, _AIMS[input_])

    def _stop(self, now: float, aim: Literal["dead", "restart", "reboot"]) -> None:
        self._after = aim
        if self._phase is _Phase.DEAD:
            self._enter(_Phase.DEAD, NEVER)
            self._stopped(now)
        elif self._phase in _VM or self._phase is _Phase.VM_STARTS:
            self._deadline = min(self._deadline, now + self.settings.stop_limit_s)
            if self._phase is _Phase.SERVES:
                self._takes_to(now, _Phase.ORDERED, "order", "rabbitmqctl's start", after=())
            elif self._phase not in _STOPS:
                self._halt(now)

    # -- phases -----------------------------------------------------------------------------------

    def _enter(self, phase: _Phase, until: float, reason: Reason = ()) -> None:
        self._phase, self._until, self._reason, self._coming = phase, until, reason, ()

    def _takes_to(self, now: float, phase: _Phase, what: Took, words: str, after: Reason | None = None) -> None:
        """Enter a phase that takes a drawn time; *after* are the reasons before it, left out: those so far."""
        seconds = self.settings.took(what, self._draw(what))
        self._enter(phase, now + seconds, self._reason if after is None else after)
        self._coming = ((words, seconds),) if seconds else ()

    def _start(self, now: float) -> None:
        self._started, self._by_hand = now, False
        self._takes_to(now, _Phase.VM_STARTS, "vm", "the VM's start")

    def _boot(self, now: float) -> None:
        self._takes_to(now, _Phase.BOOTS, "boot", "the application's boot")

    def _boot_again(self, now: float) -> None:
        self._by_hand, self._again = True, False
        self._takes_to(now, _Phase.BOOTS, "again", "the application's boot", after=())

    def _join(self, now: float) -> None:
        if self.ready:
            self._takes_to(now, _Phase.LOADS, "load", "its database's load")
            return
        limit = now + self.settings.wait_s
        if not self._by_hand:
            limit = min(limit, self._started + self.settings.start_limit_s)
        self._waits_since = now
        self._enter(_Phase.WAITS, limit, self._reason)

    def _load(self, now: float) -> None:
        if now > self._waits_since:
            self._reason = (*self._reason, ("wait for its peers", now - self._waits_since))
        self._takes_to(now, _Phase.LOADS, "load", "its database's load")

    def _open(self, now: float) -> None:
        self._takes_to(now, _Phase.OPENS, "listen", "the start of its plugins and listeners")

    def _serve(self, _: float) -> None:
        self._enter(_Phase.SERVES, NEVER, self._reason)

    def _fail(self, now: float) -> None:
        """Be killed, or give up a boot: `BOOT FAILED` ends the VM with a status that is a failure to systemd."""
        if self._phase is _Phase.WAITS and self._by_hand and now == self._until:
            self._enter(_Phase.APP_STOPPED, NEVER)
            return
        self._hung_at, self._held = None, []
        if self._deadline < NEVER:
            self._vm_ended(now)  # systemd was stopping it anyway
        elif self.settings.restart_s is None:
            self._enter(_Phase.DEAD, NEVER)
        else:
            slack, pause = self.settings.took("slack", self._draw("slack")), self.settings.restart_s
            self._enter(_Phase.DEAD, now + pause + slack)
            self._coming = (("RestartSec", pause), ("systemd's own time", slack))

    def _close(self, now: float) -> None:
        after = self._reason if self._phase is _Phase.ORDERED else ()
        self._takes_to(now, _Phase.CLOSES, "close", "its listeners close", after)

    def _quit(self, now: float) -> None:
        self._takes_to(now, _Phase.QUITS, "quit", "its applications end")

    def _app_ended(self, now: float) -> None:
        if self._after == "app":
            self._enter(_Phase.APP_STOPPED, NEVER, self._reason)
            if self._again:
                self._boot_again(now)
        else:
            self._halt(now)

    def _halt(self, now: float) -> None:
        self._takes_to(now, _Phase.HALTS, "halt", "the VM's end")

    def _vm_ended(self, now: float) -> None:
        self._deadline, self._hung_at, self._held = NEVER, None, []
        self._takes_to(now, _Phase.UNIT_ENDS, "unit", "the unit's end")

    def _stopped(self, now: float) -> None:
        if self._after == "restart":
            self._start(now)
        elif self._after == "reboot":
            self._takes_to(now, _Phase.HOST_STOPS, "host_stop", "the host's shutdown")
        else:
            self._enter(_Phase.DEAD, NEVER, self._reason)

    def _boot_host(self, now: float) -> None:
        self._takes_to(now, _Phase.HOST_BOOTS, "host_boot", "the host's boot", after=())

    def _tell(self, now: float) -> list[BrokerView]:
        seen = (self.process, self.listens, self.stage)
        if seen == self._seen:
            return []
        self._seen = seen
        return [BrokerView(now, *seen, self._reason)]
