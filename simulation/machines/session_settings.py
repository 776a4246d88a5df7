"""What may end an established session through HAProxy: its timeouts, and those of its host's kernel.

Source: src/stream.c of HAProxy 2.2 to 3.2, net/ipv4/tcp_timer.c of Linux.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from rmqha_model.haproxy import Keepalive
    from rmqha_model.host import OperatingSystem
    from rmqha_model.topology import Topology

__all__ = ["SessionSettings", "from_design", "gives_up"]

RTO_MIN_S, RTO_MAX_S = 0.2, 120.0
"""TCP_RTO_MIN and TCP_RTO_MAX, include/net/tcp.h."""

RETRIES2, KEEPALIVE_S, INTERVAL_S, PROBES = 15, 7200.0, 75.0, 9
"""What a kernel has of itself: TCP_RETR2, TCP_KEEPALIVE_TIME, _INTVL and _PROBES, include/net/tcp.h."""

JUMPS_COUNT = (3, 1, 0)
"""From 3.1 on time in which the process stood still counts for its timers (src/clock.c clock_update_local_date)."""


def gives_up(retries2: int, rto_s: float) -> float:
    """Give how long after its first transmission data is given up that nobody acknowledges.

    It is the first retransmission time at which as much has passed since the first retransmission as *retries2* of
    them would take at the least (retransmits_timed_out, tcp_model_timeout). *rto_s* is the socket's own timeout:
    200 ms, the round-trip time, and what rounding to ticks adds: 0.201 to 0.21 on a local network. With 6 that is
    51 s at 0.201 and 26 s at 0.204; with 15, 15 to 17 minutes.
    """
    doublings = min(retries2, int(RTO_MAX_S / RTO_MIN_S).bit_length() - 1)
    least = ((2 << doublings) - 1) * RTO_MIN_S + (retries2 - doublings) * RTO_MAX_S
    passed, pause = rto_s, min(2 * rto_s, RTO_MAX_S)
    while passed - rto_s < least:
        passed, pause = passed + pause, min(2 * pause, RTO_MAX_S)
    return passed


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What may end a session; times in seconds."""

    timeout_client: float = NEVER
    timeout_server: float = NEVER
    timeout_tunnel: float | None = None
    """Replaces both as soon as the server is connected (tcp mode; measured)."""
    timeout_server_fin: float | None = None
    """Replaces the server's when the client has closed, and begins then (src/stconn.c sc_app_shutw_conn)."""
    gives_up: float = NEVER
    """See :func:`gives_up`, for the balancer's host."""
    keepalive_client: tuple[float, float] = (NEVER, NEVER)
    """`option clitcpka`: idle time before a probe, and how long probes go on until a silent side is given up."""
    keepalive_server: tuple[float, float] = (NEVER, NEVER)
    """`option srvtcpka`, the same."""
    shutdown_sessions: bool = False
    hides_jumps: bool = True
    """Before 3.1: time in which the process stood still does not count for its timers."""

    def keepalive(self, side: Literal["client", "server"]) -> tuple[float, float]:
        """Give that side's times of TCP keepalive, which answers only where nothing waits to be acknowledged."""
        return self.keepalive_client if side == "client" else self.keepalive_server

    @property
    def limits(self) -> tuple[float, float]:
        """The client's and the server's limit."""
        if self.timeout_tunnel is not None:
            return self.timeout_tunnel, self.timeout_tunnel
        return self.timeout_client, self.timeout_server


def from_design(topology: Topology, name: str, host: str, *, rto_s: float) -> SessionSettings:
    """Give what ends sessions of the listener called *name* on the balancer *host*; *rto_s* is :func:`gives_up`'s."""
    from rmqha_model.haproxy import AmqpListener, AmqpsListener, ManagementListener
    from rmqha_model.versions.version import Version

    assert topology.haproxy is not None
    listener, defaults, system = topology.haproxy.listeners[name], topology.haproxy.defaults, topology.os_of(host)
    assert isinstance(listener, AmqpListener | AmqpsListener | ManagementListener)

    def limit(keyword: str) -> float:
        own = getattr(listener.timeouts, keyword)
        given = own if own is not None else getattr(defaults.timeouts, keyword)
        return given.s or NEVER if given is not None else NEVER

    tunnel = limit("tunnel")
    return SessionSettings(
        timeout_client=limit("client"),
        timeout_server=limit("server"),
        timeout_tunnel=None if tunnel == NEVER else tunnel,
        timeout_server_fin=None if limit("server_fin") == NEVER else limit("server_fin"),
        gives_up=gives_up(RETRIES2 if system.tcp_retries2 is None else system.tcp_retries2, rto_s),
        keepalive_client=_keepalive(defaults.client_keepalive, system),
        keepalive_server=_keepalive(defaults.server_keepalive, system),
        shutdown_sessions=listener.server.on_marked_down is not None,
        hides_jumps=Version.parse(topology.versions.haproxy) < JUMPS_COUNT,
    )


def _keepalive(option: Keepalive | None, system: OperatingSystem) -> tuple[float, float]:
    if option is None:
        return NEVER, NEVER
    kernel = (
        system.tcp_keepalive_time.s if system.tcp_keepalive_time is not None else KEEPALIVE_S,
        system.tcp_keepalive_interval.s if system.tcp_keepalive_interval is not None else INTERVAL_S,
        PROBES if system.tcp_keepalive_probes is None else system.tcp_keepalive_probes,
    )
    idle = option.idle.s if option.idle else kernel[0]
    interval = option.interval.s if option.interval else kernel[1]
    return idle, (option.count or kernel[2]) * interval
