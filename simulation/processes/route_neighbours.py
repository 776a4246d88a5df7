"""A place's neighbour entry for a virtual address: which host its packets go to, and how long they go to a wrong one.

Linux net/core/neighbour.c (neigh_timer_handler, neigh_update, __neigh_event_send) and net/ipv4/arp.c (arp_process,
arp_tbl), alike from 4.19 to 6.18. Whoever sends to the address does so all the time, so a STALE entry is at once a
DELAYed one, and what the other end acknowledges keeps an entry REACHABLE; segments that are not acknowledged confirm
nothing (tcp_input.c tcp_ack, sk_dst_confirm).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from simulation.machines.clocks import next_tick
from simulation.machines.machine import NEVER
from simulation.machines.wire import NEIGHBOUR_DELAY_S, NEIGHBOUR_PROBES_S

__all__ = ["REACHABLE_S", "Heard", "Leads", "Looked", "Neighbour", "NeighbourInput"]

REACHABLE_S = (15.0, 45.0)
"""What a kernel draws its reachable_time from: half to one and a half times base_reachable_time, which is 30 s
(net/core/neighbour.c neigh_rand_reach_time, net/ipv4/arp.c arp_tbl)."""

RETRANSMIT_S = 1.0
"""retrans_time, net/ipv4/arp.c arp_tbl: probes and questions go out so far apart."""


class Looked(NamedTuple):
    """Something may have changed: whether the entry's host acknowledges, and whether anybody would answer."""

    works: bool
    answered: bool


class Heard(NamedTuple):
    """A gratuitous ARP of a host has come, and whether that host acknowledges packets to the address."""

    host: str
    works: bool


NeighbourInput: TypeAlias = Looked | Heard


class Leads(NamedTuple):
    """From now on packets go to this host, or nowhere."""

    at: float
    host: str | None


class Neighbour:
    """One entry. *ask* gives who answers first when all are asked for the address; *reachable_s* the kernel's draw."""

    def __init__(
        self, now: float, host: str | None, ask: Callable[[], str | None], reachable_s: Callable[[float], float]
    ) -> None:
        """Begin with an entry that is in use, or with the first packet of all, which asks for the address."""
        self._ask, self._reachable_s = ask, reachable_s
        self._state: Literal["reachable", "delay", "probe", "failed"] = "reachable"
        self._answered = self._works = host is not None
        self._until = NEVER  # when the state ends by itself
        self.host = host or ask()
        if self.host is None:
            self._fail(now)
        else:
            self._works = True

    @property
    def due(self) -> float:
        """When it next comes into another state."""
        return self._until

    def fire(self) -> list[Leads]:
        """Come into that state."""
        now = self._until
        if self._state == "reachable":
            self._state, self._until = "delay", now + NEIGHBOUR_DELAY_S
        elif self._state == "delay":
            self._state, self._until = "probe", now + NEIGHBOUR_PROBES_S
        else:
            return self._resolve(now)
        return []

    def feed(self, now: float, input_: NeighbourInput) -> list[Leads]:
        """Take in what happens at *now*."""
        match input_:
            case Looked(works, answered):
                self._look(now, works=works)
                self._answered = answered
                if self._state == "failed":
                    next_question = next_tick(self._failed + RETRANSMIT_S, RETRANSMIT_S, now)
                    self._until = next_question if answered else NEVER
            case Heard(host, works) if host == self.host:
                self._look(now, works=works)  # the entry says so already, and stays in its state
            case Heard(host, works):
                # arp_process: a gratuitous ARP overrides at once, and makes the entry STALE.
                self.host, self._works = host, works
                self._state, self._until = ("reachable", NEVER) if works else ("delay", now + NEIGHBOUR_DELAY_S)
                return [Leads(now, host)]
        return []

    def _look(self, now: float, *, works: bool) -> None:
        was, self._works = self._works, works
        if self._state == "failed" or was == works:
            return
        if not works and self._state == "reachable":
            self._state, self._until = "reachable", now + self._reachable_s(now)
        elif works and (self._state != "probe" or now <= self._until - RETRANSMIT_S):
            # Acknowledgements within DELAY confirm it, and so does the answer to one of three probes.
            self._state, self._until = "reachable", NEVER

    def _resolve(self, now: float) -> list[Leads]:
        """FAILED: the next packet asks everybody."""
        before, self.host = self.host, self._ask()
        if self.host is None:
            self._fail(now)
        else:
            self._state, self._works, self._until = "reachable", True, NEVER
        return [Leads(now, self.host)] if self.host != before else []

    def _fail(self, now: float) -> None:
        self._state, self._works, self._failed = "failed", False, now
        # Each packet asks anew when the three questions before were in vain, so they go on without a pause.
        self._until = now + RETRANSMIT_S if self._answered else NEVER
