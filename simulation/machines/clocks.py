"""Arithmetic of clocks that the machines share: ticks that are skipped, and the timers of TCP."""

from __future__ import annotations

import math
from typing import TypeAlias

__all__ = ["Reason", "backoff", "give_up", "last_tick", "next_tick", "retransmitted"]

Reason: TypeAlias = tuple[tuple[str, float], ...]
"""What a time is made of: each clock's words and the seconds it contributed."""

RTO_MAX_S = 120.0
"""TCP_RTO_MAX, include/net/tcp.h."""
RTO_MIN_S = 0.2
"""TCP_RTO_MIN, include/net/tcp.h: what tcp_retries2 is turned into seconds with."""


def next_tick(first: float, period: float, t: float) -> float:
    """Give the first of the instants ``first + k * period``, k = 0, 1, ..., that is not before *t*."""
    k = max(0, math.ceil((t - first) / period))
    while k > 0 and first + (k - 1) * period >= t:
        k -= 1
    while first + k * period < t:
        k += 1
    return first + k * period


def last_tick(first: float, period: float, t: float) -> float:
    """Give the last of the instants ``first + k * period``, k = ..., -1, 0, 1, ..., that is not after *t*."""
    k = math.floor((t - first) / period)
    while first + k * period > t:
        k -= 1
    while first + (k + 1) * period <= t:
        k += 1
    return first + k * period


def backoff(rto: float, times: int) -> float:
    """Give how long after a segment's first sending its retransmission number *times* (1, 2, ...) goes out."""
    return math.fsum(min(rto * 2.0**i, RTO_MAX_S) for i in range(times))


def give_up(sent: float, rto: float, retries2: int) -> float:
    """Give when a kernel ends a connection whose segment of *sent* nobody acknowledges (ETIMEDOUT).

    The limit is a time, counted from the first *re*transmission and looked at when the timer fires only, so it is
    passed by up to its own length: tcp_timer.c:tcp_write_timeout, retransmits_timed_out. 15 gives 924.6 s, 6 gives
    25.4 s and in effect 25.9 s with a retransmission time of 204 ms, 51 s with 200 ms.
    """
    exact = min(retries2, 9)  # ilog2(TCP_RTO_MAX / TCP_RTO_MIN): from there on it grows by TCP_RTO_MAX
    limit = (2.0 ** (exact + 1) - 1) * RTO_MIN_S + (retries2 - exact) * RTO_MAX_S
    times = 2
    while backoff(rto, times) - rto < limit:
        times += 1
    return sent + backoff(rto, times)


def retransmitted(sent: float, rto: float, t: float) -> float:
    """Give the first instant, not before *t*, at which a segment of *sent* is sent again."""
    times = 1
    while sent + backoff(rto, times) < t:
        times += 1
    return sent + backoff(rto, times)
