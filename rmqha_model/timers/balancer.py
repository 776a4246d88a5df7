"""HAProxy: how soon a server that is gone is DOWN, how soon it is back, and what a new connection meets meanwhile.

Sources name functions of HAProxy's source; where they say "measured", on 2.6.12.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from rmqha_model.haproxy import (
    AmqpCheck,
    AmqpListener,
    AmqpsListener,
    HttpCheck,
    ManagementListener,
    NoCheck,
    TcpCheck,
)
from rmqha_model.timers.span import Span, never, number
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from rmqha_model.units import Duration

__all__ = [
    "Proxy",
    "amqp_listeners",
    "back_up",
    "first_attempt",
    "frozen",
    "late_timeout",
    "proxies",
    "refused",
    "silent",
]

Proxy: TypeAlias = AmqpListener | AmqpsListener | ManagementListener
"""A listener that leads to brokers."""

DEFAULT_INTER_S = 2.0
"""DEF_CHKINTR in include/haproxy/defaults.h, 2.2 to 3.2."""

TURN_AROUND_S = 1.0
"""Longest pause before the next attempt after a refused one: back_handle_st_cer in src/backend.c, 2.2 to 3.2."""

SYN_S = (0, 1, 3, 7, 15, 31, 63)
"""When Linux sends SYNs: kernels before 6.5, with tcp_syn_retries 6; later ones send some more in between."""

UNREACHABLE_S = 3.06
"""From a SYN whose neighbour's entry is FAILED to EHOSTUNREACH, three probes a second apart: measured, Linux 6.18."""

NEIGHBOURS = "Linux net/core/neighbour.c neigh_timer_handler"
CHECKS = "HAProxy src/check.c set_server_check_status, process_chk_conn; src/server.c srv_getinter; measured"
VERSIONS = "HAProxy 2.2 to 3.2"


def proxies(topology: Topology) -> Iterator[tuple[str, Proxy]]:
    """Give the listeners that lead to brokers, by name."""
    for name, listener in (topology.haproxy.listeners if topology.haproxy else {}).items():
        if isinstance(listener, AmqpListener | AmqpsListener | ManagementListener):
            yield name, listener


def amqp_listeners(topology: Topology) -> Iterator[tuple[str, Proxy]]:
    """Give the listeners that clients' AMQP connections go through, by name."""
    for name, listener in proxies(topology):
        if not isinstance(listener, ManagementListener):
            yield name, listener


def refused(topology: Topology, listener: Proxy) -> Span:
    """How soon a server whose port refuses connections is DOWN: its broker died, its host lives."""
    return _down(topology, listener, 0, 0, "")


def silent(topology: Topology, listener: Proxy, *, neighbour: bool = False) -> Span:
    """How soon a server that does not answer at all is DOWN: power, cable, packet filter.

    As a *neighbour*, on the same network, it does not answer who asks for its address either: once that is known, an
    attempt ends sooner.
    """
    attempt = _connect_s(topology, listener)
    span = _down(topology, listener, attempt, attempt, "attempt")
    sooner = _sooner_as_neighbour(listener, attempt) if neighbour and span.is_bounded else 0.0
    if not sooner:
        return span
    formula = f"{span.formula} - where no neighbour answers 0..{number(sooner)}"
    return replace(span, min_s=span.min_s - sooner, formula=formula, source=f"{span.source}; {NEIGHBOURS}")


def _sooner_as_neighbour(listener: Proxy, attempt: float) -> float:
    """How much sooner attempts may end than by their limit, all of them together.

    The neighbour's entry was confirmed by the last check that succeeded, an interval before the first that fails; it
    is FAILED 15 s (half of base_reachable_time) + 5 s (delay) + 3 x 1 s (probes) after that at the earliest.
    """
    check = listener.check
    assert not isinstance(check, NoCheck)
    begins, failed, saved = 0.0, 23.0 - _inter(listener), 0.0
    for _ in range(check.fall):
        takes = min(attempt, max(failed - begins, 0.0) + UNREACHABLE_S)
        saved += attempt - takes
        begins += takes + _fast(listener)
    return saved


def frozen(topology: Topology, listener: Proxy) -> Span:
    """How soon a server is DOWN whose kernel accepts connections and whose broker does nothing: stopped, deadlocked."""
    if isinstance(listener.check, TcpCheck):
        why = "a check that only connects is answered by the kernel, until the broker's backlog is full"
        return never(why, "HAProxy src/tcpcheck.c tcpcheck_eval_connect; measured", VERSIONS)
    if isinstance(listener.check, NoCheck) or topology.check_port(listener)[1]:
        # A TLS handshake that is not answered ends as the connect it is part of: CO_FL_WAIT_XPRT in
        # tcpcheck_eval_connect; attempts of min(inter, timeout connect) measured on 2.2.9, 2.6.12, 3.0.11 and 3.2.26.
        return silent(topology, listener)
    check = _timeout(topology, listener, "check")
    if check is None:
        inter = _inter(listener)
        return _down(topology, listener, inter, inter, "attempt")
    # Once connected the deadline is timeout check, and before a mend it was noticed at the old one of the connect.
    late = late_timeout(topology)
    attempt = max(check, _connect_s(topology, listener)) if late else check
    return _down(topology, listener, attempt, attempt, "attempt")


def late_timeout(topology: Topology) -> bool:
    """Whether a check that has connected notices ``timeout check`` at the connect's deadline only.

    Until commit 7c788f098 of June 2025: in the CHANGELOG of 3.2.1, absent from that of 3.0.11; of the other series, the
    first release after that month is taken for mended.
    """
    version = Version.parse(topology.versions.haproxy)
    mended = {(2, 4): 30, (2, 6): 23, (2, 8): 16, (3, 0): 12, (3, 1): 8, (3, 2): 1}.get(version.series)
    return version < (3, 3) and (mended is None or version.patch < mended)


def back_up(topology: Topology, listener: Proxy, *, was_silent: bool = False) -> Span:
    """How soon a server that answers again is UP, from its first answer on."""
    check = listener.check
    if isinstance(check, NoCheck):
        return Span(0, 0, "no health check", CHECKS, VERSIONS)
    rest = (check.rise - 1) * _fast(listener)
    wait = check.downinter.s if check.downinter else _inter(listener)
    formula = f"phase 0..{number(wait)}"
    if was_silent:
        # An attempt that is under way succeeds with its next SYN; after its last one, the next attempt has to come.
        attempt = _connect_s(topology, listener)
        left = attempt - max(second for second in SYN_S if second < attempt)
        wait += left
        formula += f" + end of an attempt 0..{number(left)}"
    if check.rise > 1:
        formula += f" + {check.rise - 1} x {'fastinter' if check.fastinter else 'inter'} {number(_fast(listener))}"
    return Span(rest, wait + rest, formula, CHECKS, VERSIONS)


def first_attempt(topology: Topology, listener: Proxy, *, is_silent: bool) -> tuple[Span, bool]:
    """What a new connection meets at a dead server that is not yet DOWN: how long, and whether it gets through."""
    assert topology.haproxy is not None
    defaults = topology.haproxy.defaults
    retries = defaults.retries if listener.retries is None else listener.retries
    connect = _timeout(topology, listener, "connect")
    once = (math.inf if connect is None else connect) if is_silent else 0.0
    pause = 0.0 if is_silent else TURN_AROUND_S if connect is None else min(connect, TURN_AROUND_S)
    several = len(listener.servers or topology.brokers) > 1
    hashed = listener.balance == "source"
    source = "HAProxy src/backend.c back_handle_st_cer, stream_choose_redispatch; measured"
    if defaults.redispatch and retries and several and not hashed:
        # Older releases pause before a retry elsewhere too, except with the round-robin kinds.
        at_once = topology.versions.can("haproxy.redispatch_at_once") or listener.balance in ("roundrobin", "static-rr")
        waits = 0.0 if at_once else pause
        formula = " + ".join([f"timeout connect {number(once)}"] * is_silent + [f"pause {number(waits)}"] * bool(waits))
        return Span(once + waits, once + waits, formula or "another server at once", source, VERSIONS), True
    # With a hash the last retry is redispatched without a pause before it, and meets the same server again.
    pauses = max(retries - 1, 0) if hashed and defaults.redispatch else retries
    total = (retries + 1) * once + pauses * pause
    formula = f"{retries + 1} x timeout connect {number(once)}" if is_silent else f"{pauses} x pause {number(pause)}"
    return Span(total, total, formula, source, VERSIONS), False


def _down(topology: Topology, listener: Proxy, attempt_min: float, attempt_max: float, attempt: str) -> Span:
    assert topology.haproxy is not None
    check = listener.check
    if isinstance(check, NoCheck):
        return never("no health check", "HAProxy configuration.txt, 5.2 check", VERSIONS)
    inter, fast = _inter(listener), _fast(listener)
    spread = (topology.haproxy.global_.spread_checks or 0) / 100
    formula = f"phase 0..{number(inter * (1 + spread))}"
    if attempt:
        times = number(attempt_min) if attempt_min == attempt_max else f"{number(attempt_min)}..{number(attempt_max)}"
        formula += f" + {check.fall} x {attempt} {times}"
    if check.fall > 1:
        formula += f" + {check.fall - 1} x {'fastinter' if check.fastinter else 'inter'} {number(fast)}"
        formula += f" +/- {number(spread * 100)} %" if spread else ""
    pauses = (check.fall - 1) * fast
    low = check.fall * attempt_min + pauses * (1 - spread)
    high = inter * (1 + spread) + check.fall * attempt_max + pauses * (1 + spread)
    if listener.server.observe:
        low, formula = 0.0, f"{formula}; sooner where clients' own connections fail (observe)"
    return Span(low, high, formula, CHECKS, VERSIONS)


def _inter(listener: Proxy) -> float:
    check = listener.check
    assert isinstance(check, AmqpCheck | TcpCheck | HttpCheck)
    return check.inter.s if check.inter else DEFAULT_INTER_S


def _fast(listener: Proxy) -> float:
    check = listener.check
    assert isinstance(check, AmqpCheck | TcpCheck | HttpCheck)
    return check.fastinter.s if check.fastinter else _inter(listener)


def _timeout(topology: Topology, listener: Proxy, name: str) -> float | None:
    assert topology.haproxy is not None
    own: Duration | None = getattr(listener.timeouts, name)
    given: Duration | None = own if own is not None else getattr(topology.haproxy.defaults.timeouts, name)
    return given.s if given else None


def _connect_s(topology: Topology, listener: Proxy) -> float:
    """How long a check tries to connect: ``inter``, and with ``timeout check`` no longer than ``timeout connect``."""
    if isinstance(listener.check, NoCheck):
        return 0.0
    inter = _inter(listener)
    connect = _timeout(topology, listener, "connect")
    if _timeout(topology, listener, "check") is None or connect is None:
        return inter
    return min(inter, connect)
