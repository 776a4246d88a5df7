"""A Raft group of RabbitMQ, a quorum queue's or Khepri's: who leads it, whether it commits, and what clients see.

Sources: rabbitmq/ra ``src/ra_server_proc.erl`` (``follower``, ``pre_vote``, ``election_timeout_action``) and
``src/ra_server.erl`` (``process_pre_vote``), equal in Ra 1.1.8 to 3.1.10, RabbitMQ 3.8 to 4.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.machines.machine import NEVER
from simulation.machines.raft_parts import GroupInput, GroupState, LeaderLost, Reach, Transfer

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.machines.raft_parts import Draw, Length

__all__ = ["Group"]

BROADCAST_S = 0.1
"""DEFAULT_BROADCAST_TIME 100 ms, ra_server_proc.erl."""
MULTIPLIER = 5
"""DEFAULT_ELECTION_MULT, ra_server_proc.erl."""


@dataclass(slots=True)
class _Timer:
    """What a member waits for: its timeout, and then for *votes* seconds."""

    at: float
    votes: float
    cancellable: bool
    reason: Reason


class Group:
    """The members of one group.

    Followers run no timer while all is well. One is set when a follower's monitor or aten tells it that its leader's
    node is gone, once, and is not changed by the next such message; aten's ``up`` cancels it. The first follower whose
    timer ends asks for pre-votes, which members grant on the length of logs alone: they do not ask themselves whether
    the leader lives. Only the leader itself refuses.
    """

    def __init__(self, members: Iterable[str], leader: str, poll_s: float, draw: Draw) -> None:
        self.members = tuple(members)
        self.leader = leader
        self.term = 1
        self.poll_s = poll_s
        self._acting = True  # whether the leader's process has not ended since it won
        self._reach = Reach.all_of(self.members)
        self._draw = draw
        self._timers: dict[str, _Timer] = {}
        self._follows = dict.fromkeys(self.members, leader)
        self._logs: dict[str, tuple[int, float]] = {}  # of those out of step: last term, and until when they have it
        self._seen = self._state()

    # -- what it looks like -----------------------------------------------------------------------

    @property
    def majority(self) -> int:
        """How many members it takes."""
        return len(self.members) // 2 + 1

    def _meet(self, one: str, other: str) -> bool:
        both = one in self._reach.running and other in self._reach.running
        return both and (one == other or frozenset((one, other)) in self._reach.pairs)

    @property
    def in_step(self) -> tuple[str, ...]:
        """Members in contact with the leader, itself included."""
        return tuple(member for member in self.members if self._acting and self._meet(member, self.leader))

    @property
    def commits(self) -> bool:
        """Whether what is published to it is confirmed."""
        return len(self.in_step) >= self.majority

    def _state(self) -> tuple[str, int, bool, tuple[str, ...]]:
        return self.leader, self.term, self.commits, self.in_step

    # -- time -------------------------------------------------------------------------------------

    def _winners(self) -> list[tuple[float, str]]:
        return sorted((one.at + one.votes, member) for member, one in self._timers.items() if self._wins(member))

    @property
    def due(self) -> float:
        """When the next election is won, if nothing changes."""
        winners = self._winners()
        return winners[0][0] if winners else NEVER

    def fire(self) -> list[GroupState]:
        """Have the first of them win."""
        now, member = self._winners()[0]
        self._advance(now)
        reason = self._timers[member].reason
        self._lead(member, now)
        return list(self._change(now, reason))

    def feed(self, now: float, input_: GroupInput) -> list[GroupState]:
        """Take in what happens."""
        self._advance(now)
        reason: Reason = ()
        if isinstance(input_, Reach):
            self._reaches(now, input_)
        elif isinstance(input_, Transfer):
            if self.commits and self._meet(input_.to, self.leader):
                self._lead(input_.to, now)
                reason = (("handed over by the leader", 0.0),)
        elif isinstance(input_, LeaderLost):
            if input_.leader == self._follows[input_.member]:
                self._arm(input_.member, now, "short" if input_.connection else "really_short", input_.reason)
        elif input_.node == self._follows[input_.member]:
            timer = self._timers.get(input_.member)
            if not input_.up:
                self._arm(input_.member, now, "long", input_.reason)
            elif timer and timer.cancellable and timer.at > now:
                del self._timers[input_.member]
        return list(self._change(now, reason))

    # -- elections --------------------------------------------------------------------------------

    def _seconds(self, member: str, length: Length) -> float:
        # ra_server_proc:election_timeout_action, in whole milliseconds there.
        drawn = self._draw(member, length)
        if length == "really_short":
            return BROADCAST_S * drawn
        if length == "short":
            return BROADCAST_S + BROADCAST_S * MULTIPLIER * drawn
        return self.poll_s + BROADCAST_S * MULTIPLIER * 2 * drawn

    def _arm(self, member: str, now: float, length: Length, reason: Reason, *, cancellable: bool = True) -> None:
        if member in self._timers or (self._acting and member == self.leader) or member not in self._reach.running:
            return
        seconds, votes = self._seconds(member, length), 0.005 + 0.045 * self._draw(member, "votes")
        words = f"{length.replace('_', ' ')} election timer of {member}"
        parts = (*reason, (words, seconds), ("votes and a write to disk", votes))
        self._timers[member] = _Timer(now + seconds, votes, cancellable, parts)

    def _log(self, member: str) -> tuple[int, float]:
        return self._logs.get(member, (self.term, NEVER))

    def _wins(self, member: str) -> bool:
        grant = [
            other
            for other in self.members
            if not (self._acting and other == self.leader)
            and self._meet(member, other)
            and self._log(member) >= self._log(other)
        ]
        return len(grant) >= self.majority

    def _advance(self, now: float) -> None:
        """Let timers end that change nothing anybody sees: who asks in vain asks again, unless its leader hears it."""
        for member in self.members:
            while (timer := self._timers.get(member)) and timer.at <= now and not self._wins(member):
                del self._timers[member]
                if not (self._acting and self._meet(member, self.leader)):
                    self._arm(member, timer.at, "long", (("asked in vain before", 0.0),), cancellable=False)

    def _lead(self, member: str, now: float) -> None:
        for other in self.members:
            self._logs.setdefault(other, (self.term, now))
        self.leader, self.term, self._acting = member, self.term + 1, True
        self._follow()

    def _follow(self) -> None:
        for member in self.in_step:
            self._logs.pop(member, None)
            timer = self._timers.get(member)
            if timer and not (timer.cancellable and self._follows[member] == self.leader):
                del self._timers[member]
            self._follows[member] = self.leader

    def _reaches(self, now: float, reach: Reach) -> None:
        before, started = set(self.in_step), self._reach.ended - reach.ended
        self._reach = reach
        if self.leader in reach.ended:
            self._acting = False
        for member in before - set(self.in_step):
            self._logs.setdefault(member, (self.term, now))
        for member in set(self._timers) & reach.ended:
            del self._timers[member]
        self._follow()
        for member in self.members:
            if member in started and member not in self.in_step:
                self._arm(member, now, "short", (("its member started", 0.0),), cancellable=False)

    def _change(self, now: float, reason: Reason) -> Iterator[GroupState]:
        if self._state() != self._seen:
            self._seen = self._state()
            yield GroupState(now, *self._seen, reason)
