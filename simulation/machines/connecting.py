"""What becomes of a new connection of a client to HAProxy: which server it gets, when, or why none.

Source: src/backend.c back_handle_st_cer and back_try_conn_req, include/haproxy/stream.h stream_choose_redispatch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.machine import NEVER
from simulation.machines.wire import FOREVER, Dial, Target, seconds, us

if TYPE_CHECKING:
    from rmqha_model.events import Outcome
    from simulation.machines.balance import Balance
    from simulation.machines.connect_settings import ConnectSettings

__all__ = ["Abandoned", "Caller", "Fate", "GaveUp", "MarkedDown", "NewConnection", "TargetChanged", "Tried"]

TURN_AROUND_MS = 1000
"""Longest pause before a retry: back_handle_st_cer, 2.2 to 3.2."""

ANSWERING = Target("answering")


class Caller(NamedTuple):
    """The client: its address, and what it waits for.

    With *patience_s* the connection ends ``timeout`` when that is over; with *waits* it is ``ok`` only when the server
    has said something (connection.start). *front* is HAProxy's own port as the client's host meets it at first: frozen
    while HAProxy's process stands still, refused when there is none.
    """

    source: str = "0.0.0.0"  # noqa: S104 - an address to hash, not to bind
    patience_s: float | None = None
    waits: bool = True
    front: Target = ANSWERING


class TargetChanged(NamedTuple):
    """A server behaves otherwise from now on."""

    server: str
    target: Target


class MarkedDown(NamedTuple):
    """HAProxy has marked a server DOWN; the balance knows it already."""

    server: str


class Tried(NamedTuple):
    """HAProxy has tried to connect to a server: what `observe layer4` counts."""

    t: float
    server: str
    failed: bool


class Fate(NamedTuple):
    """What the client got: *outcome*, at *t*; *server* is the last one tried.

    ``ok``: connected to *server*, which has answered, if the connection waits for that. *reason* tells how the time
    went since its first SYN; its seconds add up to that time.
    """

    t: float
    outcome: Outcome
    server: str | None
    reason: tuple[tuple[str, float], ...]


class GaveUp(NamedTuple):
    """The client hangs up."""


class Abandoned(NamedTuple):
    """HAProxy is done with a connection that its client has given up before."""

    t: float


Seen: TypeAlias = Tried | Fate | Abandoned
Phase: TypeAlias = Literal["dialling", "accepted", "connecting", "pausing", "waiting", "over"]


class NewConnection:
    """One client's connection from its first SYN on (a :class:`simulation.machines.machine.Machine`).

    *target* tells how a server behaves now; a change while the connection lasts is fed. The connection tells the
    balance where it takes a place (:attr:`server`), and when it leaves it for another one; who made it gives the place
    back when it is :attr:`over`.

    A client that gives up does not end it while HAProxy connects or pauses: what the client has said waits to be sent,
    so HAProxy goes on, retries included (src/backend.c back_handle_st_con, back_may_abort_req: without `option
    abortonclose` only an empty request is given up), and then passes the client's FIN on.
    """

    def __init__(  # noqa: PLR0913 - what a connection consists of
        self,
        settings: ConnectSettings,
        balance: Balance,
        target: Callable[[str], Target],
        caller: Caller,
        now: float,
        *,
        assigned: str | None = None,
    ) -> None:
        """*assigned*: the balance has said already whose turn it will be."""
        self.settings = settings
        self.server: str | None = None
        self._balance, self._targets, self._caller = balance, target, caller
        self._start = self._told = us(now)
        self._patience = FOREVER if caller.patience_s is None else self._start + us(caller.patience_s)
        self._parts: tuple[tuple[str, int], ...] = ()
        self._count = 0
        self._doomed = False
        self._last: str | None = None
        self._assigned = assigned
        self._phase: Phase = "dialling"
        self._front = caller.front
        self._dial = Dial(self._start, self._front, settings.kernel)
        self._step, self._limit = self._dial.end, FOREVER
        self._ready = FOREVER
        self._stopped: int | None = None
        self._answer: tuple[Outcome, str] = ("ok", "")
        self._abandoned = False
        self.since: float | None = None
        """When the server was connected that its client has left behind, half closed."""

    @property
    def over(self) -> bool:
        """Whether HAProxy is done with it."""
        return self._phase == "over"

    @property
    def accepted(self) -> bool:
        """Whether a host has accepted it, or it is over."""
        return self._phase != "dialling"

    @property
    def due(self) -> float:
        """When its next step is, or the client's patience is over."""
        if self._phase == "over":
            return NEVER
        due = self._patience if self._stopped is not None else min(self._step, self._patience)
        return NEVER if due >= FOREVER else seconds(due)

    def fire(self) -> list[Seen]:
        """Do that step."""
        if self._patience <= self._step or self._stopped is not None:
            phase, now = self._phase, self._patience
            fate = self._end(now, "timeout", f"{self._waiting_for()} until the client's patience was over")
            self._abandon(phase, now)
            return [fate]
        now = self._step
        if self._phase == "dialling":
            return self._accepted(now)
        if self._phase == "connecting":
            return self._tried(now)
        if self._phase in {"pausing", "accepted"}:
            self._tell("pause before a retry" if self._phase == "pausing" else "HAProxy stood still", now)
            return self._connect(now, again=self.server)
        return [self._end(now, *self._answer)]

    def feed(self, now: float, input_: TargetChanged | MarkedDown | GaveUp | Target) -> list[Seen]:
        """Take in a change of a server, or (a plain target) of HAProxy's own port, or that the client hangs up.

        Once the client has given up, the port is as HAProxy's process is, whoever reaches it.
        """
        at = us(now)
        if self._phase == "over":
            return []
        if isinstance(input_, GaveUp):
            self._abandon(self._phase, at)
            return [Abandoned(seconds(at))] if self.over else []
        if isinstance(input_, Target):
            return self._front_changed(at, input_)
        if input_.server != self.server:
            return []
        if isinstance(input_, MarkedDown):
            if self.settings.shutdown_sessions:
                if self._phase == "waiting":
                    return [self._end(at, "reset", "session shut down with its server")]
                # What the client has said waits to be sent, so the attempt goes on, and is closed once it is sent
                # (stream_shutdown, back_handle_st_con: only an empty request is given up).
                self._doomed = True
        elif self._phase == "connecting":
            self._dial.change(at, input_.target)
            self._step = min(self._dial.end, self._limit)
        elif self._phase == "waiting" and self._step >= at:
            self._wait(at, input_.target)
        return []

    def redirect(self, balance: Balance, target: Callable[[str], Target]) -> None:
        """Take in that another host's HAProxy is dialled, with a balance of its own: the address has moved."""
        if self._phase == "dialling":
            self._balance, self._targets, self._assigned = balance, target, None

    # -- the client's own connect -----------------------------------------------------------------------

    def _accepted(self, now: int) -> list[Seen]:
        if self._dial.result == "connected":
            self._tell("connect to HAProxy", now)
            if self._front.kind == "frozen":
                self._phase, self._step, self._stopped = "accepted", now, now
                return []
            return self._connect(now)
        how: dict[str, Outcome] = {"refused": "refused", "unreachable": "unreachable"}
        return [self._end(now, how.get(self._dial.result, "timeout"), "connect to HAProxy")]

    def _front_changed(self, now: int, front: Target) -> list[Seen]:
        self._front = front
        if self._phase == "dialling":
            self._dial.change(now, front)
            self._step = self._dial.end
        elif front.kind == "refused":
            return [self._end(now, "reset", "HAProxy ended")]
        elif front.kind != "answering":
            # Frozen, or out of reach: nothing that HAProxy does is heard any more.
            self._stopped = now if self._stopped is None else self._stopped
        elif self._stopped is not None:
            self._go_on(now, now - self._stopped if self.settings.hides_jumps else 0)
        return []

    def _go_on(self, now: int, gap: int) -> None:
        """HAProxy's process stood still, and no longer does: what came meanwhile is read first."""
        self._stopped = None
        self._limit = max(self._limit + gap, now + 1)
        if self._phase == "connecting":
            self._step = max(min(self._dial.end, self._limit), now)
        elif self._phase == "pausing":
            self._step = max(self._step + gap, now)
        else:
            self._step = max(self._step, now)

    def _abandon(self, phase: Phase, now: int) -> None:
        """The client is gone; *phase* is what it was in."""
        self._abandoned, self._patience = True, FOREVER
        if phase not in {"connecting", "pausing"}:
            self.since = seconds(self._ready) if phase == "waiting" else None
            self._phase = "over"
            return
        self._phase = phase
        if self._stopped is not None and self._front.kind != "frozen":
            self._front = ANSWERING  # it did not stand still, but was not heard
            self._go_on(now, 0)

    # -- HAProxy's -----------------------------------------------------------------------------------

    def _connect(self, now: int, *, again: str | None = None) -> list[Seen]:
        """Assign a server, if it has none, and try it."""
        name = again or self._assigned or self._balance.pick(avoid=self._last, source=self._caller.source)
        self._assigned = None
        if name is None:
            return [self._end(now, "reset", "no server is UP")]
        if again is None:
            self._balance.opened(name)
        self.server = self._last = name
        self._dial = Dial(now, self._targets(name), self.settings.kernel)
        limit = self.settings.timeout_connect
        self._limit = FOREVER if limit is None else now + limit * 1000
        self._phase, self._step = "connecting", min(self._dial.end, self._limit)
        return []

    def _tried(self, now: int) -> list[Seen]:
        assert self.server is not None
        late = self._limit <= self._dial.end
        if not late and self._dial.result == "connected":
            self._tell(f"connect to {self.server}", now)
            found: list[Seen] = [Tried(seconds(now), self.server, failed=False)]
            if self._doomed:
                return [*found, self._end(now, "reset", "session shut down with its server")]
            if self._abandoned:
                self.since = seconds(now)
            if self._abandoned or not self._caller.waits:
                return [*found, self._end(now, "ok", "")]
            self._phase, self._ready = "waiting", now
            self._wait(now, self._targets(self.server))
            return found
        self._tell(f"{self.server}: timeout connect" if late else f"{self.server}: {self._dial.result}", now)
        return [Tried(seconds(now), self.server, failed=True), *self._retry(now, asynchronous=not late)]

    def _retry(self, now: int, *, asynchronous: bool) -> list[Seen]:
        """back_handle_st_cer: give up, wait, or try again; at the same server, or at another one."""
        s = self.settings
        assert self.server is not None
        if self._count + s.miscounted >= s.retries:
            return [self._end(now, "reset", "no retry left")]
        self._count += 1
        active = self._balance.active
        moves = s.redispatch and (
            not self._balance.running[self.server]
            or self._count == s.retries
            or (active > 1 and (not s.hashed if s.at_once else s.round_robin))
        )
        waits = asynchronous and (not moves or active <= 1 or not (s.at_once or s.round_robin))
        if moves:
            self._balance.closed(self.server)
            self.server = None
        if not waits:
            return self._connect(now, again=self.server)
        pause = TURN_AROUND_MS if s.timeout_connect is None else min(TURN_AROUND_MS, s.timeout_connect)
        self._phase, self._step = "pausing", now + pause * 1000
        return []

    def _wait(self, now: int, target: Target) -> None:
        """Wait for the server's first words."""
        self._step = FOREVER
        if target.kind == "refused":
            self._step, self._answer = now, ("reset", f"{self.server} closed it")
        elif target.speaks:
            self._step = now + us(target.answer_s) + (us(target.handshake_s) if self.settings.tls else 0)
            outcome: dict[str, Outcome] = {"good": "ok", "bad": "protocol", "closed": "reset"}
            self._answer = (outcome[target.answer], f"answer of {self.server}")
        elif self.settings.timeout_idle is not None:
            self._step = max(self._ready + self.settings.timeout_idle * 1000, now)
            self._answer = ("reset", f"{self.server} said nothing until HAProxy's timeout")

    # -- words ---------------------------------------------------------------------------------------

    def _tell(self, words: str, until: int) -> None:
        self._parts = (*self._parts, (words, until - self._told))
        self._told = until

    def _waiting_for(self) -> str:
        if self._phase == "dialling" or self.server is None:
            return "HAProxy silent" if self._last is None else "no server yet"
        return {"connecting": f"connect to {self.server}", "pausing": "pause before a retry"}.get(
            self._phase, f"{self.server} silent"
        )

    def _end(self, now: int, outcome: Outcome, words: str) -> Fate | Abandoned:
        self._phase = "over"
        if self._abandoned:
            return Abandoned(seconds(now))
        self._tell(words, now)
        reason = tuple((said, seconds(part)) for said, part in self._parts if said)
        return Fate(seconds(now), outcome, self.server or self._last, reason)
