"""Many runs, and their comparison with a measured one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.figures import Figure
from rmqha_model.phrase import parse
from rmqha_model.scenario import Scenario
from rmqha_model.timeline import Timeline
from rmqha_model.topology import Topology
from rmqha_model.units import Duration
from rmqha_model.usual import workload
from simulation.compare import as_it_happened, compared_with
from simulation.distribution import Distribution, Spread, distribution

ROOT = Path(__file__).parents[2]
TIMELINES = ROOT / "docs/evidence/bookworm/article-fixed/timelines"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0.01, 1))
def test_quantiles(values: list[float], share: float) -> None:
    """The least value that at least so many runs do not exceed."""
    spread = Spread.of((value, seed) for seed, value in enumerate(values))
    found = spread.quantile(share)
    assert found in values
    assert spread.share_up_to(found) >= share
    assert spread.min <= found <= spread.max


def test_a_value_leads_back_to_its_run() -> None:
    """By the seed beside it."""
    spread = Spread.of([(3.0, 7), (1.0, 8), (2.0, 9)])
    assert (spread.values, spread.seeds) == ((1.0, 2.0, 3.0), (8, 9, 7))


def test_runs_of_one_scenario() -> None:
    """As many values as runs, the middle one named, and each told."""
    timeline = Timeline.read(TIMELINES / "keepalived_stop-vip_owner.jsonl.gz")
    seeds: list[int | None] = []
    found = distribution(
        load(ROOT / "examples/article-fixed.yaml", Topology),
        timeline.head.scenario,
        range(10, 16),
        each=lambda told: seeds.append(told.head.seed),
    )
    assert seeds == list(range(10, 16))
    assert found.typical in seeds
    spread = found.spreads[Figure("absent_s", "172.16.2.200")]
    # The skew of whoever takes over: 106 or 116 of 256 parts of a second.
    assert all(0.41 < value < 0.46 for value in spread.values)


def test_faults_are_played_when_they_happened() -> None:
    """An order to a real broker takes its time, which is not the simulator's to guess."""
    timeline = Timeline.read(TIMELINES / "memory_alarm-follower.jsonl.gz")
    began, undone = (event.t for event in timeline.events if event.kind in {"fault_began", "fault_undone"})
    fault = as_it_happened(timeline).faults[0]
    assert fault.at.s == pytest.approx(began, abs=1e-3)
    assert fault.lasts is not None
    assert fault.lasts.s == pytest.approx(undone - began, abs=2e-3)
    assert timeline.head.scenario.faults[0].at == Duration(6_000)


def test_a_figure_is_inside_up_to_the_resolution() -> None:
    """And not a hair further; counts have to be exact."""
    timeline = Timeline.read(TIMELINES / "keepalived_stop-vip_owner.jsonl.gz")
    absent, moves = Figure("absent_s", "172.16.2.200"), Figure("moves", "172.16.2.200")
    measured = 0.417
    near, far = measured - timeline.head.resolution_s * 0.9, measured - timeline.head.resolution_s * 1.5
    for low, inside in ((near, True), (far, False)):
        predicted = Distribution({absent: Spread.of([(low, 1)]), moves: Spread.of([(2, 1)])}, 1, 1, ())
        rows = {row.figure: row for row in compared_with(predicted, timeline)}
        rows[absent] = dataclasses.replace(rows[absent], measured=measured)
        assert rows[absent].inside is inside
        assert not rows[moves].inside


def test_a_stall_that_nobody_sees_is_counted() -> None:
    """The tutorial's client waits for no confirm, and its mirrored queue gives none while a mirror is silent."""
    design = load(ROOT / "examples/article.yaml", Topology)
    fault = parse("power-loss rabbit3", design, lasts="120s")
    scenario = Scenario.model_validate(
        {"name": "x", "workload": workload(design), "faults": [fault], "duration": "140s"}
    )
    found = distribution(design, scenario, range(3))
    stalled = found.spreads[Figure("stall_s", "rmqha-suite.mirrored")]
    # net_ticktime 60 s: four ticks of 15 s after the one that counts the last byte.
    assert 59.9 < stalled.min <= stalled.max < 75.1
    assert found.spreads[Figure("stall_s", "rmqha-suite.quorum")].max < 15
    assert not any(figure.what == "confirm_gap_s" for figure in found.spreads)
