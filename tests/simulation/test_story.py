"""A run as a story."""

from __future__ import annotations

from pathlib import Path

from rmqha_model.cases import cases
from rmqha_model.document import load
from rmqha_model.timeline import Timeline
from rmqha_model.topology import Topology
from simulation.run import explained
from simulation.story import because, story

ROOT = Path(__file__).parents[2]


def test_a_prediction_is_told_with_its_reasons() -> None:
    """Each line has its time, in order, and says what the time is made of."""
    design = load(ROOT / "examples/article-fixed.yaml", Topology)
    case = next(case for case in cases(design) if case.name == "broker_kill-leader")
    told = explained(design, case.scenario, 1)
    lines = list(story(told.timeline, told.reasons))
    assert [t for t, _ in lines] == sorted(t for t, _ in lines)
    words = [words for _, words in lines]
    assert words[0].startswith("broker_kill begins on rabbit")
    down = next(each for each in words if " DOWN L4CON: wait for the next check " in each)
    assert down.endswith("fastinter 0.50 s + fastinter 0.50 s")
    assert any(each.startswith("broker_kill of rabbit") and each.endswith("is undone") for each in words)


def test_a_measurement_is_told_too() -> None:
    """Without reasons; failures of fresh connections are one spell, not one line each."""
    timeline = Timeline.read(ROOT / "docs/evidence/bookworm/article-fixed/timelines/haproxy_hang-vip_owner.jsonl.gz")
    words = [words for _, words in story(timeline)]
    assert sum("fresh connections begin to fail" in each for each in words) == 1
    assert any("fresh connections succeed again; 47 of 47 failed" in each for each in words)
    assert any("172.16.2.200 is on rabbit" in each for each in words)


def test_parts_that_took_no_time_are_left_out() -> None:
    """They would only be in the way."""
    assert because((("wait", 2.4), ("nothing", 0.0), ("inter", 10.0))) == "wait 2.40 s + inter 10.00 s"
