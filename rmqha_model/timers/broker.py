"""RabbitMQ: how soon its nodes see that one of them is gone, and how long a quorum queue has no leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model.timers import kernel
from rmqha_model.timers.span import Span, joined, number
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = [
    "boot_wait",
    "detector_poll_s",
    "election_after_crash",
    "election_after_silence",
    "election_after_stop",
    "hung",
    "net_tick",
    "redelivery",
]

POLL_S = 5.0
"""How often aten judges peers in RabbitMQ from 3.8.9 on: rabbit_prelaunch_conf:set_default_config."""
POLL_BEFORE_3_8_9_S = 1.0
"""Before: aten's own default, aten_detector.erl."""

BEAT_S = 0.1
"""How often aten beats: INTERVAL in aten_emitter.erl, all versions."""
SCALING = 1.5
"""How much longer than a beat a silence is to count: aten_sink.erl, all versions."""

VOTES_S = (0.005, 0.05)
"""Two rounds of votes and a write to disk on a local network; derived."""

RA = "ra src/ra_server_proc.erl election_timeout_action, equal in Ra 1.1.8 to 3.1.10; derived, two followers"
VERSIONS = "RabbitMQ 3.8 to 4.3"


def detector_poll_s(topology: Topology) -> float:
    """Give how often quorum queues' failure detector judges its peers."""
    interval = topology.rabbitmq.raft_detector.poll_interval
    if interval is not None:
        return interval.s
    return POLL_S if Version.parse(topology.versions.rabbitmq) >= Version(3, 8, 9) else POLL_BEFORE_3_8_9_S


def net_tick(topology: Topology) -> Span:
    """How soon a silent broker is declared down: this is when mirrored queues and partition handling act.

    By Erlang's ticks, or by the kernel of whoever sends to it, which gives up data that nobody acknowledges: what
    comes first.
    """
    tick, beat = hung(topology), _beat_s(topology)
    patience = [kernel.gives_up(topology, host) for host in topology.brokers]
    low, high = min(span.min_s for span in patience), max(span.max_s for span in patience) + beat
    if low >= tick.max_s:
        return tick
    longest = max(patience, key=lambda span: span.max_s)
    formula = f"{longest.formula}, or {tick.formula}, what is first"
    if high <= tick.min_s:
        formula = f"to the next beat 0..{number(beat)} + {longest.formula}"
    mean = min(max(span.mean_s for span in patience) + beat / 2, tick.mean_s)
    source = joined(tick.source, longest.source)
    return Span(min(low, tick.min_s), min(high, tick.max_s), formula, source, VERSIONS, mean)


def hung(topology: Topology) -> Span:
    """How soon Erlang declares a broker down that does nothing while its kernel goes on acknowledging: its ticks."""
    tick = float(topology.rabbitmq.net_ticktime.whole_s)
    beat = _beat_s(topology)
    formula = f"net_ticktime {number(tick)} + 0..{number(tick / 4)} - since the last beat 0..{number(beat)}"
    # The link is never quiet before the fault, since aten beats on it: not the 0.75 to 1.25 of Erlang's own manual.
    source = "otp lib/kernel/src/dist_util.erl send_tick; derived"
    return Span(tick - beat, 1.25 * tick, formula, source, VERSIONS)


def election_after_crash(topology: Topology, members: int = 3) -> Span:
    """How long a quorum queue of *members* is without leader when its leader's broker dies and its host says so."""
    del topology
    low, high = VOTES_S
    mean = 0.1 + 0.5 / members + (low + high) / 2  # the first of members - 1 timers
    return Span(0.1 + low, 0.6 + high, f"0.1 + 0..0.5 + votes {number(low)}..{number(high)}", RA, VERSIONS, mean)


def election_after_stop(topology: Topology, members: int = 3) -> Span:
    """How long a quorum queue of *members* is without leader when its leader's broker is stopped in order."""
    del topology
    low, high = VOTES_S
    mean = 0.1 / members + (low + high) / 2
    return Span(low, 0.1 + high, f"0..0.1 + votes {number(low)}..{number(high)}", RA, VERSIONS, mean)


def election_after_silence(topology: Topology, members: int = 3) -> Span:
    """How long a quorum queue of *members* is without leader when its leader's host falls silent."""
    beat, poll = _beat_s(topology), detector_poll_s(topology)
    suspicion = beat * (topology.rabbitmq.raft_detector.scaling_factor or SCALING)
    votes = VOTES_S
    formula = (
        f"suspicion {number(suspicion)} - since the last beat 0..{number(beat)} + poll 0..{number(poll)} "
        f"+ timer {number(poll)} + 0..1 + votes {number(votes[0])}..{number(votes[1])}"
    )
    low = max(suspicion - beat, 0.0) + poll + votes[0]
    high = suspicion + 2 * poll + 1 + votes[1]
    first = _mean_of_the_first(poll, 1.0, members - 1)
    mean = suspicion - beat / 2 + poll + first + sum(votes) / 2
    return Span(low, high, formula, f"aten src/aten_detect.erl; {RA}", VERSIONS, mean)


def _beat_s(topology: Topology) -> float:
    own = topology.rabbitmq.raft_detector.heartbeat_interval
    return own.s if own else BEAT_S


def _mean_of_the_first(one: float, other: float, count: int, steps: int = 400) -> float:
    """Give the mean of the least of *count* sums of two even draws, 0 to *one* and 0 to *other*."""
    long, short = max(one, other), min(one, other)

    def beyond(x: float) -> float:
        if x <= short:
            below = x * x / (2 * long * short)
        elif x <= long:
            below = (x - short / 2) / long
        else:
            below = 1 - (long + short - x) ** 2 / (2 * long * short)
        return float((1 - below) ** max(count, 1))

    width = (long + short) / steps
    return width * sum(beyond((step + 0.5) * width) for step in range(steps))


def redelivery(topology: Topology) -> Span:
    """How long messages wait that consumers on a lost broker held, once the others see that it is gone."""
    source = "rabbit src/rabbit_fifo.erl, {down, Pid, noconnection}"
    if topology.versions.can("rabbitmq.khepri_only"):  # both came with 4.3
        return Span(0, 60, "until it is back, or consumer_disconnected_timeout 60", source, "RabbitMQ 4.3")
    return Span(0, 0, "at once", source, "RabbitMQ 3.8 to 4.2")


def boot_wait(topology: Topology) -> Span:
    """How long a starting node waits for its peers before it gives up."""
    # 30 s x 10: mnesia_table_loading_retry_*; with Khepri khepri_leader_wait_retry_timeout.
    khepri = topology.versions.can("rabbitmq.khepri_only")
    formula = "khepri_leader_wait_retry_timeout 300" if khepri else "mnesia_table_loading_retry 10 x 30"
    return Span(0, 300, formula, "rabbit src/rabbit_khepri.erl, rabbit_table.erl", VERSIONS)
