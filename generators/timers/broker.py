"""RabbitMQ: how soon its nodes see that one of them is gone, and how long a quorum queue has no leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generators.timers.span import Span, number
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = [
    "boot_wait",
    "detector_poll_s",
    "election_after_crash",
    "election_after_silence",
    "election_after_stop",
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

RA = "ra src/ra_server_proc.erl election_timeout_action, equal in Ra 1.1.8 to 3.1.10; derived, two followers"
VERSIONS = "RabbitMQ 3.8 to 4.3"


def detector_poll_s(topology: Topology) -> float:
    """Give how often quorum queues' failure detector judges its peers."""
    interval = topology.rabbitmq.raft_detector.poll_interval
    if interval is not None:
        return interval.s
    return POLL_S if Version.parse(topology.versions.rabbitmq) >= Version(3, 8, 9) else POLL_BEFORE_3_8_9_S


def net_tick(topology: Topology) -> Span:
    """How soon Erlang declares a silent node down: this is when mirrored queues and partition handling act."""
    tick = float(topology.rabbitmq.net_ticktime.whole_s)
    formula = f"net_ticktime {number(tick)} + 0..{number(tick / 4)}"
    # The link is never quiet before the fault, since aten beats on it: not the 0.75 to 1.25 of Erlang's own manual.
    return Span(tick, 1.25 * tick, formula, "otp lib/kernel/src/dist_util.erl send_tick; derived", VERSIONS)


def election_after_crash(topology: Topology) -> Span:
    """How long a quorum queue is without leader when its leader's broker dies and its host says so."""
    del topology
    return Span(0.1, 0.6, "0.1 + 0..0.5", RA, VERSIONS)


def election_after_stop(topology: Topology) -> Span:
    """How long a quorum queue is without leader when its leader's broker is stopped in order."""
    del topology
    return Span(0, 0.1, "0..0.1", RA, VERSIONS)


def election_after_silence(topology: Topology) -> Span:
    """How long a quorum queue is without leader when its leader's host falls silent."""
    detector = topology.rabbitmq.raft_detector
    beat = detector.heartbeat_interval.s if detector.heartbeat_interval else BEAT_S
    suspicion = beat * (detector.scaling_factor or SCALING)
    poll = detector_poll_s(topology)
    formula = f"suspicion {number(suspicion)} + poll 0..{number(poll)} + timer {number(poll)} + 0..1"
    return Span(suspicion + poll, suspicion + 2 * poll + 1, formula, f"aten src/aten_detect.erl; {RA}", VERSIONS)


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
