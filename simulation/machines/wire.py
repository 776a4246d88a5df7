"""What a connection to a port of another host meets: an answer, a refusal, silence, or no way there.

The kernel of the host that connects decides how soon that is known. Instants inside are whole microseconds: sums of
them are exact, so an instant that is computed is the one that repeated addition gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["FOREVER", "LINEAR", "OLD", "UNREACHABLE_US", "Dial", "Kernel", "Target", "fails_at", "seconds", "us"]

Kind: TypeAlias = Literal["answering", "refused", "silent", "unroutable", "frozen"]

MILLION = 1_000_000
FOREVER = 1 << 62
"""An instant that does not come."""

UNREACHABLE_US = 3_060_000
"""From a SYN that finds its neighbour FAILED to EHOSTUNREACH: mcast_solicit 3 probes, retrans_time 1 s apart
(net/core/neighbour.c neigh_timer_handler; measured on Linux 6.18: 3.05 to 3.08 s)."""

NEIGHBOUR_DELAY_S = 5.0
"""delay_first_probe_time, net/ipv4/arp.c arp_tbl."""

NEIGHBOUR_PROBES_S = 3.0
"""ucast_solicit 3 probes, retrans_time 1 s apart, net/ipv4/arp.c arp_tbl."""


def us(seconds_: float) -> int:
    """Give seconds as microseconds."""
    return round(seconds_ * MILLION)


def seconds(us_: int) -> float:
    """Give microseconds as seconds."""
    return us_ / MILLION


@dataclass(frozen=True, slots=True)
class Kernel:
    """When a kernel sends the SYNs of a connection (µs after the first), and when it gives the connection up."""

    syns: tuple[int, ...]
    gives_up: int


LINEAR = Kernel(tuple(s * MILLION for s in (0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67)), 131 * MILLION)
"""Linux 6.5 and newer: tcp_syn_linear_timeouts 4, tcp_syn_retries 6 (Documentation/networking/ip-sysctl.rst; SYNs
measured on 6.18)."""

OLD = Kernel(tuple(s * MILLION for s in (0, 1, 3, 7, 15, 31, 63)), 127 * MILLION)
"""Linux before 6.5: tcp_syn_retries 6, each pause twice the one before."""


@dataclass(frozen=True, slots=True)
class Target:
    """How a port of another host behaves, as seen by the one that connects.

    - *answering*: connects after *connect_s*; handshakes TLS within *handshake_s*; says *answer* after *answer_s*.
    - *refused*: nobody listens, and the host's kernel says so.
    - *silent*: what is sent is lost: no power, a cut behind a switch or router, a filter that drops.
    - *unroutable*: the neighbour's entry has FAILED (see :func:`fails_at`), or was flushed with the own carrier.
    - *frozen*: the kernel accepts and the program does nothing; once *full*, its accept queue has no place and the
      kernel drops each SYN (tcp_abort_on_overflow 0), which looks silent.
    """

    kind: Kind
    connect_s: float = 0.0
    handshake_s: float = 0.0
    answer_s: float = 0.0
    answer: Literal["good", "bad", "closed"] = "good"
    full: bool = False

    @property
    def accepts(self) -> bool:
        """Whether a SYN is answered with a SYN-ACK."""
        return self.kind == "answering" or (self.kind == "frozen" and not self.full)

    @property
    def speaks(self) -> bool:
        """Whether a program answers on what is connected."""
        return self.kind == "answering"


def fails_at(confirmed: float, reachable_s: float, packet: float) -> float:
    """Give when the entry of a neighbour that has vanished without a word becomes FAILED.

    *confirmed* is when it was last heard: each connection that succeeds confirms it. *reachable_s* is the kernel's
    own draw per interface, uniform in 15 to 45 s (base_reachable_time 30 s; ``ip ntable`` shows it; drawn anew every
    300 s). *packet* is the first packet to the neighbour at or after confirmed + reachable_s, where the entry is
    STALE: it leads to DELAY, PROBE and FAILED.

    net/core/neighbour.c neigh_timer_handler. Eight runs on Linux 6.18, with checks 5 s apart and reachable times of
    15.8 to 35.4 s, fit it; the instant itself was not seen, only which attempt was the first to end early.
    """
    return max(packet, confirmed + reachable_s) + NEIGHBOUR_DELAY_S + NEIGHBOUR_PROBES_S


class Dial:
    """A connect() under way: ``end`` and ``result`` are what comes of it if its target stays as it is.

    Results: ``connected``, ``refused``, ``unreachable``, ``gave_up``. What a SYN meets is decided when it is sent.
    """

    __slots__ = ("_asked", "_decided", "_kernel", "_probing", "_start", "_target", "end", "result")

    def __init__(self, start: int, target: Target, kernel: Kernel) -> None:
        self._start = start
        self._kernel = kernel
        self._target = target
        self._probing: int | None = None
        self._asked = FOREVER
        self._decided = self.end = FOREVER
        self.result = ""
        self._look(start)

    def change(self, now: int, target: Target) -> None:
        """Take in that from *now* on the target is another one; nothing that is over is undone."""
        if self._decided < now:
            if self.result != "unreachable" or self.end < now:
                return
            self._probing = self._decided
        if self._asked < now:
            self._probing, self._asked = None, FOREVER
        self._target = target
        self._look(now)

    def next_syn(self, now: int) -> int | None:
        """Give the first SYN the kernel would send at or after *now*."""
        return next((syn for s in self._kernel.syns if (syn := self._start + s) >= now), None)

    def _look(self, now: int) -> None:
        """Find what decides, from *now* on."""
        target = self._target
        if self._probing is None:
            syn = self.next_syn(now)
        else:
            # Who returns while its address is asked for answers the next question; then the SYN that waits is sent.
            syn = next((p for k in range(3) if (p := self._probing + k * MILLION) >= now), None)
            self._asked = FOREVER if syn is None or target.kind == "unroutable" else syn
            if self._asked == FOREVER:
                self._settle(self._probing, self._probing + UNREACHABLE_US, "unreachable")
                return
        if syn is None:
            self._settle(FOREVER, self._start + self._kernel.gives_up, "gave_up")
        elif target.accepts:
            self._settle(syn, syn + us(target.connect_s), "connected")
        elif target.kind == "refused":
            self._settle(syn, syn + us(target.connect_s), "refused")
        elif target.kind == "unroutable":
            self._settle(syn, syn + UNREACHABLE_US, "unreachable")
        else:
            self._settle(FOREVER, self._start + self._kernel.gives_up, "gave_up")

    def _settle(self, decided: int, end: int, result: str) -> None:
        self._decided, self.end, self.result = decided, end, result
