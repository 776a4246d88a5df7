"""HAProxy's smooth weighted round robin over one group of servers (src/lb_fwrr.c, the same in 2.2 to 3.2).

It keeps three rows of servers: those with a place in the present round, those that have not had their first place in
it, and those that wait for the next round. A server that comes or goes changes the places of the others but little.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["RoundRobin", "Turn"]

USER_WEIGHTS, FULL, SCALE = 256, 4096, 16
"""SRV_UWGHT_RANGE, SRV_EWGHT_MAX and BE_WEIGHT_SCALE, include/haproxy/server-t.h and backend-t.h."""

Row: TypeAlias = "list[tuple[int, int, Turn]]"
"""Servers by key; equal keys in the order they came, as in HAProxy's trees."""


class Turn:
    """A server's place in the round."""

    __slots__ = ("last", "name", "next", "rest", "row", "weight")

    def __init__(self, name: str, weight: int) -> None:
        self.name = name
        self.weight = weight
        """Effective weight: 16 times the configured one, less during slowstart."""
        self.next = self.last = self.rest = 0
        self.row: Row | None = None


class RoundRobin:
    """Active servers, or backup servers."""

    def __init__(self, turns: list[Turn]) -> None:
        """*turns*: those that are up when HAProxy starts, in the order of the configuration."""
        self._position = self._weight = self._coming = sum(turn.weight for turn in turns)
        self._now: Row = []
        self._fresh: Row = []
        self._later: Row = []
        self._entries = 0
        for turn in turns:
            self._by_weight(self._fresh, turn)

    def down(self, turn: Turn) -> None:
        """Take a server out: fwrr_set_server_status_down."""
        self._coming -= turn.weight
        self._dequeue(turn)

    def up(self, turn: Turn) -> None:
        """Put a server in: fwrr_set_server_status_up."""
        self._coming += turn.weight
        turn.next = self._position + (self._coming + self._weight - self._position) // turn.weight
        self._queue(turn)

    def weigh(self, turn: Turn, weight: int) -> None:
        """Give a server another weight: fwrr_update_server_weight."""
        self._coming += weight - turn.weight
        turn.weight = weight
        row = turn.row
        if row is self._fresh:
            self._dequeue(turn)
            self._by_weight(self._fresh, turn)
            return
        if row is self._later:
            turn.next += self._weight
        before, step = turn.next, self._coming // weight
        turn.next, turn.rest = min(turn.last + step, before), 0
        if turn.next < self._position + 2:
            turn.next = self._position + step
        self._dequeue(turn)
        self._queue(turn)

    def pick(self, avoid: str | None, has_room: Callable[[str], bool]) -> str | None:
        """Give the server whose turn it is, *avoid* only if it is the only one: fwrr_get_next_server."""
        switched = False
        avoided: Turn | None = None
        chosen: Turn | None = None
        set_aside: list[Turn] = []
        while chosen is None:
            if not self._weight:
                self._position = self._weight = self._coming
            turn = self._first()
            if turn is None:
                if switched:
                    chosen = avoided
                    break
                switched = True
                self._fresh, self._later = self._later, self._fresh
                self._weight = self._position = self._coming
                continue
            self._advance(turn)
            self._dequeue(turn, keep=True)
            self._position += 1
            if has_room(turn.name):
                if turn.name != avoid or avoided is not None:
                    chosen = turn
                    continue
                avoided = turn
            set_aside.insert(0, turn)
        if chosen is not None:
            self._queue(chosen)
        for turn in set_aside:
            if turn is not chosen:
                if switched:
                    self._by_weight(self._fresh, turn)
                else:
                    self._queue(turn)
        return chosen.name if chosen is not None else None

    def _first(self) -> Turn | None:
        """fwrr_get_server_from_group."""
        first = self._now[0][2] if self._now else None
        if first is not None and first.next <= self._position:
            return first
        if self._fresh:
            fresh = self._fresh[0][2]
            fresh.next = fresh.rest = 0
            return fresh
        return first

    def _advance(self, turn: Turn) -> None:
        """fwrr_update_position."""
        turn.last = turn.next = turn.next or self._position
        turn.next += self._coming // turn.weight
        turn.rest += self._coming % turn.weight
        if turn.rest >= turn.weight:
            turn.rest -= turn.weight
            turn.next += 1

    def _queue(self, turn: Turn) -> None:
        """fwrr_queue_srv."""
        if turn.next >= 2 * self._weight or turn.next >= self._weight + self._coming:
            turn.next -= self._weight
            self._by_weight(self._later, turn)
        else:
            self._insert(self._now, USER_WEIGHTS * turn.next + (FULL + turn.rest - turn.weight) // SCALE, turn)

    def _by_weight(self, row: Row, turn: Turn) -> None:
        self._insert(row, FULL - turn.weight, turn)

    def _insert(self, row: Row, key: int, turn: Turn) -> None:
        self._entries += 1
        insort(row, (key, self._entries, turn))
        turn.row = row

    def _dequeue(self, turn: Turn, *, keep: bool = False) -> None:
        """Take it out of its row; *keep*: it still counts as there (lb_tree stays set)."""
        for row in (self._now, self._fresh, self._later):
            row[:] = [entry for entry in row if entry[2] is not turn]
        if not keep:
            turn.row = None
