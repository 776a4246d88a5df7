"""What undoes a fault, as data: it can be written down before the fault is done, and carried out by another program.

Every step may be carried out when there is nothing left to undo, and more than once.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from integration.errors import FaultError, LabError, NotPossible
from integration.faults import guest

if TYPE_CHECKING:
    from integration.host import Host, Stack

__all__ = [
    "STEPS",
    "Boot",
    "Continue",
    "Evaluate",
    "Heal",
    "Link",
    "PowerOn",
    "Restore",
    "Start",
    "Step",
    "boot_of",
    "read",
]

BOOT_S = 90
"""How long a host may take until its systemd answers."""
START_S = 300
"""How long a service may take to start. A broker waits for its peers for as long: 10 times 30 s
(mnesia_table_loading_retry_timeout and _limit), with Khepri 300 s (khepri_leader_wait_retry_timeout)."""
_REBOOT_S = 240
"""How long a reboot may take: systemd allows a service 90 s to stop (DefaultTimeoutStopSec), then the host boots."""
_BOOTED = {"running", "degraded"}
"""What `systemctl is-system-running` says when all that starts at boot has started, or has failed (systemctl(1))."""
_IDLE = 25
"""So often in a row a host may say that it runs as before, 5 s in all, until it is believed."""
_TRIES = 3
_PAUSE_S = 0.2


class Step:
    """A thing to do that undoes a fault, or a part of it."""

    kind: ClassVar[str]

    def order(self, stack: Stack) -> float:
        """Do it, or have it begin; give the time.monotonic() at which that was."""
        raise NotImplementedError

    def settle(self, stack: Stack) -> None:
        """Wait until what :meth:`order` began is done."""

    def row(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {"step": self.kind, **dataclasses.asdict(self)}  # type: ignore[call-overload]  # each is a dataclass


@dataclass(frozen=True, slots=True)
class Start(Step):
    """Start a service."""

    kind: ClassVar[str] = "start"
    host: str
    unit: str
    if_left: bool = False
    """Only if it is dead and systemd will not start it by itself."""

    def order(self, stack: Stack) -> float:
        """Have systemd start it, which is nothing if it runs; a host without power starts it when it boots."""
        host = stack.hosts[self.host]
        if host.running:
            _when_it_answers(host)
            if not self.if_left or guest.unit(host, self.unit).dead:
                return guest.order(host, "start", self.unit)
        return time.monotonic()

    def settle(self, stack: Stack) -> None:
        """Wait until it is active: a broker tells systemd so when it has booted."""
        host = stack.hosts[self.host]
        until = time.monotonic() + START_S
        tries = _TRIES
        while host.running:
            state = guest.unit(host, self.unit)
            if state.active == "active":
                return
            if state.dead and tries:
                tries -= 1
                # A service that failed often is not started again before its failures are forgotten.
                host.run("systemctl", "reset-failed", self.unit)
                guest.order(host, "start", self.unit)
            elif state.dead or time.monotonic() > until:
                raise FaultError(f"{self.host}: {self.unit} was started and is {state.active} ({state.sub})")
            time.sleep(_PAUSE_S)


@dataclass(frozen=True, slots=True)
class Continue(Step):
    """Let the stopped processes of a service go on."""

    kind: ClassVar[str] = "continue"
    host: str
    unit: str
    pids: tuple[int, ...]

    def order(self, stack: Stack) -> float:
        """Send SIGCONT to the processes, if they still are the service's."""
        host = stack.hosts[self.host]
        if host.running:
            main, everybody = guest.processes(host, self.unit)
            left = [process.pid for process in guest.below(main, everybody) if process.pid in self.pids]
            if left:
                return guest.signal(host, "CONT", left)
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Evaluate(Step):
    """Have the Erlang VM of a broker undo what it was told, unless it is another one by now, which was not told."""

    kind: ClassVar[str] = "evaluate"
    host: str
    expression: str
    invocation: str

    def order(self, stack: Stack) -> float:
        """Evaluate the expression."""
        host = stack.hosts[self.host]
        if host.running:
            _when_it_answers(host)
            state = guest.unit(host, "rabbitmq-server.service")
            if state.main_pid and state.invocation == self.invocation:
                return guest.evaluate(host, self.expression, first=True, timeout_s=START_S)[1]
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Restore(Step):
    """Put a file back, to the byte, with its owner and mode."""

    kind: ClassVar[str] = "restore"
    host: str
    path: str
    content: str
    """In base64."""
    mode: str
    owner: str

    @classmethod
    def of(cls, host: str, file: guest.File) -> Restore:
        """Give the step that puts *file* back."""
        return cls(host, file.path, base64.b64encode(file.content).decode(), file.mode, file.owner)

    def order(self, stack: Stack) -> float:
        """Write it; a host without power keeps the wrong one, which is an error."""
        host = stack.hosts[self.host]
        if not host.running:
            raise FaultError(f"{self.host}: {self.path} cannot be put back: the host has no power")
        _when_it_answers(host)
        guest.write_file(host, guest.File(self.path, base64.b64decode(self.content), self.mode, self.owner))
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class PowerOn(Step):
    """Give hosts their power back, all at once or one after the other."""

    kind: ClassVar[str] = "power_on"
    hosts: tuple[str, ...]
    stagger_s: float = 0

    def order(self, stack: Stack) -> float:
        """Turn on those that are off; give when the first one was."""
        first = time.monotonic()
        off = [name for name in self.hosts if not stack.hosts[name].running]
        if off and not self.stagger_s:
            _turn_on(stack, off)
        elif off:
            for place, name in enumerate(off):
                time.sleep(max(0, first + place * self.stagger_s - time.monotonic()))
                _turn_on(stack, [name])
        return first


@dataclass(frozen=True, slots=True)
class Boot(Step):
    """See to it that a host that was told to reboot boots."""

    kind: ClassVar[str] = "boot"
    host: str
    before: str
    """The mark of the boot before (boot_id of the kernel)."""

    def order(self, stack: Stack) -> float:
        """Wait until it has booted, and turn it on if it turns itself off; give when all that starts then had started.

        Raises:
            FaultError: it has not booted in time.
        """
        host = stack.hosts[self.host]
        until = time.monotonic() + _REBOOT_S
        idle = 0
        while time.monotonic() < until and idle < _IDLE:
            if not host.running:
                # A host that cannot be turned on is one that boots by itself.
                with contextlib.suppress(NotPossible):
                    _turn_on(stack, [self.host])
            with contextlib.suppress(LabError):
                mark = boot_of(host)
                state = host.run("systemctl", "is-system-running").out.strip()
                if state in _BOOTED and mark != self.before:
                    return time.monotonic()
                # It was never told: who would have told it was killed before that.
                idle = idle + 1 if state in _BOOTED else 0
            time.sleep(_PAUSE_S)
        if idle < _IDLE:
            raise FaultError(f"{self.host}: has not booted {_REBOOT_S} s after it was told to reboot")
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Link(Step):
    """Put a cable back."""

    kind: ClassVar[str] = "link"
    host: str

    def order(self, stack: Stack) -> float:
        """Let the host have its carrier."""
        stack.link(self.host, up=True)
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Heal(Step):
    """Let every packet pass: what another program cut, it alone could undo singly."""

    kind: ClassVar[str] = "heal"

    def order(self, stack: Stack) -> float:
        """Undo all that drops packets, and put all cables back."""
        stack.heal()
        return time.monotonic()


STEPS: dict[str, type[Step]] = {
    kind.kind: kind for kind in (Start, Continue, Evaluate, Restore, PowerOn, Boot, Link, Heal)
}
"""Every kind of step by its name."""


def read(row: dict[str, Any]) -> Step:
    """Give the step of a row; a row of another version of this program is a KeyError or TypeError."""
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name != "step"}
    return STEPS[row["step"]](**told)


def _turn_on(stack: Stack, names: list[str]) -> None:
    """Give hosts their power, and wait until they show it: to turn one on twice would be to turn it off."""
    stack.power_on(names)
    until = time.monotonic() + BOOT_S
    while not all(stack.hosts[name].running for name in names):
        if time.monotonic() > until:
            raise FaultError(f"{', '.join(names)}: does not boot")
        time.sleep(_PAUSE_S / 10)


def boot_of(host: Host) -> str:
    """Give the mark of the boot of a host: another one after each."""
    return host.check("cat", "/proc/sys/kernel/random/boot_id").strip()


def _when_it_answers(host: Host) -> None:
    """Wait until systemd takes orders: right after its power returned a host does not yet."""
    until = time.monotonic() + BOOT_S
    while True:
        try:
            if not host.run("systemctl", "show", "--property", "Version").status:
                return
        except LabError:
            if time.monotonic() > until:
                raise
        if time.monotonic() > until:
            raise FaultError(f"{host.name}: its systemd does not answer after {BOOT_S} s")
        time.sleep(_PAUSE_S)
