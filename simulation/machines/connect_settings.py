"""How HAProxy makes connections to the servers of one proxy.

Source: src/backend.c and include/haproxy/stream.h of the versions named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.machines.wire import LINEAR, Kernel

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["ConnectSettings", "from_design"]

AT_ONCE = (2, 6, 7)
"""Commit 406efb96d in the CHANGELOG of 2.6.7: no pause before a retry at another server, whatever the algorithm; and
only hashes keep their server (before, only the kinds of round robin did not)."""

JUMPS_COUNT = (3, 1, 0)
"""From 3.1 on time in which the process stood still counts for its timers (src/clock.c clock_update_local_date)."""

MISCOUNTED = ((2, 6, 0), (2, 6, 3))
"""Commit bc6b23813 in the CHANGELOG of 2.6.3: 2.6.0 to 2.6.2 counted a retry before they asked whether one was left."""


@dataclass(frozen=True, slots=True)
class ConnectSettings:
    """How HAProxy makes connections to the servers of one proxy; times in milliseconds."""

    retries: int = 3
    redispatch: bool = False
    timeout_connect: int | None = None
    timeout_idle: int | None = None
    """The smaller one of `timeout client` and `timeout server`, or `timeout tunnel`."""
    hashed: bool = False
    """Whether the algorithm is of the kind that keeps its server (BE_LB_KIND_HI)."""
    round_robin: bool = True
    """Whether it is of the kind that changes it each time (BE_LB_KIND_RR: roundrobin, static-rr, random)."""
    at_once: bool = True
    miscounted: bool = False
    shutdown_sessions: bool = False
    tls: bool = False
    """Whether the client speaks TLS to the server (it passes through)."""
    hides_jumps: bool = True
    """Whether time in which the process stood still does not count for its timers."""
    kernel: Kernel = LINEAR


def from_design(topology: Topology, name: str, *, kernel: Kernel = LINEAR) -> ConnectSettings:
    """Give how HAProxy connects to the servers of the listener called *name*."""
    from rmqha_model.haproxy import AmqpListener, AmqpsListener, ManagementListener
    from rmqha_model.versions.version import Version

    assert topology.haproxy is not None
    listener, defaults = topology.haproxy.listeners[name], topology.haproxy.defaults
    assert isinstance(listener, AmqpListener | AmqpsListener | ManagementListener)
    version = Version.parse(topology.versions.haproxy)

    def limit(keyword: str) -> int | None:
        own = getattr(listener.timeouts, keyword)
        given = own if own is not None else getattr(defaults.timeouts, keyword)
        return given.ms or None if given is not None else None

    idle = [one for one in (limit("client"), limit("server")) if one is not None]
    return ConnectSettings(
        retries=defaults.retries if listener.retries is None else listener.retries,
        redispatch=defaults.redispatch,
        timeout_connect=limit("connect"),
        timeout_idle=limit("tunnel") or min(idle, default=None),
        hashed=listener.balance == "source",
        round_robin=listener.balance in {"roundrobin", "static-rr", "random"},
        at_once=version >= AT_ONCE,
        miscounted=MISCOUNTED[0] <= version < MISCOUNTED[1],
        shutdown_sessions=listener.server.on_marked_down is not None,
        tls=isinstance(listener, AmqpsListener) and listener.mode == "pass_through",
        hides_jumps=version < JUMPS_COUNT,
        kernel=kernel,
    )
