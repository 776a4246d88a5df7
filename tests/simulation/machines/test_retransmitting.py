"""When a kernel sends again, and when it gives up."""

from __future__ import annotations

import itertools
import math

import pytest

from simulation.machines.clocks import give_up
from simulation.machines.retransmitting import JIFFY_S, WHEEL_S, gives_up, resent

SENT = [place * WHEEL_S / 997 for place in range(997)]
"""Instants in all places of the wheel."""


@pytest.mark.parametrize(
    ("rto", "low", "high"),
    [(0.204, 13.06, 13.33), (0.208, 13.45, 13.73), (0.212, 13.56, 13.83), (0.236, 15.07, 15.35)],
)
def test_the_sixth_retransmission_comes_late(rto: float, low: float, high: float) -> None:
    """63 times the first pause, and what buckets of 4, 32 and 256 ms add [lab, 7 of them: 13.36 to 13.81 s]."""
    after = [resent(sent, rto, sent + 12.5, 0.0) - sent for sent in SENT]
    assert low <= min(after) < low + 0.03
    assert high - 0.03 < max(after) <= high


def test_a_cut_of_thirteen_seconds_is_over_in_the_next() -> None:
    """The lab's links came back 0.4 to 0.8 s after one: 4 of 4, as all do here, whichever the round trip."""
    for rto in (0.204, 0.208, 0.212):
        back = [resent(sent, rto, 13.0, sent - place) for place, sent in ((place, 0.05) for place in SENT)]
        assert min(back) >= 13.1
        assert max(back) <= 13.9


def test_short_pauses_are_exact_to_a_jiffy() -> None:
    """No timer goes off early, and the first level has no coarser buckets."""
    for sent in SENT:
        assert 0.204 <= resent(sent, 0.204, sent, 0.0) - sent <= 0.204 + JIFFY_S + 1e-9


def test_retransmissions_follow_each_other() -> None:
    """Each later than the one before, and at the end 120 s and a bucket of 2 s apart at most."""
    at, times = 1.0, []
    for _ in range(20):
        at = resent(1.0, 0.208, math.nextafter(at, math.inf), -3.0)
        times.append(at)
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert [round(pause, 3) for pause in pauses] == sorted(round(pause, 3) for pause in pauses)
    assert 120.0 <= pauses[-1] <= 122.05


@pytest.mark.parametrize(("retries2", "rto"), [(15, 0.204), (6, 0.204), (6, 0.212), (5, 0.208), (10, 0.204)])
def test_the_kernels_patience_is_longer_than_exact_timers_have_it(retries2: int, rto: float) -> None:
    """tcp_retries2 is a lower bound; the timer that passes it ends the connection."""
    exact = give_up(0.0, rto, retries2)
    after = [gives_up(sent, rto, retries2, 0.0) - sent for sent in SENT]
    assert exact < min(after)
    assert max(after) <= exact * 1.15
