"""The health check once more, plainly: every SYN, probe, timer and tick is an event of its own.

Written from the semantics alone, for comparison with the machine that skips what changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from simulation.machines.check_words import Observed, Paused, Resumed
from simulation.machines.wire import Target

if TYPE_CHECKING:
    from simulation.machines.check_settings import CheckSettings

S = 1_000_000
NEVER = 1 << 61


def us(t: float) -> int:
    """Give microseconds."""
    return round(t * S)


class Ticking:
    """One server's check, ticking."""

    def __init__(
        self, settings: CheckSettings, target: Target, first: float, draw: Callable[[], float] | None = None
    ) -> None:
        self.s, self.target, self.draw = settings, target, draw
        self.health = {
            "fully-up": settings.rise + settings.fall - 1,
            "up": settings.rise,
            "down": settings.rise - 1,
        }.get(settings.init_state, 0)
        self.up = settings.init_state in {"fully-up", "up"}
        self.code = ""
        self.now = 0
        self.task = us(first)
        self.errors = 0
        self.forced = False
        self.asleep: int | None = None
        self.out: list[tuple[int, bool, int, str, int]] = []
        self.shown = (self.up, self.health, self.code, 16)
        self.steps = 16
        self.warm, self.up_since = NEVER, 0
        self.busy = False

    # -- the attempt: kernel side: syn, arp, arriving, open, closed; HAProxy side: what it has read so far ------

    def _begin(self) -> None:
        self.busy, self.spoiled = True, False
        self.start = self.now
        self.key = self.expire = self.now + self._limit()
        self.syns = [self.now + s for s in self.s.kernel.syns]
        self.give_up = self.now + self.s.kernel.gives_up
        self.probes: list[int] = []
        self.unreachable = self.arrival = NEVER
        self.arriving = ""
        self.stage = "connect"
        self.answer_at = NEVER
        self.answer = ""
        self.inbox: list[str] = []

    def _limit(self) -> int:
        s = self.s
        both = s.timeout_check is not None and s.timeout_connect is not None
        return 1000 * (min(s.inter, s.timeout_connect or 0) if both else s.inter)

    def _meet(self) -> None:
        """A SYN reaches the target, or does not."""
        accepts = self.target.kind == "answering" or (self.target.kind == "frozen" and not self.target.full)
        if accepts or self.target.kind == "refused":
            self.arriving = "connected" if accepts else "L4CON"
            self.arrival = self.now + us(self.target.connect_s)
            self.syns, self.probes, self.unreachable, self.give_up = [], [], NEVER, NEVER

    def _read(self) -> None:
        """HAProxy reads what has come."""
        while self.inbox and self.busy:
            word = self.inbox.pop(0)
            if word == "connected":
                self._next_stage()
            elif word == "secured":
                self.stage = "secured"
                self._next_stage()
            else:
                self._done(word)

    def _next_stage(self) -> None:
        if self.stage == "connect" and self.s.tls:
            self.stage = "handshake"
            self._ask()
        elif self.s.kind == "tcp":
            self._done("L6OK" if self.s.tls else "L4OK")
        else:
            self.stage = "expect"
            if self.s.timeout_check is not None:
                self.expire = self.now + self.s.timeout_check * 1000
                if not self.s.late_timeout:
                    self.key = self.expire
            self._ask()

    def _ask(self) -> None:
        """The server hears the question, and answers in its time if it does not change."""
        self.answer_at = NEVER
        kind = self.target.kind
        if kind == "refused":
            self.answer_at, self.answer = self.now, "L6RSP" if self.stage == "handshake" else "L7RSP"
        elif kind == "answering" and self.stage == "handshake":
            self.answer_at, self.answer = self.now + us(self.target.handshake_s), "secured"
        elif kind == "answering":
            self.answer_at = self.now + us(self.target.answer_s)
            wrong = "L7STS" if self.s.kind == "http" and self.target.answer == "bad" else "L7RSP"
            self.answer = "L7OK" if self.target.answer == "good" else wrong

    def _done(self, code: str) -> None:
        if not self.spoiled:
            self._count(code)
        self.busy = False
        self._sleep_until_next()

    def _sleep_until_next(self) -> None:
        s = self.s
        if self.health == s.rise + s.fall - 1 and not self.forced:
            pause = s.inter
        elif not self.up and self.health == 0:
            pause = s.downinter or s.inter
        else:
            pause = s.fastinter or s.inter
        self.forced = False
        if s.spread:
            rv = pause * s.spread // 100
            rv -= int(2 * rv * self.draw())
            pause += rv
        self.task = self.now + pause * 1000

    def _count(self, code: str) -> None:
        s = self.s
        self.code = code
        if code.endswith("OK"):
            self.errors = 0
            if self.health < s.rise + s.fall - 1:
                self.health += 1
                if self.health >= s.rise:
                    self.health = s.rise + s.fall - 1
            if self.health >= s.rise and not self.up:
                self.up = True
                if s.slowstart:
                    self.steps, self.up_since, self.warm = 1, self.now, self.now + S
                else:
                    self.steps = 16
        else:
            if self.health > 0:
                self.health -= 1
                if self.health < s.rise:
                    self.health = 0
            if self.health == 0 and self.up:
                self.up, self.steps, self.warm = False, 16, NEVER

    def _show(self) -> None:
        shown = (self.up, self.health, self.code, self.steps)
        running = self.warm == NEVER
        if (*shown, running) != self.shown:
            self.out.append((self.now, *shown))
        self.shown = (*shown, running)

    # -- inputs --------------------------------------------------------------------------------------

    def _take(self, input_: Any) -> None:
        s = self.s
        if isinstance(input_, Target):
            self.target = input_
            if self.busy and self.stage in {"handshake", "expect"} and self.answer not in self.inbox:
                self._ask()
        elif isinstance(input_, Paused):
            self.asleep = self.now if self.asleep is None else self.asleep
        elif isinstance(input_, Resumed) and self.asleep is not None:
            gap = self.now - self.asleep if input_.hidden else 0
            self.asleep = None
            self.task = max(self.task + gap, self.now)
            if self.warm != NEVER:
                self.warm, self.up_since = max(self.warm + gap, self.now), self.up_since + gap
            if self.busy:
                if input_.hidden:
                    self.key, self.expire = self.key + gap, self.expire + gap
                else:
                    self.key = max(self.key, self.now + 1)
                    self.expire = max(self.expire, self.now + 1)
                self._read()
        elif isinstance(input_, Observed) and self.asleep is None:
            self.errors = self.errors + 1 if input_.failed else 0
            if s.observe and self.errors >= s.error_limit:
                self._react()
        self._show()

    def _react(self) -> None:
        s = self.s
        self.errors = 0
        self.forced = s.forced_fastinter
        if s.on_error == "sudden-death" and self.health > s.rise:
            self.health = s.rise + 1
        if s.on_error == "mark-down":
            self.health = s.rise
        if s.on_error != "fastinter":
            self._count("HANA")
            if self.busy:
                self.spoiled = True
        if not s.fastinter:
            return
        if s.forced_fastinter:
            if self.busy and self.spoiled:
                self.busy = False
                self._sleep_until_next()
            elif not self.busy:
                before, pause = self.task, s.fastinter if self.up or self.health else (s.downinter or s.inter)
                if self.now + pause * 1000 <= before:
                    self._sleep_until_next()
        elif self.busy:
            if self.now + s.fastinter * 1000 < self.expire:
                self.key = self.expire = self.now + s.fastinter * 1000
        else:
            self.task = min(self.task, self.now + s.fastinter * 1000)

    # -- time ----------------------------------------------------------------------------------------

    def _upcoming(self) -> list[tuple[int, int, str]]:
        found = []
        awake = self.asleep is None
        if awake:
            found += [(self.warm, 3, "warm")]
            found += [(self.key, 1, "timer")] if self.busy else [(self.task, 2, "begin")]
        if self.busy:
            found += [(self.arrival, 2, "arrival"), (self.answer_at, 2, "answer"), (self.unreachable, 2, "unreachable")]
            found += [(self.give_up, 2, "give up")]
            found += [(t, 2, "syn") for t in self.syns[:1]] + [(t, 2, "probe") for t in self.probes[:1]]
        return found

    def run(self, inputs: Sequence[tuple[float, Any]], until: float) -> list[tuple[int, bool, int, str, int]]:
        """Play *inputs* and give what is seen up to *until*."""
        todo = [(us(t), input_) for t, input_ in inputs]
        self.shown = (*self.shown, self.warm == NEVER)
        while True:
            t, _, what = min([*self._upcoming(), (us(until), 4, "end")])
            if todo and todo[0][0] <= t:
                self.now, input_ = todo.pop(0)
                self._take(input_)
                continue
            self.now = t
            if what == "end":
                return self.out
            getattr(self, "_on_" + what.replace(" ", "_"))()
            self._show()

    def _on_warm(self) -> None:
        elapsed = (self.now - self.up_since) // S
        if elapsed >= self.s.slowstart:
            self.steps, self.warm = 16, NEVER
        else:
            self.steps = (16 * elapsed + self.s.slowstart) // self.s.slowstart
            self.warm = self.now + S

    def _on_begin(self) -> None:
        self._begin()

    def _on_timer(self) -> None:
        if self.expire > self.key:
            self.key = self.expire
            return
        self._done({"connect": "L4TOUT", "handshake": "L6TOUT", "expect": "L7TOUT"}[self.stage])

    def _on_syn(self) -> None:
        self.syns.pop(0)
        if self.target.kind == "unroutable":
            self.probes = [self.now + S, self.now + 2 * S]
            self.unreachable = self.now + us(3.06)
            self.later, self.syns = self.syns, []
        else:
            self._meet()

    def _on_probe(self) -> None:
        self.probes.pop(0)
        if self.target.kind != "unroutable":
            self.probes, self.unreachable = [], NEVER
            self.syns = [t for t in self.later if t > self.now]
            self._meet()

    def _arrive(self, word: str) -> None:
        self.inbox.append(word)
        if self.asleep is None:
            self._read()

    def _on_unreachable(self) -> None:
        self.unreachable, self.probes = NEVER, []
        self._arrive("L4CON")

    def _on_give_up(self) -> None:
        self.give_up = NEVER
        self._arrive("L4CON")

    def _on_arrival(self) -> None:
        self.arrival = NEVER
        self._arrive(self.arriving)

    def _on_answer(self) -> None:
        self.answer_at = NEVER
        self._arrive(self.answer)
