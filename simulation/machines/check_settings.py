"""Settings of HAProxy's health checks, in HAProxy's own unit, milliseconds, and when each server's first check is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rmqha_model.haproxy import AmqpListener, AmqpsListener, ManagementListener, NoCheck
from rmqha_model.versions.version import Version
from simulation.machines.wire import LINEAR, Kernel

if TYPE_CHECKING:
    from rmqha_model.haproxy import Check
    from rmqha_model.topology import Topology
    from rmqha_model.units import Duration

__all__ = ["CheckSettings", "first_checks", "from_design", "late_timeout"]

DEFAULT_INTER_MS = 2000
"""DEF_CHKINTR, include/haproxy/defaults.h, 2.2 to 3.2."""

SPREAD_THRESHOLD_MS = 1000
"""SRV_CHK_INTER_THRES, include/haproxy/defaults.h, 2.2 to 3.2."""

DEFAULT_ERROR_LIMIT = 10
"""DEF_HANA_ERRLIMIT, include/haproxy/defaults.h, 2.2 to 3.2."""

INIT_STATE_WORKS = (3, 2, 20)
"""Commit 18c5cd667 in the CHANGELOG of 3.2.20: before, init-state did nothing at process start."""

FORCED_FASTINTER = (2, 8, 0)
"""Commit 7d541a91e (2.8-dev1): CHK_ST_FASTINTER, and the check's task is woken rather than rescheduled."""


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How one server is checked; pauses and limits in milliseconds."""

    kind: Literal["tcp", "amqp", "http"] = "tcp"
    tls: bool = False
    inter: int = DEFAULT_INTER_MS
    fastinter: int | None = None
    downinter: int | None = None
    rise: int = 2
    fall: int = 3
    timeout_connect: int | None = None
    timeout_check: int | None = None
    late_timeout: bool = False
    """Whether a limit that `timeout check` moves forward is noticed at the old one only; see :func:`late_timeout`."""
    spread: int = 0
    """`spread-checks`, percent."""
    observe: bool = False
    error_limit: int = DEFAULT_ERROR_LIMIT
    on_error: Literal["fastinter", "fail-check", "sudden-death", "mark-down"] = "fail-check"
    forced_fastinter: bool = True
    """Whether on-error forces one fastinter even at full health (2.8 and newer)."""
    init_state: Literal["fully-up", "up", "down", "fully-down"] = "up"
    slowstart: int = 0
    """Whole seconds, rounded up (src/server.c srv_parse_slowstart)."""
    kernel: Kernel = LINEAR

    @property
    def full(self) -> int:
        """The counter's highest value (src/check.c set_server_check_status)."""
        return self.rise + self.fall - 1

    @property
    def connect_limit(self) -> int:
        """Longest connect of a check: `timeout connect` counts only with `timeout check` (tcpcheck_eval_connect)."""
        if self.timeout_check is None or self.timeout_connect is None:
            return self.inter
        return min(self.inter, self.timeout_connect)

    @property
    def start(self) -> tuple[int, bool]:
        """The counter and whether the server is UP before any check: src/server.c srv_set_init_state."""
        return {
            "fully-up": (self.full, True),
            "up": (self.rise, True),
            "down": (self.rise - 1, False),
            "fully-down": (0, False),
        }[self.init_state]

    def pause(self, health: int, *, up: bool, forced: bool = False) -> tuple[str, int]:
        """Give the pause after a check that left the server so, and its name: src/server.c srv_getinter.

        *forced* is the flag that on-error sets.
        """
        if health == self.full and not forced:
            return "inter", self.inter
        if not up and health == 0:
            return ("downinter", self.downinter) if self.downinter else ("inter", self.inter)
        return ("fastinter", self.fastinter) if self.fastinter else ("inter", self.inter)


def late_timeout(version: tuple[int, ...]) -> bool:
    """Whether a check that has connected notices `timeout check` late: commit 7c788f098 of June 2025 mends it.

    In the CHANGELOG of 3.2.1, absent from that of 3.0.11; for the other series, the first release after that month.
    """
    mended = {(2, 4): 30, (2, 6): 23, (2, 8): 16, (3, 0): 12, (3, 1): 8, (3, 2): 1}
    patch = mended.get((version[0], version[1]))
    return version < (3, 3) and (patch is None or version < (*version[:2], patch))


def first_checks(
    servers: Sequence[CheckSettings],
    *,
    spread_at_start: bool = True,
    max_spread: int | None = None,
    draw: Callable[[], float] | None = None,
) -> tuple[float, ...]:
    """Give when each server's first check begins, seconds after the start: src/check.c start_checks, start_check_task.

    *servers* are all that are checked, over all proxies in the order of the configuration. *spread_at_start*: 2.8 and
    newer let `spread-checks` move it (commit b93758cec), by *draw*, uniform in 0 to 1. *max_spread* is the global
    `max-spread-checks` in milliseconds.
    """
    pauses = [settings.pause(settings.start[0], up=settings.start[1])[1] for settings in servers]
    smallest = min((pause for pause in pauses if pause >= SPREAD_THRESHOLD_MS), default=0)
    found = []
    for place, (settings, pause) in enumerate(zip(servers, pauses, strict=True)):
        span = max(smallest, pause)
        if spread_at_start and settings.spread and draw is not None:
            noise = pause * settings.spread // 100
            span += noise - int(2 * noise * draw())
        if max_spread is not None and span > max_spread:
            span = max_spread
        found.append(span * place // len(servers) / 1000)
    return tuple(found)


def from_design(topology: Topology, name: str, *, kernel: Kernel = LINEAR) -> CheckSettings | None:
    """Give how the listener called *name* checks each of its servers; ``None`` if it does not."""
    assert topology.haproxy is not None
    listener = topology.haproxy.listeners[name]
    if not isinstance(listener, AmqpListener | AmqpsListener | ManagementListener):
        return None
    check: Check = listener.check
    if isinstance(check, NoCheck):
        return None
    version = Version.parse(topology.versions.haproxy)
    limits, shared, server = listener.timeouts, topology.haproxy.defaults.timeouts, listener.server
    slowstart = server.slowstart.ms if server.slowstart else 0
    works = version >= INIT_STATE_WORKS
    return CheckSettings(
        kind=check.kind,
        tls=topology.check_port(listener)[1] and check.kind != "tcp",
        inter=_ms(check.inter) or DEFAULT_INTER_MS,
        fastinter=_ms(check.fastinter),
        downinter=_ms(check.downinter),
        rise=check.rise,
        fall=check.fall,
        timeout_connect=_ms(limits.connect if limits.connect is not None else shared.connect),
        timeout_check=_ms(limits.check if limits.check is not None else shared.check),
        late_timeout=late_timeout(version),
        spread=topology.haproxy.global_.spread_checks or 0,
        observe=server.observe is not None,
        error_limit=server.error_limit or DEFAULT_ERROR_LIMIT,
        on_error=server.on_error or "fail-check",
        forced_fastinter=version >= FORCED_FASTINTER,
        init_state=server.init_state if server.init_state and works else "up",
        slowstart=-(-slowstart // 1000),
        kernel=kernel,
    )


def _ms(duration: Duration | None) -> int | None:
    return duration.ms or None if duration is not None else None
