"""keepalived's two processes and systemd above them: the parent that looks after the VRRP child, which does the work.

keepalived 2.1.5 to 2.4.3: vrrp_daemon.c (start_vrrp_child, vrrp_respawn_thread, vrrp_terminate_phase1), core/main.c
(sigend), lib/scheduler.c (calc_restart_delay). The unit is Debian's: Type=notify, no Restart=, KillMode=control-group
by default; Restart= and RestartSec= are those of this project's drop-in. What the VRRP child then does is
:mod:`simulation.machines.vrrp`'s; addresses of a child that was killed stay on the host until one starts again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = [
    "ChildFrozen",
    "ChildKilled",
    "ChildStarted",
    "ChildStops",
    "ChildThawed",
    "Continue",
    "Hang",
    "Keepalived",
    "KeepalivedInput",
    "KeepalivedOutput",
    "KeepalivedSettings",
    "Kill",
    "StartUnit",
    "StopUnit",
    "UnitDown",
    "Which",
    "keepalived_from_design",
]

Which: TypeAlias = Literal["parent", "child", "both"]

LINGER_S = 1.0
"""vrrp_terminate_phase1: a child that has stopped waits for IGMP (TIMER_HZ) before it exits."""

SETTLED_S = 60.0
"""calc_restart_delay: a child that ran so long is started again at once; others after 0, 1, 2, 4, ... 60 s."""


@dataclass(frozen=True, slots=True)
class KeepalivedSettings:
    """How long it takes to start, and what systemd does when it dies."""

    start_s: float = 0.1
    """From exec to the instances' start: measured 0.09 s on 2.2.7 (the old addresses are gone then)."""
    respawn_s: float = 0.05
    """From fork to the instances' start: measured on 2.2.7."""
    restart_s: float | None = None
    """RestartSec= with Restart=on-failure; ``None`` without Restart=, as in Debian's and upstream's unit."""


def keepalived_from_design(topology: Topology, host: str) -> KeepalivedSettings:
    """Give what the drop-in says (generators/system.py: Restart=on-failure, RestartSec=2, no start limit)."""
    return KeepalivedSettings(restart_s=2.0 if topology.os_of(host).supervise else None)


# -- inputs -------------------------------------------------------------------------------------------


class StartUnit(NamedTuple):
    """``systemctl start keepalived``, or the host has booted so far."""


class StopUnit(NamedTuple):
    """``systemctl stop keepalived``, or the host shuts down."""


class Kill(NamedTuple):
    """SIGKILL."""

    which: Which


class Hang(NamedTuple):
    """SIGSTOP."""

    which: Which


class Continue(NamedTuple):
    """SIGCONT."""

    which: Which


KeepalivedInput: TypeAlias = StartUnit | StopUnit | Kill | Hang | Continue


# -- outputs ------------------------------------------------------------------------------------------


class ChildStarted(NamedTuple):
    """The instances start; scripts have their first run."""

    at: float
    why: tuple[tuple[str, float], ...]


class ChildStops(NamedTuple):
    """The instances stop in good order: priority 0, addresses away; scripts end."""

    at: float
    cause: str


class ChildKilled(NamedTuple):
    """The instances are gone without a word, and their addresses stay."""

    at: float


class ChildFrozen(NamedTuple):
    """The instances stand still."""

    at: float


class ChildThawed(NamedTuple):
    """The instances go on."""

    at: float


class UnitDown(NamedTuple):
    """No process of keepalived is left; systemd starts it again at *again*, or never."""

    at: float
    failed: bool
    again: float


KeepalivedOutput: TypeAlias = ChildStarted | ChildStops | ChildKilled | ChildFrozen | ChildThawed | UnitDown


class Keepalived:
    """The processes of one host."""

    def __init__(self, settings: KeepalivedSettings) -> None:
        self.settings = settings
        self.child: Literal["none", "starting", "running", "stopping"] = "none"
        self.parent = False
        self._forked = -math.inf
        self._ready = self._exits = self._restarts = self._respawns = NEVER
        self._next_delay = 0
        self._frozen: set[str] = set()
        self._failed = False
        self._unattended = False  # a dead child that a frozen parent has not seen yet
        self._start_after = False
        self._why: tuple[tuple[str, float], ...] = ()

    @property
    def due(self) -> float:
        """When it next changes by itself."""
        own = NEVER if "parent" in self._frozen else self._respawns
        child = NEVER if "child" in self._frozen else min(self._ready, self._exits)
        return min(own, child, self._restarts)

    def fire(self) -> list[KeepalivedOutput]:
        """Do what is due."""
        now = self.due
        if self._restarts <= now:
            self._exec(now, (("RestartSec", self.settings.restart_s or 0.0),))
        elif self._exits <= now:
            return self._gone(now)
        elif self._respawns <= now and "parent" not in self._frozen:
            self._fork(now, self.settings.respawn_s, self._why)
        else:
            self._ready, self.child = NEVER, "running"
            return [ChildStarted(now, self._why)]
        return []

    def feed(self, now: float, input_: KeepalivedInput) -> list[KeepalivedOutput]:
        """Take in what happens at *now*."""
        match input_:
            case StartUnit():
                self._start_after = self._exits < NEVER
                if not self.parent and not self._start_after:
                    self._exec(now, ())
            case StopUnit():
                self._restarts, self._start_after, self._failed = NEVER, False, False
                return self._stop(now, "systemctl stop") if self.parent or self._exits < NEVER else []
            case Kill(which):
                return self._kill(now, which)
            case Hang(which):
                return self._hang(now, which)
            case Continue(which):
                return self._continue(now, which)
        return []

    def _exec(self, now: float, why: tuple[tuple[str, float], ...]) -> None:
        self.parent, self._next_delay, self._restarts, self._failed = True, 0, NEVER, False
        self._frozen.clear()
        self._fork(now, self.settings.start_s, (*why, ("start of keepalived", self.settings.start_s)))

    def _fork(self, now: float, takes: float, why: tuple[tuple[str, float], ...]) -> None:
        self._respawns, self._unattended = NEVER, False
        self.child, self._forked, self._ready = "starting", now, now + takes
        self._why = why

    def _stop(self, now: float, cause: str) -> list[KeepalivedOutput]:
        """SIGTERM to all that is left; systemd sends SIGCONT after it, so frozen processes end too."""
        said: list[KeepalivedOutput] = []
        self._respawns, self._unattended = NEVER, False
        if "child" in self._frozen and self.child != "none":
            said.append(ChildThawed(now))
        self._frozen.clear()
        if self.child == "running":
            said.append(ChildStops(now, cause))
            self.child, self._exits = "stopping", now + LINGER_S
        elif self.child != "stopping":
            self._ready, self._exits, self.child = NEVER, now, "stopping"
        self.parent = False
        return said

    def _gone(self, now: float) -> list[KeepalivedOutput]:
        """The control group is empty."""
        self.child, self.parent, self._exits, self._ready = "none", False, NEVER, NEVER
        self._respawns, self._unattended = NEVER, False
        self._frozen.clear()
        failed, self._failed = self._failed, False
        again = self.settings.restart_s if failed else None
        self._restarts = NEVER if again is None else now + again
        if self._start_after:
            self._start_after, self._restarts = False, NEVER
            self._exec(now, ())
        return [UnitDown(now, failed, self._restarts)]

    def _kill(self, now: float, which: Which) -> list[KeepalivedOutput]:
        said: list[KeepalivedOutput] = []
        child = which != "parent" and self.child != "none"
        if child:
            if self.child == "running":
                said.append(ChildKilled(now))
            self.child, self._ready = "none", NEVER
            self._frozen.discard("child")
        if which != "child" and self.parent:
            # The kernel's PR_SET_PDEATHSIG and systemd's clean-up both end the child in good order.
            self.parent, self._failed = False, True
            self._frozen.discard("parent")
            if self.child == "none":
                return said + self._gone(now)
            return said + self._stop(now, "its parent died")
        if child and not self.parent:
            return said + self._gone(now)  # it was stopping already
        if child:
            self._respawn(now)
        return said

    def _respawn(self, now: float) -> None:
        """lib/scheduler.c:calc_restart_delay, when the parent comes to it."""
        if "parent" in self._frozen:
            self._unattended = True
            return
        self._unattended = False
        if now - self._forked >= SETTLED_S:
            delay = self._next_delay = 0
        else:
            delay = self._next_delay
            self._next_delay = 60 if delay > 30 else 2 * delay or 1
        self._why = (("respawn delay", float(delay)), ("new VRRP child", self.settings.respawn_s))
        self._respawns = now + delay

    def _hang(self, now: float, which: Which) -> list[KeepalivedOutput]:
        if which != "child" and self.parent:
            self._frozen.add("parent")
        if which != "parent" and self.child != "none" and "child" not in self._frozen:
            self._frozen.add("child")
            if self.child == "running":
                return [ChildFrozen(now)]
        return []

    def _continue(self, now: float, which: Which) -> list[KeepalivedOutput]:
        if which != "child" and "parent" in self._frozen:
            self._frozen.discard("parent")
            self._respawns = max(self._respawns, now)
            if self._unattended:
                self._respawn(now)
        if which != "parent" and "child" in self._frozen:
            self._frozen.discard("child")
            self._ready, self._exits = max(self._ready, now), max(self._exits, now)
            if self.child == "running":
                return [ChildThawed(now)]
        return []
