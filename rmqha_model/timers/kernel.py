"""Linux: when it sends again what nobody acknowledges, and when it gives a connection up.

Sources: net/ipv4/tcp_timer.c tcp_write_timeout, retransmits_timed_out, tcp_model_timeout; include/net/tcp.h.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from rmqha_model.timers.span import Span, number

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["RETRIES2", "gives_up", "resent"]

RTO_MIN_S, RTO_MAX_S = 0.2, 120.0
"""TCP_RTO_MIN and TCP_RTO_MAX."""

RETRIES2 = 15
"""TCP_RETR2: net.ipv4.tcp_retries2 where nobody sets it."""

LAN_RTO_S = tuple(step / 1000 for step in range(200, 211))
"""First retransmission times of a local network: 200 ms and what rounding to the kernel's ticks adds, 1 to 10 ms."""

SOURCE = "Linux net/ipv4/tcp_timer.c retransmits_timed_out"
VERSIONS = "Linux 5.4 to 6.18"


def gives_up(topology: Topology, host: str) -> Span:
    """How long after its first transmission *host* gives up data that nobody acknowledges.

    The limit is a time that is looked at when the timer fires only, so a millisecond of the first retransmission time
    decides whether it is passed by nothing or by its own length.
    """
    said = topology.os_of(host).tcp_retries2
    retries2 = RETRIES2 if said is None else said
    times = [_passes(retries2, rto) for rto in LAN_RTO_S]
    formula = f"tcp_retries2 {retries2}: {number(min(times))}..{number(max(times))}"
    return Span(min(times), max(times), formula, SOURCE, VERSIONS, math.fsum(times) / len(times))


def resent(silence: Span, phase_s: float) -> Span:
    """When the first retransmission comes that is not before the end of *silence*.

    It is that of a segment first sent up to *phase_s* after the silence began. Each is as late as twice the one before
    it, so it may come twice as late as the silence ends.
    """
    if not math.isfinite(silence.max_s):
        return silence
    low = min(_resent(silence.min_s, phase_s, rto, least=True) for rto in LAN_RTO_S)
    high = max(_resent(silence.max_s, phase_s, rto, least=False) for rto in LAN_RTO_S)
    formula = f"({silence.formula}), then the next retransmission, 0.2 x (2^k - 1) after what was sent"
    return Span(low, high, formula, f"{silence.source}; {SOURCE}", silence.versions)


def _resent(until: float, phase_s: float, rto: float, *, least: bool) -> float:
    """Give the least, or the greatest, instant of such a retransmission over all instants of the first sending."""
    if until <= 0:
        return 0.0 if least else phase_s
    steps = [0.0, rto]
    while steps[-1] < until:
        steps.append(steps[-1] + min(rto * 2.0 ** (len(steps) - 1), RTO_MAX_S))
    if phase_s >= until:
        return until if least else max(phase_s, _resent(until, math.nextafter(until, 0.0), rto, least=least))
    if least:
        hits = any(0 <= until - step <= phase_s for step in steps)
        return until if hits else min(step for step in steps if step >= until)
    late = [until - one + other for one, other in itertools.pairwise(steps) if 0 < until - one <= phase_s]
    return max([*late, phase_s + min(step for step in steps if step >= until - phase_s)])


def _passes(retries2: int, rto: float) -> float:
    doublings = min(retries2, int(RTO_MAX_S / RTO_MIN_S).bit_length() - 1)
    limit = ((2 << doublings) - 1) * RTO_MIN_S + (retries2 - doublings) * RTO_MAX_S
    passed, pause = rto, min(2 * rto, RTO_MAX_S)
    while passed - rto < limit:
        passed, pause = passed + pause, min(2 * pause, RTO_MAX_S)
    return passed
