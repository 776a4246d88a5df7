"""What a Raft group is told, what it says, and what clients meet while it has no leader or no majority.

Sources: rabbitmq/ra ``src/ra_server_proc.erl``, Ra 1.1.8 to 3.1.10; RabbitMQ ``rabbit_fifo_client.erl``,
``rabbit_fifo.erl``, ``rabbit_quorum_queue.erl``, ``rabbit_khepri.erl``, 3.8 to 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.detector import DetectorSettings

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason

__all__ = [
    "Draw",
    "GroupInput",
    "GroupSettings",
    "GroupState",
    "LeaderLost",
    "Length",
    "Reach",
    "Suspicion",
    "Transfer",
]

Length: TypeAlias = Literal["really_short", "short", "long", "votes"]
"""A follower's timer: after its leader ended, after its node was lost, after aten's suspicion; and an election itself.

Two round trips and a write to disk normally take 5 to 50 ms [D].
"""

Draw: TypeAlias = Callable[[str, Length], float]
"""Gives a number between 0 and 1, evenly, for a member and a purpose; each member's from a stream of its own."""


class Reach(NamedTuple):
    """Members that run, pairs of them that exchange messages, and members without a process; fed when that changes.

    A pair does while its link is up at both ends, packets pass, and neither process hangs; what hangs neither runs nor
    has ended, and goes on in the role it had. What has ended and runs again is a follower.
    """

    running: frozenset[str]
    pairs: frozenset[frozenset[str]]
    ended: frozenset[str] = frozenset()

    @classmethod
    def all_of(cls, members: Iterable[str]) -> Reach:
        """Give that of a group in which all is well."""
        everybody = frozenset(members)
        return cls(everybody, frozenset(frozenset((a, b)) for a in everybody for b in everybody if a < b))


class LeaderLost(NamedTuple):
    """A member's monitor says that the process of *leader* is gone: ``noconnection`` with its node, else for itself."""

    member: str
    leader: str
    connection: bool
    reason: Reason = ()


class Suspicion(NamedTuple):
    """Aten on a member's node says that *node* is down, or up again; also once, when it begins to follow a leader."""

    member: str
    node: str
    up: bool
    reason: Reason = ()


class Transfer(NamedTuple):
    """The leader hands over to another member before it leaves, as ``rabbitmq-upgrade drain`` has it do."""

    to: str


GroupInput: TypeAlias = Reach | LeaderLost | Suspicion | Transfer


@dataclass(frozen=True, slots=True)
class GroupState:
    """Who leads since *t*, whether it commits, and which members are in contact with it.

    While it does not commit, publishes wait unconfirmed; nothing is lost or sent twice by the broker. A new *term*
    has channels on surviving nodes send again what was not applied (rabbit_fifo_client.erl, leader_change).
    """

    t: float
    leader: str
    term: int
    commits: bool
    in_step: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """What clients of a group without leader or majority meet, and how long a follower waits."""

    poll_s: float = 5.0  # aten's; the length of a long timer
    members: int = 3
    soft_limit: int = 32  # quorum_commands_soft_limit, rabbit.erl: unapplied commands at which a channel is blocked
    register_s: float = 65.0  # first publish of a channel: net_ticktime + 5, then nacked; rabbit_fifo_client.erl
    asks_version: bool = True  # and an rpc:call to the leader's node before that; in 3.10.8, not in 4.0.5
    records_alone: bool = False  # a new leader is recorded by a majority (Khepri), not by all that run (Mnesia)
    resend_s: float | None = 10.0  # TIMER_TIME, rabbit_fifo_client.erl, only while blocked; not in 4.3
    declare_s: float = 15.0  # then 541: members x 5 s, ra.erl start_cluster; khepri_default_timeout 30 s with Khepri
    returned_s: float = 0.0  # held by consumers on a lost node: at nodedown; 4.3: consumer_disconnected_timeout 60 s

    @classmethod
    def from_design(cls, topology: Topology, members: int) -> GroupSettings:
        """Give those of a group of so many members; a cluster has Khepri where its release makes new ones with it."""
        newest = topology.versions.can("rabbitmq.khepri_only")
        return cls(
            poll_s=DetectorSettings.from_design(topology).poll_s,
            members=members,
            register_s=topology.rabbitmq.net_ticktime.whole_s + 5.0,
            asks_version=topology.versions.can("rabbitmq.mirrored_queues"),
            records_alone=topology.versions.can("rabbitmq.khepri_by_default"),
            resend_s=None if newest else 10.0,
            declare_s=30.0 if topology.versions.can("rabbitmq.khepri_by_default") else 5.0 * members,
            returned_s=60.0 if newest else 0.0,
        )
