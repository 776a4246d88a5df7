"""Aten against a reference that keeps each beat and polls each time."""

from __future__ import annotations

import math
from typing import Any

import pytest
from designs import design
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.machines.clocks import next_tick
from simulation.machines.detector import Detector, DetectorSettings, Judged


def play(detector: Detector, schedule: list[tuple[float, Any]], until: float) -> list[Judged]:
    """Drive a detector and give its verdicts."""
    said: list[Judged] = []
    for now, what in [*schedule, (until, None)]:
        while detector.due <= now:
            said += detector.fire()
        if what is not None:
            said += detector.feed(now, what)
    return said


class Polling:
    """Aten with a list of the last 1000 intervals, fed beat by beat."""

    def __init__(self, known: DetectorSettings, poll: float, beat: float) -> None:
        """Begin with a full window of even intervals."""
        self.known, self.poll, self.beat = known, poll, beat
        self.intervals: list[float] | None = [known.beat_s] * 1000
        self.fresh: float | None = beat - known.beat_s
        self.before: bool | None = False
        self.said: list[tuple[float, bool]] = []

    def arrive(self, now: float, even: float | None) -> None:
        """Take in a beat; an *even* interval is the clock's own, free of rounding."""
        if self.intervals is None:
            self.intervals, self.fresh = [], None
        elif self.fresh is None:
            self.fresh = now
        else:
            self.intervals = [*self.intervals, now - self.fresh if even is None else even][-1000:]
            self.fresh = now

    def judge(self, now: float) -> None:
        """Poll."""
        verdict: bool | None = None
        if self.intervals is not None:
            silence = now - self.fresh if self.fresh is not None else 0.0
            small = sum(one * self.known.scaling <= silence for one in self.intervals)
            verdict = small / max(1, len(self.intervals)) >= self.known.threshold
        if self.before is False and verdict is not False:
            self.said.append((now, False))
        if self.before is not False and verdict is False:
            self.said.append((now, True))
        self.before = verdict

    def run(self, schedule: list[tuple[float, Any]], until: float) -> list[tuple[float, bool]]:
        """Step from tick to tick."""
        beats = polls = 0
        silent = gone = False
        held = 0
        plan = [*schedule, (until, None)]
        while plan:
            beat = self.beat + beats * self.known.beat_s
            poll = self.poll + polls * self.known.poll_s
            now = min(beat, poll, plan[0][0])
            if beat == now:
                beats += 1
                if silent:
                    held += 1
                elif not gone:
                    self.arrive(now, self.known.beat_s if not held else None)
                    held = 0
            elif poll == now:
                polls += 1
                self.judge(now)
            else:
                _, what = plan.pop(0)
                if what == "silent":
                    silent, held = True, 0
                elif what == "heard" and silent and not gone:
                    silent = False
                    for _ in range(1 + max(0, math.ceil((now - (self.fresh or now)) / self.known.beat_s) - 1)):
                        self.arrive(now, None)
                    # Beats go on from here at the pace of their clock; the first one's interval is as good as even.
                    held = 0
                elif what == "nodedown":
                    self.intervals, self.fresh, gone = None, None, True
                elif what == "nodeup":
                    gone = silent = False
        return self.said


def alternate(waits: list[tuple[float, bool]]) -> list[tuple[float, Any]]:
    """Make a schedule of silences, some of which end by nodedown and nodeup."""
    now, plan = 200.0, []
    for wait, dies in waits:
        plan.append((now, "silent"))
        now += wait
        if dies:
            plan += [(now, "nodedown"), (now + wait / 3, "nodeup")]
            now += wait / 3 + 110.0
        else:
            plan.append((now, "heard"))
            now += 5.0 + wait / 2
    return plan


offsets = st.integers(0, 4999).map(lambda n: n / 1000 + 0.00037)


@pytest.mark.slow
@settings(max_examples=100)
@given(
    offsets,
    st.integers(0, 99).map(lambda n: n / 1000 + 0.00011),
    st.lists(st.tuples(st.floats(0.3, 30).map(lambda x: round(x, 2)), st.booleans()), max_size=3),
    st.sampled_from([DetectorSettings(), DetectorSettings(poll_s=1.0), DetectorSettings(2.0, 0.2, 3.0, 0.9)]),
)
def test_verdicts_are_those_of_every_poll(poll: float, beat: float, waits: Any, known: DetectorSettings) -> None:
    """Polls and beats that are skipped change nothing."""
    slower = DetectorSettings(known.poll_s, known.beat_s * 5, known.scaling, known.threshold)
    plan = alternate(waits)
    until = (plan[-1][0] if plan else 0.0) + 40.0
    said = play(Detector(slower, poll % known.poll_s, beat), plan, until)
    assert [(one.t, one.up) for one in said] == Polling(slower, poll % known.poll_s, beat).run(plan, until)


@given(offsets)
def test_a_silent_peer_is_suspected_at_the_next_poll(poll: float) -> None:
    """After 0.15 s of silence and what is left of the poll's interval."""
    (down,) = play(Detector(DetectorSettings(), poll, 0.05), [(100.02, "silent")], 130.0)
    assert not down.up
    assert 0.15 - 0.1 <= down.t - 100.02 <= 5.15
    words, seconds = zip(*down.reason, strict=True)
    assert words == ("silence until aten is sure", "wait for its poll")
    assert math.isclose(sum(seconds), down.t - 99.95, abs_tol=1e-6)


def test_up_follows_at_the_first_poll_with_beats() -> None:
    """Polls at 101, 106, 111: silent from 100 to 107 is down at 101 and up at 111."""
    said = play(Detector(DetectorSettings(), 1.0, 0.05), [(100.0, "silent"), (107.0, "heard")], 130.0)
    assert [(one.t, one.up) for one in said] == [(101.0, False), (111.0, True)]


def test_a_silence_between_two_polls_is_not_seen() -> None:
    """Up to 5 s of it, if the phase is right."""
    assert not play(Detector(DetectorSettings(), 1.0, 0.05), [(101.1, "silent"), (105.9, "heard")], 130.0)


def test_nodedown_is_told_at_the_next_poll() -> None:
    """Aten forgets the peer and says down when it polls; after nodeup it says up in the same way."""
    plan: list[tuple[float, Any]] = [(100.0, "nodedown"), (117.0, "nodeup")]
    said = play(Detector(DetectorSettings(), 1.0, 0.05), plan, 130.0)
    assert [(one.t, one.up) for one in said] == [(101.0, False), (121.0, True)]


def test_a_new_connection_with_one_long_gap_hides_the_next_silence() -> None:
    """With fewer than 100 intervals one gap is more than a hundredth: only a silence 1.5 times as long counts."""
    known = DetectorSettings(poll_s=1.0)
    plan: list[tuple[float, Any]] = [
        (100.0, "nodedown"), (110.0, "nodeup"), (111.5, "silent"), (115.5, "heard"), (116.5, "silent"),
    ]  # fmt: skip
    said = play(Detector(known, 0.5, 0.05), plan, 140.0)
    silent_at = 116.45
    assert [one.up for one in said] == [False, True, False, True, False]
    assert said[-1].t == next_tick(0.5, 1.0, silent_at + 1.5 * 4.05)


def test_a_frozen_detector_polls_late_and_anew() -> None:
    """Its overdue poll comes as it is thawed, and the next a whole interval later."""
    plan: list[tuple[float, Any]] = [(100.0, "hangs"), (103.3, "runs"), (104.0, "silent")]
    said = play(Detector(DetectorSettings(), 1.0, 0.05), plan, 130.0)
    assert [(one.t, one.up) for one in said] == [(108.3, False)]


def test_who_begins_to_watch_is_told_at_once() -> None:
    """What the last poll found."""
    detector = Detector(DetectorSettings(), 1.0, 0.05)
    assert detector.up
    play(detector, [(100.0, "silent")], 110.0)
    assert not detector.up


def test_settings_by_release_and_design() -> None:
    """1 s before 3.8.9, 5 s from there on, and what the design says."""

    def of(release: str, **detector: Any) -> DetectorSettings:
        rabbitmq = {"nodes": ["r1", "r2", "r3"], "raft_detector": detector}
        versions = {"rabbitmq": release}
        return DetectorSettings.from_design(design(versions=versions, rabbitmq=rabbitmq))

    assert of("3.8.8").poll_s == 1.0
    assert of("3.8.9").poll_s == of("3.10.8").poll_s == 5.0
    assert of("3.10.8", poll_interval="2s", detection_threshold=0.9) == DetectorSettings(poll_s=2.0, threshold=0.9)
