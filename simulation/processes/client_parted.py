"""What is still on its way to a broker when a publisher takes its connection for lost: it may be read later.

The publisher sends it again elsewhere, and so it comes twice. Where it may be:

- at HAProxy's host, while HAProxy stands still: acknowledged by the kernel, read when HAProxy goes on;
- between HAProxy and a broker that stands still, or cannot be reached. HAProxy shuts the session down when it marks
  the server DOWN, but does not abort the connection: the kernels keep what was sent, and the end of the connection
  after it (``net/ipv4/tcp.c``, ``__tcp_close``). Measured after a freeze: 149 of
  149 and 168 of 168 messages came twice;
- at a channel that has taken it and cannot reach the queue's leader: it waits for the Erlang link.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from simulation.machines.client_end import RTO_S
from simulation.machines.clocks import retransmitted
from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from simulation.processes.client_lines import Line
    from simulation.processes.client_pool import Pool
    from simulation.processes.client_runs import Run
    from simulation.processes.client_settings import PublisherSettings
    from simulation.processes.views import Service
    from simulation.processes.world import World

__all__ = ["Holder", "Parted"]

Holder: TypeAlias = Literal["", "balancer", "broker", "unheard", "reader", "channel"]
"""Where it is; *unheard*: with a broker whose packets do not come back."""
PoolOf: TypeAlias = Callable[[str], "Pool"]

ORPHAN_S = 102.2
"""A kernel sends again for so long what a program has left behind: tcp_orphan_retries 0 stands for 8 retries while the
timeout is below its maximum (``tcp_timer.c`` ``tcp_orphan_retries``), 511 times TCP_RTO_MIN."""
SEND_BYTES, RECEIVE_BYTES = 87_040, 65_536
"""What the kernels hold: a send buffer (twice the initial window of 10 packets, ``tcp_sndbuf_expand``), and the window
of a receiver that does not read (tcp_rmem 131072, half of it by tcp_adv_win_scale 1; ip-sysctl.rst)."""
HEAD_BYTES = 110
"""Of a basic.publish beside its body: three frames, the queue's name, the properties that clients of a workload set."""
ALL_SHARE = 0.25
"""How often a channel takes all that was buffered before the end of its connection stops it (rabbit_connection_sup
ends the channels of a reader that has ended; gen_server2 looks at nothing else then): two of eight times in the lab.
Else some part: 1 of 159, 1 of 158, 2 of 156, 41 of 145, 49 of 178 and 158 of 178 (docs/evidence, partition-broker and
broker_hang, all releases)."""


@dataclass(slots=True)
class _Left:
    """Messages of one connection that its client has lost."""

    line: Line
    runs: list[Run]
    where: Holder
    cut: bool
    """Whether packets did not reach the broker."""
    leader: str | None
    ready_from: float = NEVER
    """When the broker has them; ``inf``: that is not known yet."""

    @property
    def since(self) -> float:
        """When the first of them was said."""
        return min(run.t for run in self.runs)


class Parted:
    """All that one publisher's lost connections have left behind."""

    def __init__(
        self, world: World, name: str, settings: PublisherSettings, met: Callable[[Line], Service], pool: PoolOf
    ) -> None:
        self._world, self._met, self._pool = world, met, pool
        self._queue, self._size = settings.queue, settings.payload + HEAD_BYTES
        self._luck = world.streams.stream(name, "left behind")
        self._left: list[_Left] = []

    def leave(self, line: Line, sent: Iterable[Run], taken: Iterable[Run]) -> None:
        """Take over what was *sent* and not read yet, and what a channel has *taken* and not passed on."""
        runs, holder = list(sent), line.holder()
        cut = not line.reaches_broker() or self._world.now < line.out_from < NEVER
        if holder == "balancer":
            self._add(line, [_until(run, line.acked_until) for run in runs], holder, cut=cut)
        elif holder == "broker":
            self._add(line, self._part(runs, SEND_BYTES + (0 if cut else RECEIVE_BYTES)), holder, cut=cut)
        elif holder == "unheard":
            # Packets arrive, acknowledgements do not: the timeout ends what is sent, and when acknowledgements arrive
            # again, so do confirms, which a kernel whose program has left answers with a reset (RFC 1122 4.2.2.13).
            early = min((run.t for run in runs), default=0.0) + RTO_S
            self._add(line, [_until(run, early) for run in runs], "channel", cut=False)
        brokers = self._world.brokers
        lives = brokers.port(line.broker) != "refused" and brokers.drops(line.broker) <= line.made
        if holder != "balancer" and lives and self._met(line).publish == "waits":
            self._add(line, taken, "channel", cut=cut)
            if not holder and line.out_from <= self._world.now:
                # The broker has stopped reading the connection: it goes on when the channel does.
                self._add(line, self._part(runs, SEND_BYTES + RECEIVE_BYTES), "reader", cut=False)
        self.read_on()

    def read_on(self) -> None:
        """Store what is read now, and forget what never will be."""
        for one in list(self._left):
            if self._is_gone(one):
                self._left.remove(one)
            elif self._arrives(one):
                service = self._met(one.line)
                if service.publish == "confirmed" or (
                    service.consume == "served" and one.where in {"broker", "channel"}
                ):
                    self._left.remove(one)
                    for run in one.runs:
                        self._pool(one.line.broker).store(run._replace(t=self._world.now, step=0.0))

    @property
    def expects(self) -> bool:
        """Whether something comes when a kernel sends it again, or a channel goes on."""
        return any(one.ready_from < NEVER or one.where in {"reader", "channel"} for one in self._left)

    # -- within -----------------------------------------------------------------------------------

    def _add(self, line: Line, runs: Iterable[Run], where: Holder, *, cut: bool) -> None:
        kept = [run for run in runs if run.size]
        if kept:
            self._left.append(_Left(line, kept, where, cut, self._world.queues.leader(self._queue)))

    def _part(self, runs: list[Run], room: int) -> Iterable[Run]:
        """Give those that a channel takes, of what so many bytes hold, before its end."""
        share = min(1.0, self._luck() / (1.0 - ALL_SHARE))
        return _first(runs, math.ceil(share * min(sum(run.size for run in runs), room // self._size)))

    def _arrives(self, one: _Left) -> bool:
        """Whether it is with the broker by now."""
        if one.where != "broker":
            return one.where != "balancer" or one.line.reads()
        now = self._world.now
        if not (one.line.reaches_broker() and self._world.brokers.port(one.line.broker) == "serving"):
            one.ready_from = NEVER
            return False
        if one.ready_from == NEVER:
            one.ready_from = retransmitted(one.since, RTO_S, now) if one.cut else now
            if one.ready_from > now:
                self._world.clock.at(one.ready_from, self.read_on)
        return one.ready_from <= now

    def _is_gone(self, one: _Left) -> bool:
        """Whether nobody will ever read it: its broker has ended, its leader is another, the kernel has given up."""
        line, brokers = one.line, self._world.brokers
        if one.where == "balancer":
            return line.broker_over
        if one.where in {"reader", "channel"} and one.leader != self._world.queues.leader(self._queue):
            return True
        if brokers.port(line.broker) == "refused" or brokers.drops(line.broker) > line.made:
            return True
        return one.cut and self._world.now - one.since > ORPHAN_S


def _until(run: Run, t: float) -> Run:
    """Give those of some messages that are not after an instant."""
    return run.cut(run.until(t))[0]


def _first(runs: Iterable[Run], count: int) -> Iterable[Run]:
    """Give the first *count* of some messages."""
    for run in runs:
        yield run.cut(min(count, run.size))[0]
        count -= min(count, run.size)
