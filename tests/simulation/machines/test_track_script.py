"""Track scripts: as when each run is an event, and as measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.keepalived import ObserveScript
from rmqha_model.topology import Topology
from simulation.machines.machine import NEVER
from simulation.machines.script_runs import Answer, ScriptSettings, Verdict
from simulation.machines.track_script import Answers, TrackScript, observed, script_from_design
from simulation.machines.vrrp_words import Freeze, Thaw

OK, FAIL, HANG = Answer(ok=True), Answer(ok=False), Answer(ok=False, takes=NEVER)
STUBBORN = HANG._replace(on_term="ignores")


def verdicts(script: TrackScript, until: float) -> list[tuple[float, bool]]:
    """Let a script go on and give what it concludes."""
    found = []
    while script.due < until:
        found += [(said.at, said.ok) for said in script.fire() if isinstance(said, Verdict)]
    return found


# -- the reference: keepalived's threads, one after the other, in milliseconds -------------------------


@dataclass
class Child:
    """A process of the script, and its thread in keepalived."""

    ends: float
    timeout: float
    answer: Answer
    armed: int
    alive: bool = True


class Ticking:
    """vrrp_script_thread and vrrp_script_child_thread, each call of them an event."""

    def __init__(self, told: ScriptSettings, first: int, answer: Answer) -> None:
        self.told, self.answer = told, answer
        self.timer: float = first
        self.children: list[Child] = []
        self.state = "IDLE"
        self.init = "FAILED" if told.init_fail else "INIT"
        self.result = 0 if told.init_fail else told.rise - 1
        self.log: list[tuple[int, bool]] = []
        self.armed = 0
        self.now: float = first

    def arm(self) -> int:
        """Count timers as they are set."""
        self.armed += 1
        return self.armed

    def run(self, until: float) -> None:
        """Let everything before *until* happen."""
        while True:
            at = min([self.timer, *(min(child.ends, child.timeout) for child in self.children)])
            if max(at, self.now) >= until:
                return
            self.now = max(at, self.now)
            if self.timer <= self.now:
                self.timer = self.now + self.told.interval_s * 1000
                if self.state == "IDLE" or self.told.second_copy:
                    self.children.append(
                        Child(
                            self.now + self.answer.takes * 1000,
                            self.now + self.told.timeout_s * 1000,
                            self.answer,
                            self.arm(),
                        )
                    )
                    self.state = "RUNNING"
                continue
            late = sorted((c for c in self.children if c.timeout <= self.now), key=lambda c: (c.timeout, c.armed))
            if late:
                self.child_timeout(late[0])
                continue
            ended = next(child for child in self.children if child.ends <= self.now)
            self.exit(ended, ok=ended.answer.ok)

    def child_timeout(self, child: Child) -> None:
        """vrrp_script_child_thread, of a child that is late."""
        if self.state == "RUNNING":
            self.state = "REQUESTING"
            if child.answer.on_term != "ignores":
                self.exit(child, ok=child.answer.on_term == "succeeds")
                return
        elif self.state == "REQUESTING":
            self.state = "FORCING"
            self.exit(child, ok=False)
            return
        elif self.state == "FORCING":
            self.exit(child, ok=False)
            return
        else:
            self.children.remove(child)
            return
        child.timeout, child.armed = self.now + 2000, self.arm()

    def exit(self, child: Child, *, ok: bool) -> None:
        """vrrp_script_child_thread, of a child that has ended."""
        self.children.remove(child)
        rise, fall = self.told.rise, self.told.fall
        if ok:
            if self.result < rise - 1:
                self.result += 1
            elif self.result != rise + fall - 1:
                if self.result < rise:
                    self.log.append((round(self.now), True))
                self.result = rise + fall - 1
        elif self.result > rise:
            self.result -= 1
        else:
            if self.result == rise or self.init == "INIT":
                self.log.append((round(self.now), False))
            self.result = 0
        self.state, self.init = "IDLE", "DONE"


answers = st.builds(
    Answer,
    ok=st.booleans(),
    takes=st.sampled_from([0.0, 0.013, 0.9, 1.7, 2.3, 3.1, 4.6, 7.2, NEVER]),
    on_term=st.sampled_from(["dies", "dies", "ignores", "succeeds"]),
)


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.builds(
        ScriptSettings,
        interval_s=st.integers(1, 5).map(float),
        timeout_s=st.integers(1, 9).map(float),
        rise=st.integers(1, 3),
        fall=st.integers(1, 3),
        init_fail=st.booleans(),
        second_copy=st.booleans(),
    ),
    st.lists(st.tuples(st.one_of(st.integers(1, 30_000), st.integers(200_000, 400_000)), answers), max_size=6),
    answers,
)
def test_as_if_every_run_were_an_event(told: ScriptSettings, changes: list[tuple[int, Answer]], first: Answer) -> None:
    """What a script concludes that leaves out runs is what it concludes run by run."""
    script, plain = TrackScript(told, 0.0, first), Ticking(told, 0, first)
    found, at = [], 0
    for index, (gap, answer) in enumerate(changes):
        at += gap + index
        found += verdicts(script, at / 1000)
        script.feed(at / 1000, Answers(answer))
        plain.run(at)
        plain.answer = answer
    found += verdicts(script, (at + 60_000) / 1000)
    plain.run(at + 60_000)
    assert [(round(when * 1000), ok) for when, ok in found] == plain.log


# -- measured, and told by the source -----------------------------------------------------------------


def concluded(told: ScriptSettings, before: Answer, changed: float, answer: Answer) -> Verdict | None:
    """Change what a script comes to and give its first verdict after that."""
    script = TrackScript(told, 0.0, before)
    verdicts(script, changed)
    script.feed(changed, Answers(answer))
    if script.due == NEVER:
        return None
    said = script.fire()[0]
    assert isinstance(said, Verdict)
    assert said.since + sum(part for _, part in said.why) == pytest.approx(said.at)
    return said


@pytest.mark.parametrize(("answer", "after"), [(HANG, 2.0), (STUBBORN, 4.0)])
@pytest.mark.parametrize("second_copy", [True, False])
def test_hung_script_is_a_failure(answer: Answer, after: float, *, second_copy: bool) -> None:
    """Interval 2: failed at the run's start + 2.0 s, and + 4.0 s if SIGTERM does not end it (measured)."""
    told = ScriptSettings(2.0, 2.0, second_copy=second_copy)
    verdict = concluded(told, OK, 9.0, answer)
    assert verdict is not None
    assert (verdict.at, verdict.ok) == (10.0 + after, False)


def test_hung_script_with_fall_two_takes_longer_where_a_run_is_skipped() -> None:
    """Where an overdue run keeps the next one from beginning, each failure costs two intervals."""
    doubled, skipped = (
        concluded(ScriptSettings(2.0, 2.0, 2, 2, second_copy=copy), OK, 9.0, HANG) for copy in (True, False)
    )
    assert doubled is not None
    assert skipped is not None
    assert (doubled.at, skipped.at) == (14.0, 16.0)


def test_script_that_traps_sigterm_succeeds() -> None:
    """A script that ends with status 0 when it is told to end is well."""
    assert concluded(ScriptSettings(2.0, 2.0), OK, 9.0, HANG._replace(on_term="succeeds")) is None


def test_first_result_decides() -> None:
    """At start one result of either kind is enough, unless init_fail asks for all of rise."""
    told = ScriptSettings(2.0, 2.0, 3, 3)
    assert verdicts(TrackScript(told, 0.0, OK), 20.0) == [(0.0, True)]
    assert verdicts(TrackScript(told, 0.0, FAIL), 20.0) == [(0.0, False)]
    doubted = ScriptSettings(2.0, 2.0, 3, 3, init_fail=True)
    assert verdicts(TrackScript(doubted, 0.0, OK), 20.0) == [(4.0, True)]


def test_reason_of_a_verdict() -> None:
    """A verdict says how long it was to the run, how many runs it took and how long the last one did."""
    verdict = concluded(ScriptSettings(2.0, 2.0, 2, 2), OK, 9.5, Answer(ok=False, takes=1.0))
    assert verdict == Verdict(
        13.0, ok=False, since=9.5, why=(("to the next run", 0.5), ("1 x interval 2", 2.0), ("run", 1.0))
    )


@pytest.mark.parametrize(("state", "first", "last"), [("dead", 2.0, 4.0), ("frozen", 3.0, 5.0)])
def test_generated_check(state: Literal["dead", "frozen"], first: float, last: float) -> None:
    """The generated check finds a dead HAProxy in the second run, a frozen one a second later."""
    told = ScriptSettings(2.0, 2.0, 2, 2)
    found = []
    for step in range(200):
        changed = 10.0 + step / 100
        verdict = concluded(told, observed(ObserveScript(), "serves"), changed, observed(ObserveScript(), state))
        assert verdict is not None
        found.append(verdict.at - changed)
    assert min(found) == pytest.approx(first, abs=0.011)
    assert max(found) == pytest.approx(last, abs=0.011)


def test_nothing_is_done_while_nothing_changes() -> None:
    """A year in which nothing happens is no event, and the phase is kept to the last bit."""
    script = TrackScript(ScriptSettings(2.0, 2.0, 2, 2), 0.1, OK)
    assert len(verdicts(script, 31_536_000.0)) == 1
    script.feed(31_536_000.0, Answers(FAIL))
    assert script.due == 0.1 + 15_768_001 * 2.0


def test_stopped_keepalived_comes_to_it_late() -> None:
    """While keepalived stands still no run begins; afterwards one begins at once, and the pace starts from there."""
    script = TrackScript(ScriptSettings(2.0, 2.0), 0.0, OK)
    verdicts(script, 10.5)
    script.feed(10.5, Freeze())
    script.feed(11.0, Answers(FAIL))
    assert script.due == NEVER
    script.feed(20.5, Thaw())
    assert verdicts(script, 30.0) == [(20.5, False)]
    script.feed(30.0, Answers(OK))
    assert script.due == 30.5


def test_run_under_way_can_change_its_mind() -> None:
    """A HAProxy that goes on answers the run that waits for it."""
    script = TrackScript(ScriptSettings(2.0, 2.0, 1, 1), 0.0, Answer(ok=False, takes=1.5))
    assert verdicts(script, 10.2) == [(1.5, False)]
    script.feed(10.2, Answers(OK, running=OK))
    assert verdicts(script, 20.0) == [(10.2, True)]


def test_settings_of_a_design(root: Path) -> None:
    """A design's script has its times, and its release says what an overdue run does to the next."""
    design = load(root / "examples/article.yaml", Topology)
    assert script_from_design(design, "chk_haproxy") == ScriptSettings(5.0, 5.0, second_copy=True)
    newer = design.model_copy(update={"versions": design.versions.model_copy(update={"keepalived": "2.3.3"})})
    assert not script_from_design(newer, "chk_haproxy").second_copy
