"""HAProxy's process on one host: start, stop, crash, reload, and time in which it stands still.

Source: src/haproxy.c, src/mworker.c, src/proxy.c of HAProxy 2.2 to 3.2; Debian's haproxy.service (-Ws, Restart=always,
Type=notify, KillMode=mixed); systemd's src/core/service.c and src/basic/ratelimit.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.machine import NEVER
from simulation.machines.wire import FOREVER, seconds, us

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["Act", "Balancer", "BalancerSettings", "ProcessChanged", "from_design"]

Act: TypeAlias = Literal["start", "stop", "restart", "kill", "kill_master", "kill_worker", "reload", "hang",
                         "hang_master", "resume", "break_config", "mend_config", "power_off"]  # fmt: skip
"""What is done to it; ``kill`` is SIGKILL to all its processes, ``hang`` SIGSTOP to them."""

RESTART_S = 0.1
"""RestartSec, systemd's default (systemd.service(5)); Debian's unit says none."""

BURST, BURST_WINDOW_S = 5, 10.0
"""StartLimitBurst and StartLimitIntervalSec, systemd's defaults: the sixth start in 10 s is refused."""

SUPERVISED_RESTART_S = 0.5
"""RestartSec of the design's own drop-in, which lifts the start limit as well."""

JUMPS_COUNT = (3, 1, 0)
"""From 3.1 on time in which the process stood still counts for its timers (src/clock.c clock_update_local_date)."""

CHECKS_CONFIG_S = 0.05
"""How long a start takes that ends with a refused configuration: an estimate, which decides only how soon systemd
gives up."""


@dataclass(frozen=True, slots=True)
class BalancerSettings:
    """What is around the process."""

    restarts: bool = True
    """Restart=always, as in Debian's unit."""
    restart_s: float = RESTART_S
    start_limit: bool = True
    """Whether systemd's start limit holds."""
    hard_stop_after: float = NEVER
    """How long a reloaded process keeps its sessions (src/proxy.c hard_stop)."""
    hides_jumps: bool = True
    """Before 3.1 a process that stood still does not see it (src/clock.c)."""


class ProcessChanged(NamedTuple):
    """Something became of the process.

    - ``listening``: a new process serves; its servers start from their first state (unless it is a ``reload``'s,
      nothing was refused before it, the kernel queued nothing).
    - ``ended``: listeners and all sessions are closed. ``failed``: systemd gives it up.
    - ``reloaded``: a new worker listens, with new server states; the old one keeps its sessions, checks nothing and so
      shuts none down. ``drained``: the old worker's sessions are closed.
    - ``frozen``, ``resumed``: the kernel goes on accepting; *hidden* says whether timers were shifted.
    """

    t: float
    what: Literal["listening", "ended", "failed", "reloaded", "drained", "frozen", "resumed"]
    hidden: bool = False
    reason: tuple[tuple[str, float], ...] = ()


class Balancer:
    """The process and its supervisor (a :class:`simulation.machines.machine.Machine`; inputs are :data:`Act`).

    *start_s* gives the time from exec to listening, one draw a start: uniform in 0.05 to 0.5 s fits what was measured
    on Debian 12, back 0.15 to 0.6 s after a crash with RestartSec 0.1.
    """

    def __init__(self, settings: BalancerSettings, start_s: Callable[[], float], *, running: bool = True) -> None:
        self.settings = settings
        self.running = running
        self.frozen = False
        self.valid = True
        self._start_s = start_s
        self._wanted = running
        self._up_at = self._exec_at = FOREVER
        self._drains: list[int] = []
        self._starts: list[int] = []
        self._parts: tuple[tuple[str, float], ...] = ()

    @property
    def due(self) -> float:
        """When systemd starts it, when it listens, or when a reloaded process closes its sessions."""
        due = min(self._up_at, self._exec_at, *self._drains, FOREVER)
        return NEVER if due >= FOREVER else seconds(due)

    @property
    def starting(self) -> bool:
        """Whether there is a process that does not listen yet."""
        return self._up_at < FOREVER

    def fire(self) -> list[ProcessChanged]:
        """Do that."""
        now = min(self._up_at, self._exec_at, *self._drains, FOREVER)
        if now in self._drains:
            self._drains.remove(now)
            return [
                ProcessChanged(seconds(now), "drained", reason=(("hard-stop-after", self.settings.hard_stop_after),))
            ]
        if now == self._exec_at:
            return self._exec(now)
        self._up_at, self.running = FOREVER, True
        return [ProcessChanged(seconds(now), "listening", reason=self._parts)]

    def feed(self, now: float, act: Act) -> list[ProcessChanged]:
        """Take in what is done to it."""
        at = us(now)
        do: dict[Act, Callable[[int], list[ProcessChanged]]] = {
            "start": self._start,
            "stop": self._stop,
            "power_off": self._stop,
            "restart": lambda at: [*self._stop(at), *self._start(at)],
            # The master ends with its worker (mworker_catch_sigchld), and the worker with its master
            # (mworker_accept_wrapper): one is as good as both.
            "kill": self._crash,
            "kill_master": self._crash,
            "kill_worker": self._crash,
            "reload": self._reload,
            "hang": self._freeze,
            "hang_master": lambda _: [],  # the worker serves on
            "resume": self._resume,
            "break_config": lambda _: self._configure(valid=False),
            "mend_config": lambda _: self._configure(valid=True),
        }
        return do[act](at)

    def _configure(self, *, valid: bool) -> list[ProcessChanged]:
        self.valid = valid
        return []

    def _start(self, now: int) -> list[ProcessChanged]:
        self._wanted = True
        return [] if self.running or self._up_at < FOREVER else self._exec(now)

    def _stop(self, now: int) -> list[ProcessChanged]:
        # A process that stands still ends too: systemd sends SIGCONT after SIGTERM (systemd.kill(5)).
        self._wanted = False
        return self._gone(now)

    def _resume(self, now: int) -> list[ProcessChanged]:
        if not self.frozen:
            return []
        self.frozen = False
        return [ProcessChanged(seconds(now), "resumed", self.settings.hides_jumps)]

    def _freeze(self, now: int) -> list[ProcessChanged]:
        if not self.running or self.frozen:
            return []
        self.frozen = True
        return [ProcessChanged(seconds(now), "frozen")]

    def _reload(self, now: int) -> list[ProcessChanged]:
        # ExecReload tries the configuration first: a refused one leaves everything as it is.
        if not self.running or not self.valid or self.frozen:
            return []
        if self.settings.hard_stop_after < NEVER:
            self._drains.append(now + us(self.settings.hard_stop_after))
        return [ProcessChanged(seconds(now), "reloaded")]

    def _gone(self, now: int) -> list[ProcessChanged]:
        was = self.running
        self.running = self.frozen = False
        self._up_at = self._exec_at = FOREVER
        self._drains.clear()
        return [ProcessChanged(seconds(now), "ended")] if was else []

    def _crash(self, now: int) -> list[ProcessChanged]:
        starting = self._up_at < FOREVER
        if not self.running and not starting:
            return []
        return [*self._gone(now), *self._again(now)]

    def _again(self, now: int) -> list[ProcessChanged]:
        """What systemd does when it has ended by itself."""
        if not self._wanted or not self.settings.restarts:
            return []
        self._exec_at = now + us(self.settings.restart_s)
        return []

    def _exec(self, now: int) -> list[ProcessChanged]:
        waited = (("RestartSec", self.settings.restart_s),) if self._exec_at == now else ()
        self._exec_at = FOREVER
        if self._starts and now - self._starts[0] > us(BURST_WINDOW_S):
            self._starts.clear()  # the window begins with its first start: ratelimit_below
        if self.settings.start_limit and len(self._starts) >= BURST:
            self._wanted = False
            return [ProcessChanged(seconds(now), "failed", reason=((f"{BURST} starts", BURST_WINDOW_S),))]
        self._starts.append(now)
        if not self.valid:
            return self._again(now + us(CHECKS_CONFIG_S))
        start = us(self._start_s())
        self._up_at = now + start
        self._parts = (*waited, ("start", seconds(start)))
        return []


def from_design(topology: Topology, host: str) -> BalancerSettings:
    """Give what is around HAProxy on *host*."""
    from rmqha_model.versions.version import Version

    assert topology.haproxy is not None
    supervised = topology.os_of(host).supervise
    stop = topology.haproxy.global_.hard_stop_after
    return BalancerSettings(
        restart_s=SUPERVISED_RESTART_S if supervised else RESTART_S,
        start_limit=not supervised,
        hard_stop_after=stop.s if stop else NEVER,
        hides_jumps=Version.parse(topology.versions.haproxy) < JUMPS_COUNT,
    )
