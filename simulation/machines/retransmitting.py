"""When a kernel sends again what nobody acknowledges, and when it gives up: with timers as late as its wheel has them.

Sources: Linux ``kernel/time/timer.c`` (``calc_wheel_index``, ``calc_index``, since 4.8), ``net/ipv4/tcp_timer.c``
(``tcp_retransmit_timer``, ``retransmits_timed_out``), ``include/net/tcp.h``.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator

__all__ = ["JIFFY_S", "WHEEL_S", "gives_up", "resent"]

JIFFY_S = 0.004
"""CONFIG_HZ is 250 in Debian's kernels, and in the lab's, as /proc/config.gz has it."""
WHEEL_S = JIFFY_S * 8**4
"""The coarsest buckets that a pause of up to 120 s falls into: within this its clock's phase decides."""

_MIN, _MAX = 50, 30_000
"""TCP_RTO_MIN (200 ms) and TCP_RTO_MAX (120 s), in jiffies."""


def resent(sent: float, rto_s: float, t: float, zero: float) -> float:
    """Give the first instant, not before *t*, at which a segment of *sent* is sent again.

    *zero* is an instant at which the kernel's count of jiffies was a multiple of all buckets.

    A timer goes off with its bucket, and buckets grow with the time that is left: 4 ms for less than 252 ms, 32 ms for
    less than 2 s, 256 ms for less than 16 s, 2 s for less than 129 s. Each pause begins when the one before it really
    ended, so with 204 ms the sixth retransmission goes out 13.1 to 13.3 s after the segment, not after 12.9 s; with
    208 ms after 13.5 to 13.7 s. In the lab brokers noticed the loss of a host's power, which was back after 9 or 13 s,
    13.07 to 13.44 s after it, on 10 links of 12 (the others, of one loss, 12.5 and 12.8 s after it was told); and
    after cuts of 9 and of 13 s mirrored queues confirmed again 13.36 to 13.81 s after their last confirm, in 7 of 7.
    """
    return next(at for jiffy in _times(sent, rto_s, zero) if (at := zero + JIFFY_S * jiffy) >= t)


def gives_up(sent: float, rto_s: float, retries2: int, zero: float) -> float:
    """Give when a kernel ends a connection whose segment of *sent* nobody acknowledges (ETIMEDOUT).

    The limit is a time, counted from the first *re*transmission and looked at when the timer fires only, so it is
    passed by up to its own length.
    """
    exact = min(retries2, 9)  # ilog2(TCP_RTO_MAX / TCP_RTO_MIN): from there on it grows by TCP_RTO_MAX
    limit = ((2 << exact) - 1) * _MIN + (retries2 - exact) * _MAX
    times = _times(sent, rto_s, zero)
    first = next(times)
    return zero + JIFFY_S * next(at for at in times if at - first >= limit)


def _times(sent: float, rto_s: float, zero: float) -> Iterator[int]:
    """Give in which jiffies it is sent again, for ever."""
    began, pause = math.floor((sent - zero) / JIFFY_S), max(1, round(rto_s / JIFFY_S))
    for number in itertools.count(1):
        yield _resent(began, pause, number)


@functools.lru_cache(maxsize=4096)
def _resent(began: int, pause: int, number: int) -> int:
    """Give in which jiffy retransmission *number* (1, 2, ...) goes out."""
    before = began if number == 1 else _resent(began, pause, number - 1)
    return _fires(before, min(pause << (number - 1), _MAX))


def _fires(now: int, pause: int) -> int:
    """Give in which jiffy a timer goes off that is set to do so after *pause*."""
    shift = 0
    while pause >= 63 << shift:
        shift += 3
    return (((now + pause) >> shift) + 1) << shift
