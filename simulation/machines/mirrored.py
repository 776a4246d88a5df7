"""A mirrored classic queue (RabbitMQ up to 3.13): when it confirms, who leads it, and what a failover costs.

Sources: RabbitMQ 3.8 to 3.13 ``rabbit_mirror_queue_misc.erl`` (``remove_from_queue``, ``promote_slave``,
``slaves_to_start_on_failure``), ``rabbit_mirror_queue_master.erl`` (``terminate``), ``rabbit_classic_queue.erl``
(``deliver``), ``gm.erl``; the guide "Classic Queue Mirroring".
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.machine import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rmqha_model.queues import PolicyDefinition
    from simulation.machines.clocks import Reason

__all__ = [
    "CREDIT",
    "Contacts",
    "Filled",
    "Mirrored",
    "MirroredInput",
    "MirroredSettings",
    "MirroredState",
    "NodeBack",
    "NodeGone",
]

CREDIT = 400
"""Messages a channel sends to a queue process that grants nothing back: credit_flow_default_credit {400, 200}."""


@dataclass(frozen=True, slots=True)
class MirroredSettings:
    """What its policy says."""

    nodes: tuple[str, ...] | None = None  # where copies may be; None: on every node
    copies: int | None = None  # how many, the leader's included; None: as many as nodes
    automatic: bool = False  # ha-sync-mode; manual by default: a mirror that joins stays empty
    promote_on_failure: Literal["always", "when-synced"] = "always"
    promote_on_shutdown: Literal["always", "when-synced"] = "when-synced"
    promotion_s: float = 0.005  # one transaction of Mnesia a queue: milliseconds for few queues [D]
    sync_bytes_per_s: float = 50e6  # of a queue that is copied, during which it does nothing else [D]

    @classmethod
    def from_policy(cls, definition: PolicyDefinition, nodes: dict[str, str]) -> MirroredSettings:
        """Give those of a policy that mirrors; *nodes* are the brokers' hosts by their node names."""
        chosen = definition.ha_params if isinstance(definition.ha_params, tuple) else None
        return cls(
            nodes=tuple(nodes[name] for name in chosen if name in nodes) if chosen else None,
            copies=definition.ha_params if isinstance(definition.ha_params, int) else None,
            automatic=definition.ha_sync_mode == "automatic",
            promote_on_failure=definition.ha_promote_on_failure or "always",
            promote_on_shutdown=definition.ha_promote_on_shutdown or "when-synced",
        )


class Contacts(NamedTuple):
    """Nodes whose VM runs and does not hang, and pairs of them that exchange bytes; fed whenever that changes."""

    awake: frozenset[str]
    pairs: frozenset[frozenset[str]]

    @classmethod
    def all_of(cls, nodes: Iterable[str]) -> Contacts:
        """Give those of nodes that all hear each other."""
        awake = frozenset(nodes)
        return cls(awake, frozenset(frozenset((a, b)) for a in awake for b in awake if a < b))


class NodeGone(NamedTuple):
    """The others see that a node, or RabbitMQ on it, is gone: *clean* if it was stopped in order."""

    node: str
    clean: bool
    reason: Reason = ()


class NodeBack(NamedTuple):
    """RabbitMQ runs again on a node and is in the cluster."""

    node: str


class Filled(NamedTuple):
    """How much it holds: messages and bytes, also of those delivered and not acknowledged."""

    messages: int
    size: int


MirroredInput: TypeAlias = Contacts | NodeGone | NodeBack | Filled


@dataclass(frozen=True, slots=True)
class MirroredState:
    """How it is since *t*.

    - *confirms*: a publish is confirmed; if not, channels block after :data:`CREDIT` messages;
    - *responds*: it does anything at all, for whoever reaches its leader;
    - *in_step*: the leader and the mirrors that hold all it holds;
    - *requeued*: deliveries that were not acknowledged go out again, those whose acknowledgement was on its way too;
    - *lost*: messages that were confirmed and that the new leader never had.
    """

    t: float
    leader: str | None
    mirrors: tuple[str, ...]
    in_step: tuple[str, ...]
    confirms: bool
    responds: bool
    requeued: bool
    lost: int
    reason: Reason


@dataclass(slots=True)
class _Copy:
    """A mirror: what it lacks of what the leader held when it joined."""

    node: str
    lacks: int = 0
    in_step: bool = True


class _Busy(NamedTuple):
    """What it does until an instant: a promotion, or copying itself."""

    until: float = NEVER
    what: Literal["", "promotion", "synchronising"] = ""
    reason: Reason = ()


class Mirrored:
    """One mirrored queue: its leader, and its mirrors from the oldest to the youngest.

    A publish goes to the leader and to every mirror, and is confirmed when all of them have it: one that is silent
    stops all confirms until its node is declared down. The oldest mirror that is left leads next, whether it is in
    step or not; only when none is in step does ha-promote-on-* decide whether there is a next leader at all.

    In a partition under ``ignore`` each side has a queue of its own from then on: :meth:`split` gives the other one.
    """

    def __init__(self, settings: MirroredSettings, leader: str, mirrors: Iterable[str], running: Iterable[str]) -> None:
        self.settings = settings
        self.leader: str | None = leader
        self.running = set(running)
        self.messages = self.size = 0
        self._mirrors = [_Copy(node) for node in mirrors]
        self._contacts = Contacts.all_of(self.running)
        self._stopped_at: str | None = None  # whose return it waits for
        self._busy = _Busy()
        self._seen = self._state()

    # -- what it looks like -----------------------------------------------------------------------

    @property
    def mirrors(self) -> tuple[str, ...]:
        """Nodes with a mirror, oldest first."""
        return tuple(one.node for one in self._mirrors)

    @property
    def in_step(self) -> tuple[str, ...]:
        """Nodes that hold all of it, the leader's first."""
        if self.leader is None:
            return ()
        return (self.leader, *(one.node for one in self._mirrors if one.in_step))

    @property
    def responds(self) -> bool:
        """Whether its leader is there for it."""
        return not self._busy.what and self.leader in self._contacts.awake

    @property
    def confirms(self) -> bool:
        """Whether the leader and all mirrors answer."""
        return self.responds and all(frozenset((self.leader, one)) in self._contacts.pairs for one in self.mirrors)

    def _state(self) -> tuple[str | None, tuple[str, ...], tuple[str, ...], bool, bool]:
        return self.leader, self.mirrors, self.in_step, self.confirms, self.responds

    # -- time -------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """When a promotion or a copy is done."""
        return self._busy.until

    def fire(self) -> list[MirroredState]:
        """Be done with it."""
        now, done = self._busy.until, self._busy
        self._busy = _Busy()
        if done.what == "synchronising":
            for one in self._mirrors:
                one.in_step, one.lacks = True, 0
        self._mirror_again(now)
        return list(self._tell(now, done.reason))

    def feed(self, now: float, input_: MirroredInput) -> list[MirroredState]:
        """Take in what happens."""
        reason: Reason = ()
        requeued, lost = False, 0
        if isinstance(input_, Filled):
            self._fill(input_)
        elif isinstance(input_, Contacts):
            self._contacts = input_
        elif isinstance(input_, NodeBack):
            reason = (("its node is back", 0.0),)
            self.running.add(input_.node)
            self._come_back(now, input_.node)
        else:
            reason = input_.reason
            self.running.discard(input_.node)
            if input_.node == self.leader:
                requeued, lost = self._lose_leader(now, input_)
            else:
                self._mirrors = [one for one in self._mirrors if one.node != input_.node]
                self._mirror_again(now)
        return list(self._tell(now, reason, requeued=requeued, lost=lost))

    def split(self) -> Mirrored:
        """Give another one like this, to be told what the other side of a partition sees."""
        return copy.deepcopy(self)

    # -- failures ---------------------------------------------------------------------------------

    def _lose_leader(self, now: float, gone: NodeGone) -> tuple[bool, int]:
        alive = [one for one in self._mirrors if one.node in self.running]
        policies = {self.settings.promote_on_failure}  # asked by the mirror that is to lead, also after a clean stop
        if gone.clean:
            policies.add(self.settings.promote_on_shutdown)
        may = policies == {"always"} or any(one.in_step for one in self._mirrors)
        self._busy = _Busy()
        if not alive or not may:
            self._stopped_at, self.leader, self._mirrors = gone.node, None, []
            return False, 0
        oldest = alive[0]
        lost = 0 if oldest.in_step else min(oldest.lacks, self.messages)
        self.leader = oldest.node
        self._mirrors = alive[1:]
        self.size -= self.size * lost // max(1, self.messages)
        self.messages -= lost
        for one in self._mirrors:  # what the new leader has is all there is
            one.lacks = max(0, one.lacks - oldest.lacks)
            one.in_step = one.in_step or one.lacks == 0
        reason = (*gone.reason, ("promotion", self.settings.promotion_s))
        self._busy = _Busy(now + self.settings.promotion_s, "promotion", reason)
        return True, lost

    # -- mirrors ----------------------------------------------------------------------------------

    def _start_mirrors(self) -> None:
        """Have mirrors where the policy wants them and a node runs without one."""
        allowed = [node for node in self.settings.nodes or sorted(self.running) if node in self.running]
        wanted = (self.settings.copies or len({*allowed, self.leader})) - 1
        for node in allowed:
            if len(self._mirrors) >= wanted:
                return
            if node != self.leader and node not in self.mirrors:
                self._mirrors.append(_Copy(node, self.messages, in_step=self.messages == 0))

    def _come_back(self, now: float, node: str) -> None:
        if self.leader is None:
            if node != self._stopped_at:
                return
            self.leader, self._stopped_at = node, None
        self._mirror_again(now)

    def _mirror_again(self, now: float) -> None:
        if self.leader is not None and self._busy.what != "promotion":
            self._start_mirrors()
            self._maybe_synchronise(now)

    def _maybe_synchronise(self, now: float) -> None:
        late = [one for one in self._mirrors if not one.in_step]
        if not self.settings.automatic or not late or self._busy.what:
            return
        seconds = self.size / self.settings.sync_bytes_per_s
        words = f"{self.size} bytes copied to {', '.join(one.node for one in late)}"
        self._busy = _Busy(now + seconds, "synchronising", ((words, seconds),))

    def _fill(self, filled: Filled) -> None:
        """A mirror that joined late is in step once what was there before it is gone (it only ever shrinks)."""
        taken = max(0, self.messages - filled.messages)
        self.messages, self.size = filled
        for one in self._mirrors:
            one.lacks = min(max(0, one.lacks - taken), self.messages)
            one.in_step = one.in_step or one.lacks == 0

    def _tell(self, now: float, reason: Reason, *, requeued: bool = False, lost: int = 0) -> Iterator[MirroredState]:
        state = self._state()
        if state != self._seen or requeued:
            self._seen = state
            yield MirroredState(now, *state, requeued=requeued, lost=lost, reason=reason)
