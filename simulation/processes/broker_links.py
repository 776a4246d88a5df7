"""The distribution links of a cluster: which Erlang nodes each broker sees, and which of them it hears."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from simulation.driving import Driven
from simulation.machines.link_parts import (
    Disconnect,
    LinkDown,
    LinkInput,
    LinkOutput,
    LinkSettings,
    LinkUp,
    LinkWorld,
    Phases,
    Process,
    Seek,
)
from simulation.machines.links import Link
from simulation.machines.retransmitting import WHEEL_S
from simulation.processes.views import Heard, LinkChanged

if TYPE_CHECKING:
    from simulation.processes.world import World

__all__ = ["Links"]


RTOS_S = (*(0.204,) * 6, *(0.208,) * 3, 0.212, 0.22, 0.236)
"""First retransmission time of a distribution link: 200 ms (TCP_RTO_MIN) and its smoothed round trip, which delayed
acknowledgements make up to 40 ms (TCP_DELACK_MIN, include/net/tcp.h). `ss -ti` on links of RabbitMQ 3.10.8, Linux 6.18,
72 samples over a minute without load: 204 to 236 ms, most often 208. Under the suite's messages 10 links noticed losses
when 204 ms have it, and three partitions ended as 208 and 212 ms have it (simulation.machines.retransmitting): more is
not known of how they are spread."""


class _Pair(NamedTuple):
    """A link, and the brokers at its ends."""

    ends: tuple[str, str]
    driven: Driven[LinkInput, LinkOutput]


class Links:
    """One link for each pair of brokers, told of whatever happens between and at its ends."""

    def __init__(self, world: World, process: Callable[[str], Process]) -> None:
        """Ask *process* what a VM is to its peers."""
        self._world, self._process = world, process
        brokers = world.topology.brokers
        self._seen: dict[str, set[str]] = {host: set(brokers) for host in brokers}
        self._silent: set[tuple[str, str]] = set()
        self._fed: dict[tuple[str, str], LinkWorld] = {}
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self.changed: list[Callable[[LinkChanged], None]] = []
        self.heard: list[Callable[[Heard], None]] = []
        own: dict[str, Phases] = {}
        for one, other in itertools.combinations(brokers, 2):
            rto_s = RTOS_S[int(len(RTOS_S) * world.streams.once(one, other, "retransmission time"))]
            known = LinkSettings.from_design(world.topology, one, other)
            settings = dataclasses.replace(known, rto_s=rto_s, wheels=(self._wheel(one), self._wheel(other)))
            for host in {one, other} - own.keys():
                tick = world.streams.phase(settings.tick_s, host, "net tick")
                own[host] = Phases(tick, world.streams.phase(settings.beat_s, host, "heartbeat of nodes"))
            self._add((one, other), Link(settings, (own[one], own[other])))

    def _wheel(self, host: str) -> float:
        """Give since when a host's kernel counts jiffies, as far as its timers tell."""
        return self._world.streams.phase(WHEEL_S, host, "timer wheel")

    def _add(self, ends: tuple[str, str], link: Link) -> None:
        def seen(output: LinkOutput) -> None:
            self._told(ends, output)

        self._pairs[ends] = self._pairs[ends[::-1]] = _Pair(ends, Driven(self._world.clock, link, seen))
        self._fed[ends] = LinkWorld()

    # -- what there is ----------------------------------------------------------------------------

    def sees(self, host: str) -> frozenset[str]:
        """Give the nodes a broker is connected to, itself included; those of a frozen one are as it last knew."""
        return frozenset(self._seen[host])

    def hears(self, here: str, there: str) -> bool:
        """Whether what one broker sends arrives at another and is read there: on a link that is up and not silent."""
        if here == there:
            return True
        up = there in self._seen[here] and (here, there) not in self._silent
        return up and self._process(here) is Process.RUNS

    def silent(self, here: str) -> bool:
        """Whether a broker waits for one that it takes for connected."""
        return any((here, there) in self._silent for there in self._seen[here])

    # -- what happens -----------------------------------------------------------------------------

    def update(self, hosts: Iterable[str] | None = None) -> None:
        """Tell the links of some brokers, or all, of the network and the VMs as they are now."""
        among = None if hosts is None else set(hosts)
        for host in among or self._seen:
            if self._process(host) in {Process.ENDED, Process.GONE}:
                self._forget(host)
        for ends in list(self._fed):
            if among is None or not among.isdisjoint(ends):
                self._update(ends)

    def _forget(self, host: str) -> None:
        """A VM that is gone knows nothing any more."""
        self._seen[host] = {host}
        self._silent -= {(host, there) for there in self._seen}

    def _update(self, ends: tuple[str, str]) -> None:
        one, other = ends
        passes = self._world.network.passes
        now = LinkWorld((passes(one, other), passes(other, one)), (self._process(one), self._process(other)))
        if now != self._fed[ends]:
            self._fed[ends] = now
            self._pairs[ends].driven.feed(now)

    def disconnect(self, here: str, there: str) -> None:
        """Have a broker end its link to another, for a second."""
        pair = self._pairs[here, there]
        pair.driven.feed(Disconnect(pair.ends.index(here)))

    def seek(self, here: str) -> None:
        """Have a broker that boots connect to all whom it does not see."""
        for there in self._seen.keys() - self._seen[here]:
            pair = self._pairs[here, there]
            pair.driven.feed(Seek(pair.ends.index(here)))

    def _told(self, ends: tuple[str, str], output: LinkOutput) -> None:
        here, there = ends[output.end], ends[1 - output.end]
        if isinstance(output, LinkUp | LinkDown):
            up = isinstance(output, LinkUp)
            (self._seen[here].add if up else self._seen[here].discard)(there)
            self._silent.discard((here, there))
            reason = output.reason if isinstance(output, LinkDown) else ()
            for call in self.changed:
                call(LinkChanged(output.t, here, there, up, reason))
        else:
            (self._silent.discard if output.hears else self._silent.add)((here, there))
            for listen in self.heard:
                listen(Heard(output.t, here, there, output.hears, output.last))
