"""What a distribution link is told, what it says, and what it is set to.

Sources: OTP ``lib/kernel/src/dist_util.erl`` (``send_tick``); RabbitMQ ``rabbit_node_monitor.erl``, 3.8 to 4.3; Linux
``net/ipv4/tcp_timer.c``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason

__all__ = [
    "TICKS",
    "Disconnect",
    "Heard",
    "LinkDown",
    "LinkInput",
    "LinkOutput",
    "LinkSettings",
    "LinkUp",
    "LinkWorld",
    "Phases",
    "Process",
    "Seek",
]

TICKS = 4
"""Ticks in a net_ticktime, and how many of them without a byte end a link: dist_util:send_tick."""


class Process(enum.Enum):
    """What became of the Erlang VM at one end.

    - *runs*;
    - *hangs*: SIGSTOP or a frozen scheduler; its kernel acknowledges what it does not read;
    - *ended*: its host answers for it, with FIN and RST;
    - *gone*: nobody answers, as after a power cut.
    """

    RUNS = "runs"
    HANGS = "hangs"
    ENDED = "ended"
    GONE = "gone"


class LinkWorld(NamedTuple):
    """What there is between and at the two ends; fed whenever some of it changes.

    ``passes[i]``: packets of end i arrive at the other. A cut in one direction silences both: without acknowledgements
    TCP stops sending new bytes [D].
    """

    passes: tuple[bool, bool] = (True, True)
    process: tuple[Process, Process] = (Process.RUNS, Process.RUNS)


class Disconnect(NamedTuple):
    """Both ends give their connection up, and for a second neither makes a new one: rabbit_node_monitor:disconnect."""

    end: int


class Seek(NamedTuple):
    """A VM that was started asks for its database, and so connects to whoever has not connected to it yet."""

    end: int


LinkInput: TypeAlias = LinkWorld | Disconnect | Seek


class Phases(NamedTuple):
    """The first instants of a node's own clocks; all its links share them."""

    tick: float
    beat: float


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What decides how long silence lasts; of the two ends where it may differ."""

    net_ticktime_s: float = 60.0  # kernel.net_ticktime; equal on all nodes
    beat_s: float = 0.1  # aten_emitter.erl INTERVAL: how often there surely are bytes
    retries2: tuple[int, int] = (15, 15)  # net.ipv4.tcp_retries2; the kernel's own value is 15
    rto_s: float = 0.204  # 200 ms and a jiffy of 4 ms: the smallest there is; who drives a link draws it
    setup_s: float = 7.0  # net_setuptime, kernel_app(6): 7 s per network operation
    wheels: tuple[float, float] = (0.0, 0.0)  # where the kernels' timers have their buckets; see retransmitting.resent
    ping_s: float = 1.0  # RABBIT_DOWN_PING_INTERVAL, rabbit_node_monitor.erl

    @property
    def tick_s(self) -> float:
        """Time from one tick to the next."""
        return self.net_ticktime_s / TICKS

    @classmethod
    def from_design(cls, topology: Topology, one: str, other: str) -> LinkSettings:
        """Give those of the link between the brokers on two hosts."""
        beat = topology.rabbitmq.raft_detector.heartbeat_interval
        net_ticktime = float(topology.rabbitmq.net_ticktime.whole_s)
        # A node that wrote nothing since its last tick sends one, so there is no longer pause than a tick.
        return cls(
            net_ticktime_s=net_ticktime,
            beat_s=min(beat.s if beat else cls().beat_s, net_ticktime / TICKS),
            retries2=(topology.os_of(one).tcp_retries2 or 15, topology.os_of(other).tcp_retries2 or 15),
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """Bytes of the peer arrive at an end again, or no longer do; *last* is when the last ones did."""

    t: float
    end: int
    hears: bool
    last: float


@dataclass(frozen=True, slots=True)
class LinkDown:
    """An end sees ``nodedown``."""

    t: float
    end: int
    cause: Literal["connection_closed", "net_tick_timeout"]
    reason: Reason


@dataclass(frozen=True, slots=True)
class LinkUp:
    """An end sees ``nodeup``."""

    t: float
    end: int


LinkOutput: TypeAlias = Heard | LinkDown | LinkUp
