"""The runs of one track script, every one of them: what :mod:`simulation.machines.track_script` skips through.

keepalived 2.1.5 to 2.4.3: vrrp_scheduler.c (vrrp_init_script, vrrp_script_thread, vrrp_script_child_thread). Runs begin
at a steady pace from start to start; a result counts when its run has ended. At one instant a run begins before
another's time is up, as both timers were set together and this one first; and time is up before a run ends by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason

__all__ = ["Answer", "Began", "Ended", "Run", "Runs", "ScriptOutput", "ScriptSettings", "Verdict"]

TERM_TO_KILL_S = 2.0
"""vrrp_script_child_thread: SIGKILL so long after SIGTERM, and so on while it does not end."""


class Answer(NamedTuple):
    """What a run of the script comes to: its verdict, after so many seconds (infinity: it hangs)."""

    ok: bool
    takes: float = 0.0
    on_term: Literal["dies", "ignores", "succeeds"] = "dies"
    """What SIGTERM does to it; a script that traps it and exits 0 has succeeded."""


class Verdict(NamedTuple):
    """The script counts as well, or as failed, from now on; *why* are the times from *since* on."""

    at: float
    ok: bool
    since: float
    why: Reason = ()


class Began(NamedTuple):
    """A run began; said only to who watches runs."""

    at: float
    began: float


class Ended(NamedTuple):
    """A run ended, by itself or by a signal; said only to who watches runs."""

    at: float
    began: float
    by_itself: bool


ScriptOutput: TypeAlias = Verdict | Began | Ended


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """A vrrp_script; keepalived's own defaults (vrrp_data.c:alloc_vrrp_script)."""

    interval_s: float = 1.0
    timeout_s: float = 1.0
    rise: int = 1
    fall: int = 1
    init_fail: bool = False
    second_copy: bool = True
    """A run that is still under way when the next is due: 2.1.3 to 2.3.2 say "skipping run" and begin it all the same
    (a lost return, e8e64015; 94d40e3b). Other versions skip."""


class Run(NamedTuple):
    """A run under way: which one it is, when it began, what it comes to, and how many signals it has withstood."""

    place: int
    began: float
    answer: Answer
    signals: int = 0

    @property
    def ends(self) -> float:
        """When it ends by itself."""
        return self.began + self.answer.takes


@dataclass(slots=True)
class Runs:
    """The script's life run by run."""

    settings: ScriptSettings
    first: float
    answer: Answer
    place: int = 0
    now: float = -math.inf
    runs: tuple[Run, ...] = ()
    stage: Literal["idle", "running", "term", "kill"] = "idle"
    result: int = 0
    untried: bool = False
    series: tuple[bool, float] | None = None
    watched: bool = False
    changed: float = -math.inf
    seen: dict[object, int] = field(default_factory=dict)
    """Patterns since something changed, and the run before which each was there."""

    def start(self, place: int) -> float:
        """When a run is due to begin."""
        return self.first + place * self.settings.interval_s

    def _deadline(self, run: Run) -> float:
        return run.began + self.settings.timeout_s + TERM_TO_KILL_S * run.signals

    def _order(self, run: Run) -> tuple[float, float, bool]:
        """Timers that run out together are seen to in the order in which they were set."""
        deadline = self._deadline(run)
        return deadline, deadline - TERM_TO_KILL_S if run.signals else run.began, bool(run.signals)

    @property
    def next(self) -> float:
        """The next instant at which a run begins, ends, or is out of time."""
        instants = [self.start(self.place), *(min(run.ends, self._deadline(run)) for run in self.runs)]
        return max(min(instants), self.now)

    def step(self) -> list[ScriptOutput]:
        """Do everything of the next instant."""
        now = self.now = self.next
        said: list[ScriptOutput] = []
        if self.start(self.place) <= now:
            said += self._begin(now)
        for run in sorted(self.runs, key=self._order):
            if self._deadline(run) <= now:
                said += self._out_of_time(run, now)
        for run in self.runs:
            if run.ends <= now:
                said += self.end(run, now, ok=run.answer.ok, by_itself=True)
        return said

    def _begin(self, now: float) -> list[ScriptOutput]:
        place, self.place = self.place, self.place + 1
        if self.stage != "idle" and not self.settings.second_copy:
            return []
        self.runs += (Run(place, now, self.answer),)
        self.stage = "running"
        return [Began(now, now)] if self.watched else []

    def _out_of_time(self, run: Run, now: float) -> list[ScriptOutput]:
        """One stage serves all copies: a copy may be killed for what another was told, or be forgotten."""
        if self.stage == "idle":
            self._drop(run)
            return []
        self.stage = "term" if self.stage == "running" else "kill"
        if self.stage == "kill" or run.answer.on_term == "dies":
            return self.end(run, now, ok=False, by_itself=False)
        if run.answer.on_term == "succeeds":
            return self.end(run, now, ok=True, by_itself=False)
        self.runs = tuple(each._replace(signals=each.signals + 1) if each is run else each for each in self.runs)
        return []

    def _drop(self, run: Run) -> None:
        self.runs = tuple(each for each in self.runs if each is not run)

    def end(self, run: Run, now: float, *, ok: bool, by_itself: bool) -> list[ScriptOutput]:
        """The counter, of the same shape as HAProxy's, though a first result of either kind decides."""
        self._drop(run)
        said: list[ScriptOutput] = [Ended(now, run.began, by_itself)] if self.watched else []
        rise, fall = self.settings.rise, self.settings.fall
        if self.series is None or self.series[0] != ok:
            self.series = ok, run.began
        if ok and self.result < rise - 1:
            self.result += 1
        elif ok:
            if self.result < rise:
                said.append(self._verdict(now, run, ok=True))
            self.result = rise + fall - 1
        elif self.result > rise:
            self.result -= 1
        else:
            if self.result == rise or self.untried:
                said.append(self._verdict(now, run, ok=False))
            self.result = 0
        self.stage, self.untried = "idle", False
        return said

    def _verdict(self, now: float, run: Run, *, ok: bool) -> Verdict:
        assert self.series is not None
        first = min(self.series[1], run.began)
        since = min(first, max(self.changed, self.first))
        parts = [("to the next run", first - since)]
        if run.began > first:
            times = round((run.began - first) / self.settings.interval_s)
            parts.append((f"{times} x interval {self.settings.interval_s:g}", run.began - first))
        parts.append(("run", now - run.began))
        return Verdict(now, ok, since, tuple(parts))

    def pattern(self) -> object:
        """All that the future depends on, but for the time."""
        runs = []
        for run in self.runs:
            ago = (self.place - run.place) * self.settings.interval_s
            takes, limit = run.answer.takes - ago, TERM_TO_KILL_S * run.signals - ago
            runs.append((run.answer._replace(takes=takes), limit, run.signals > 0))
        return tuple(runs), self.stage, self.result, self.untried

    def skip(self, until: float) -> None:
        """Leave out whole rounds of what only repeats, if that has been seen."""
        pattern = self.pattern()
        before = self.seen.setdefault(pattern, self.place)
        length = self.place - before
        if length:
            rounds = int((until - self.now) / (length * self.settings.interval_s)) - 1
            if rounds > 0:
                self.place += rounds * length
                self.runs = tuple(
                    run._replace(place=run.place + rounds * length, began=self.start(run.place + rounds * length))
                    for run in self.runs
                )
                self.now = self.start(self.place - 1)

    def copy(self) -> Runs:
        """Give another that can go ahead by itself."""
        return replace(self, seen=dict(self.seen))
