"""A classic queue that is not mirrored: what clients of other nodes meet while its home is down.

Sources: RabbitMQ ``rabbit_amqqueue.erl`` (``with/4``, ``retry_wait/4``, ``on_node_down``) v3.9.29, v3.10.25, v3.11.0,
v4.0.9, v4.3.5; ``rabbit_classic_queue.erl`` (``handle_event({down, ...})``); ``rabbit_channel.erl``. What becomes of
publishes and of consumers is derived from them [D].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from rmqha_model.versions import Version
from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason

__all__ = ["Classic", "ClassicInput", "ClassicSettings", "ClassicView", "HomeGone"]

RETRIES_S = 0.030 * 2000
"""How long a channel tries again before its 404: timer:sleep(30) x 2000, rabbit_amqqueue:with/4, retry_wait/4."""
CONNECT_S = 7.0
"""net_setuptime: what a channel waits that has to connect to a node that does not answer."""


SERVED: tuple[Literal["confirmed"], Literal["ok"], Literal["served"]] = ("confirmed", "ok", "served")


@dataclass(frozen=True, slots=True)
class ClassicSettings:
    """What the release does, and whether the queue is durable and its messages are persistent."""

    keeps_record: bool  # of a durable queue whose node is down, from 3.11 (PR #4563)
    cancels_at_once: bool  # consumers, from 4.0; before, the channel tries to consume again first
    keeps_transient: bool  # queues that are not durable, from 4.2 with Khepri
    durable: bool = True
    persistent: bool = True

    @classmethod
    def from_design(cls, topology: Topology, *, durable: bool = True, persistent: bool = True) -> ClassicSettings:
        """Give those of a release."""
        release = Version.parse(topology.versions.rabbitmq)
        return cls(
            keeps_record=release >= Version(3, 11, 0),
            cancels_at_once=release >= Version(4, 0, 0),
            keeps_transient=topology.versions.can("rabbitmq.khepri_by_default"),
            durable=durable,
            persistent=persistent,
        )


class HomeGone(NamedTuple):
    """The others see that its node, or RabbitMQ on it, is gone: *clean* if it was stopped in order.

    *answers*: its host refuses connections; if not, whoever has to connect to it waits.
    """

    clean: bool
    answers: bool = True
    reason: Reason = ()


ClassicInput: TypeAlias = HomeGone | Literal["silent", "heard", "stopped", "back"]
"""*silent*, *heard*: its node hangs or is cut off, and nobody is told; *stopped*: its process has ended, as RabbitMQ
stops in order on its node, which the others still take for running; *back*: RabbitMQ runs there again."""


@dataclass(frozen=True, slots=True)
class ClassicView:
    """What clients on other nodes meet since *t*.

    - *publish*: ``confirmed``; ``waits`` for a confirm; ``unroutable``: returned if mandatory, and confirmed though it
      is dropped; ``nacked``, after *publish_s* at the latest;
    - *declare*, also of get and consume: ``ok``; ``waits``; ``not_found``, 404 after *declare_s*;
    - *consumers*: ``served``; ``wait``; ``cancelled``, by basic.cancel after *cancel_s*;
    - *outstanding*: what becomes of publishes that waited for their confirm;
    - *gone*: the queue was deleted, and may be declared anew.
    """

    t: float
    publish: Literal["confirmed", "waits", "unroutable", "nacked"]
    declare: Literal["ok", "waits", "not_found"]
    consumers: Literal["served", "wait", "cancelled"]
    publish_s: float = 0.0
    declare_s: float = 0.0
    cancel_s: float = 0.0
    outstanding: Literal["", "nacked"] = ""
    lost: bool = False
    gone: bool = False
    reason: Reason = ()


class Classic:
    """One queue and its home; it has no clock of its own."""

    due = NEVER

    def __init__(self, settings: ClassicSettings) -> None:
        self.settings = settings
        self._down = self._stopped = self._silent = self._deleted = False

    def fire(self) -> list[ClassicView]:
        """Do nothing: nothing is ever due."""
        return []

    def feed(self, now: float, input_: ClassicInput) -> list[ClassicView]:
        """Take in what happens to its home."""
        if self._deleted:
            return []
        if isinstance(input_, HomeGone):
            return [] if self._down else [self._without_home(now, input_)]
        if input_ == "back":
            return self._back(now)
        if input_ == "stopped":
            return [] if self._down or self._stopped else [self._stop(now)]
        if self._down or self._stopped or self._silent == (input_ == "silent"):
            return []
        self._silent = input_ == "silent"
        return [ClassicView(now, "waits", "waits", "wait") if self._silent else ClassicView(now, *SERVED)]

    def _back(self, now: float) -> list[ClassicView]:
        if not self._down and not self._stopped:
            return []
        self._down = self._stopped = False
        return [ClassicView(now, *SERVED, lost=not (self.settings.durable and self.settings.persistent))]

    def _stop(self, now: float) -> ClassicView:
        # For 5 s in the lab on 3.10.8: publishes are nacked, and `process is stopped by supervisor` is the 404's word.
        self._stopped, self._silent = True, False
        reason = (("its process was stopped with RabbitMQ on its node", 0.0),)
        return ClassicView(now, "nacked", "not_found", "cancelled", outstanding="nacked", reason=reason)

    def _without_home(self, now: float, gone: HomeGone) -> ClassicView:
        self._down, self._stopped, self._silent = True, False, False
        known = self.settings
        connect = 0.0 if gone.answers else CONNECT_S
        if not known.durable and not known.keeps_transient:
            self._deleted = True
            return ClassicView(
                now, "unroutable", "ok", "cancelled", outstanding="nacked", lost=True, gone=True, reason=gone.reason
            )
        if not known.keeps_record:
            return ClassicView(now, "unroutable", "not_found", "cancelled", outstanding="nacked", reason=gone.reason)
        # After a stop in order the record says so, and nobody tries again.
        tries = 0.0 if gone.clean else RETRIES_S
        return ClassicView(
            now,
            "nacked",
            "not_found",
            "cancelled",
            publish_s=connect,
            declare_s=tries,
            cancel_s=0.0 if known.cancels_at_once else tries,
            outstanding="nacked",
            reason=gone.reason,
        )
