"""An established session through HAProxy: what ends it, when, and when each side learns of it.

Source: src/stream.c process_stream and src/stconn.c of HAProxy 2.2 to 3.2 in tcp mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.clocks import retransmitted
from simulation.machines.machine import NEVER
from simulation.machines.wire import FOREVER, seconds, us

if TYPE_CHECKING:
    from simulation.machines.session_settings import SessionSettings

__all__ = ["Proxy", "Said", "Session", "SessionEnded", "ShutDown", "Side", "Talk"]

Name: TypeAlias = Literal["client", "server"]
Condition: TypeAlias = Literal["alive", "frozen", "silent", "moved", "gone"]

RESET = "the client was reset by another host"

CLIENT_RTO_S = 0.21
"""A client's own retransmission timeout on a local network: what it said when its balancer vanished reached the next
holder of the address 15 and 31 times 0.21 s later (clients lost 3.15 and 6.53 s after the fault, Linux 6.18)."""

MOST_BYTES = 4096
"""Bytes looked at for a pause longer than the timeouts, where both sides speak more seldom than those."""


class Talk(NamedTuple):
    """A side says something, a heartbeat at the least, every *period* seconds from *first* on.

    It hangs up itself when it has heard nothing for *patience* seconds.
    """

    first: float = 0.0
    period: float = NEVER
    patience: float = NEVER


class Side(NamedTuple):
    """A side is in another condition now.

    - *frozen*: its kernel acknowledges, it says nothing. *silent*: nothing reaches it or comes from it; it hangs up
      when its patience is over, and HAProxy does not hear of that.
    - *moved* (the client's): its packets go to another host, which knows nothing of them: it is reset when it next
      speaks, or says again what was lost meanwhile; to HAProxy it is silent.
    - *gone*: it has closed, or its process died under a living kernel.
    """

    name: Name
    condition: Condition


class Said(NamedTuple):
    """A side says something beyond its heartbeats: a message, a confirm."""

    name: Name


class ShutDown(NamedTuple):
    """HAProxy has marked the session's server DOWN."""


class Proxy(NamedTuple):
    """HAProxy's process stands still, goes on, or has ended."""

    condition: Literal["frozen", "alive", "gone"]


class SessionEnded(NamedTuple):
    """A session is over; each side learns of it when that says, ``inf`` if not by this."""

    t: float
    cause: str
    client: float
    server: float
    reason: tuple[tuple[str, float], ...]


@dataclass(slots=True)
class _Party:
    period: int
    next: int
    patience: int
    condition: Condition = "alive"
    heard: int = 0
    came: int = 0
    """When its kernel last gave a sign of life."""
    unacked: int = FOREVER
    waiting: bool = False
    """Whether what it said waits for a process that stands still."""
    lost: int = FOREVER
    """When it first said something that got nowhere."""

    def reset(self, now: int) -> int:
        """Give when another host, which its packets go to from *now* on, resets it."""
        if self.lost >= now:
            return self.next
        return us(retransmitted(seconds(self.lost), CLIENT_RTO_S, seconds(now)))


Input: TypeAlias = Side | Said | ShutDown | Proxy


class Session:
    """One session from its establishment on (a :class:`simulation.machines.machine.Machine`)."""

    def __init__(self, settings: SessionSettings, *, now: float, client: Talk, server: Talk) -> None:
        self.settings = settings
        self._limits = (_limit(settings.limits[0]), _limit(settings.limits[1]))
        start = us(now)
        self._sides: dict[Name, _Party] = {}
        names: tuple[Name, Name] = ("client", "server")
        for name, talk in zip(names, (client, server), strict=True):
            period = _limit(talk.period)
            first = max(us(talk.first), start) if period < FOREVER else FOREVER
            self._sides[name] = _Party(period, first, _limit(talk.patience), heard=start, came=start)
        self._active = self._floor = start
        self._stopped: int | None = None
        self._half: int | None = None
        self.over = False

    @property
    def due(self) -> float:
        """When it ends if everything stays as it is."""
        end = FOREVER if self.over else min(self._ends())[0]
        return _instant(end)

    def active(self, now: float) -> float:
        """Give when something has last passed before *now*."""
        self._roll(us(now))
        return seconds(self._active)

    def fire(self) -> list[SessionEnded]:
        """End it, or close the client's direction where its timeout is the shorter one."""
        ends = self._ends()
        end, cause = min(ends)
        self._roll(end)
        server = self._sides["server"]
        client_limit, server_limit = self._limits
        if cause == "timeout" and client_limit < server_limit and server.condition != "alive" and self._half is None:
            # The server is told; the client hears when the server closes, at the latest at its timeout (measured).
            self._half = end
            return []
        ended = self._ended(end, cause, min(self._active, end))
        if cause == RESET or self._is_unheard("client", cause):
            # HAProxy knows nothing of it: the server hears when HAProxy gives its client up.
            rest = [one for one in ends if one[1] not in {RESET, cause}]
            ended = ended._replace(client=_instant(end), server=_instant(min(rest)[0]))
        elif self._is_unheard("server", cause):
            rest = [one for one in ends if one[1] != cause]
            ended = ended._replace(client=_instant(min(rest)[0]), server=_instant(end))
        return [ended]

    def feed(self, now: float, input_: Input) -> list[SessionEnded]:
        """Take in what happens to a side or to HAProxy."""
        at = us(now)
        if self.over:
            return []
        self._roll(at)
        self._floor = at
        if isinstance(input_, Said):
            self._say(input_.name, at)
        elif isinstance(input_, ShutDown):
            if self.settings.shutdown_sessions:
                return [self._ended(at, "its server was marked DOWN", at)]
        elif isinstance(input_, Proxy):
            return self._proxy(at, input_.condition)
        else:
            return self._turn(at, self._sides[input_.name], input_)
        return []

    # -- what happens ---------------------------------------------------------------------------------

    def _turn(self, now: int, side: _Party, change: Side) -> list[SessionEnded]:
        was, side.condition = side.condition, change.condition
        if was in {"alive", "frozen"} and change.condition in {"silent", "moved"}:
            side.lost = side.next
        if change.condition == "moved":
            side.next = side.reset(now) if was == "silent" else side.next
        idle = _limit(self.settings.keepalive(change.name)[0])
        if was in {"alive", "frozen"}:  # its kernel has answered each probe so far
            side.came += max(0, (now - 1 - side.came) // idle) * idle
        if change.condition == "gone":
            return [self._ended(now, f"the {change.name} closed", now)] if self._stopped is None else []
        if change.condition == "alive":
            if self._half is not None and change.name == "server":
                return [self._ended(now, "timeout", now)]
            if side.period < FOREVER:
                side.next = max(side.next, now)
            if was in {"silent", "moved"}:
                side.came, side.unacked = now, FOREVER
        return []

    def _proxy(self, now: int, condition: str) -> list[SessionEnded]:
        if condition == "gone":
            return [self._ended(now, "HAProxy ended", now)]
        if condition == "frozen":
            self._stopped = now if self._stopped is None else self._stopped
            return []
        if self._stopped is None:
            return []
        if self.settings.hides_jumps:
            self._active += now - self._stopped
        self._stopped = None
        for name, side in self._sides.items():
            if side.condition == "gone":
                return [self._ended(now, f"the {name} closed", now)]
            if side.waiting:
                side.waiting = False
                self._say(name, now)
        if self._active + min(self._limits) <= now:
            return [self._ended(now, "timeout", self._active)]
        return []

    def _say(self, name: Name, now: int) -> None:
        """A side's bytes reach HAProxy, which passes them on."""
        side, other = self._sides[name], self._sides["server" if name == "client" else "client"]
        if side.condition != "alive" or (self._half is not None and name == "client"):
            return
        side.came = max(side.came, now)
        if self._stopped is not None:
            side.waiting = True
            return
        self._active = max(self._active, now)
        if other.condition == "alive":
            other.heard, other.came = max(other.heard, now), max(other.came, now)
        elif other.condition != "frozen":
            other.unacked = min(other.unacked, now)

    def _roll(self, now: int) -> None:
        """Have the heartbeats before *now* said: the first and the last of them are all that matter."""
        for name, side in self._sides.items():
            if side.next >= now:
                continue
            last = side.next + (now - 1 - side.next) // side.period * side.period
            self._say(name, side.next)
            self._say(name, last)
            side.next = last + side.period

    # -- what will end it -----------------------------------------------------------------------------

    def _ends(self) -> list[tuple[int, str]]:
        found = [(self._timeout(), "timeout")]
        names: tuple[tuple[Name, Name], ...] = (("client", "server"), ("server", "client"))
        for name, other_name in names:
            side, other = self._sides[name], self._sides[other_name]
            if side.condition == "moved":
                found.append((side.next, RESET))
            if other.condition in {"silent", "moved"} and self._stopped is None:
                unacked = min(other.unacked, side.next if side.condition == "alive" else FOREVER)
                found.append((unacked + _limit(self.settings.gives_up), f"data to the {other_name} not acknowledged"))
                quiet = other.came + sum(map(_limit, self.settings.keepalive(other_name)))
                if quiet < unacked:
                    found.append((quiet, f"keepalive of the {other_name} not answered"))
            if side.condition in {"alive", "silent"}:
                found.append((self._bored(side, other), f"the {name} heard nothing"))
        # What the kernel found while HAProxy's process stood still is seen when it goes on.
        return [(max(end, self._floor), cause) for end, cause in found]

    def _bored(self, side: _Party, other: _Party) -> int:
        """Give when a side has heard nothing for as long as it waits."""
        hears = side.condition == "alive" and other.condition == "alive" and self._stopped is None
        if not hears or other.next > side.heard + side.patience:
            return side.heard + side.patience
        return FOREVER if other.period <= side.patience else other.next + side.patience

    def _timeout(self) -> int:
        """Give when nothing has passed in either direction for as long as the shorter timeout."""
        limits = self._limits
        if self._stopped is not None or min(limits) >= FOREVER:
            return FOREVER
        if self._half is not None:
            return self._active + limits[1]
        active, limit = self._active, min(limits)
        talking = [[side.next, side.period] for side in self._sides.values() if side.condition == "alive"]
        for _ in range(MOST_BYTES):
            first = min(talking, default=[FOREVER, FOREVER])
            if active + limit < first[0]:
                return active + limit
            if first[1] <= limit:
                return FOREVER
            active = first[0]
            first[0] += first[1]
        return FOREVER

    def _is_unheard(self, name: Name, cause: str) -> bool:
        """Whether a side that nobody hears any more hangs up."""
        return cause == f"the {name} heard nothing" and self._sides[name].condition == "silent"

    def _ended(self, now: int, cause: str, since: int) -> SessionEnded:
        self.over = True
        told: dict[Name, float] = {}
        for name, side in self._sides.items():
            reached = side.condition in {"alive", "frozen", "gone"}
            alone = side.next if side.condition == "moved" else side.heard + side.patience
            told[name] = _instant(now if reached else max(now, alone))
        if self._half is not None and told["server"] < NEVER:
            told["server"] = seconds(self._half)
        reason = ((cause, seconds(now - since)),)
        return SessionEnded(seconds(now), cause, told["client"], told["server"], reason)


def _instant(at: int) -> float:
    return NEVER if at >= FOREVER else seconds(at)


def _limit(limit_s: float) -> int:
    return FOREVER if limit_s >= NEVER else us(limit_s)
