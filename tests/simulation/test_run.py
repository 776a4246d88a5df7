"""Whole runs: every fault of the catalogue on every example, the same again by its seed, and what is never broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.cases import cases
from rmqha_model.document import load
from rmqha_model.errors import DocumentError
from rmqha_model.events import Attempt, FaultBegan, FaultUndone, VipHeld
from rmqha_model.faults import CATALOGUE
from rmqha_model.figures import Figure, figures
from rmqha_model.ledger import ledgers
from rmqha_model.scenario import Scenario
from rmqha_model.timeline import Timeline
from rmqha_model.topology import Topology
from simulation.invariants import broken
from simulation.processes.faults.impossible import FaultImpossible
from simulation.run import explained, run

EXAMPLES = Path(__file__).parents[2] / "examples"
DESIGNS = {path.stem: load(path, Topology) for path in sorted(EXAMPLES.glob("*.yaml")) if path.stem != "secrets"}
CASES = [(name, case.name) for name, design in DESIGNS.items() for case in cases(design)]


def of_case(design: str, case: str) -> Scenario:
    """The scenario of a case of an example."""
    return next(each.scenario for each in cases(DESIGNS[design]) if each.name == case)


@pytest.mark.slow
@pytest.mark.parametrize(("design", "case"), CASES, ids=str)
def test_every_fault_on_every_example(design: str, case: str) -> None:
    """It begins and ends, loses nothing that a quorum queue has confirmed, and the same seed gives the same again."""
    scenario = of_case(design, case)
    timeline = run(DESIGNS[design], scenario, 1)
    assert {event.fault for event in timeline.only(FaultBegan)} == {scenario.faults[0].name}
    assert len(timeline.only(FaultUndone)) == len(timeline.only(FaultBegan))
    assert all(count.lost == 0 for name, count in ledgers(timeline).items() if name.startswith("quorum"))
    assert list(broken(timeline.events)) == []
    assert run(DESIGNS[design], scenario, 1) == timeline


def test_the_examples_suffer_the_whole_catalogue() -> None:
    """Each fault is one of some example's cases."""
    assert {of_case(*case).faults[0].name for case in CASES} == set(CATALOGUE)


def test_a_timeline_reads_back_equal(tmp_path: Path) -> None:
    """A prediction is saved as a measurement is."""
    timeline = run(DESIGNS["article-fixed"], of_case("article-fixed", "keepalived_stop-vip_owner"), 3)
    timeline.write(tmp_path / "run.jsonl.gz")
    assert Timeline.read(tmp_path / "run.jsonl.gz") == timeline


def test_another_seed_is_another_run() -> None:
    """Phases are drawn anew; what does not depend on them stays."""
    scenario = of_case("article-fixed", "broker_kill-leader")
    one, other = (figures(run(DESIGNS["article-fixed"], scenario, seed)) for seed in (1, 2))
    assert one.keys() >= {Figure("outage_s", "fresh")}
    assert one != other


def test_without_a_fault_nothing_happens() -> None:
    """Every attempt succeeds, every message is delivered once, and nobody has to wait."""
    scenario = of_case("dedicated-lb", "broker_kill-leader").model_copy(update={"faults": ()})
    timeline = run(DESIGNS["dedicated-lb"], scenario, 5)
    assert {attempt.outcome for attempt in timeline.only(Attempt)} == {"ok"}
    for count in ledgers(timeline).values():
        assert count.attempted == count.confirmed == count.delivered == count.deliveries
    assert timeline.end_s == scenario.duration.s


def test_times_are_explained() -> None:
    """A reason's parts add up to no more than the time that has passed since the fault."""
    told = explained(DESIGNS["article-fixed"], of_case("article-fixed", "broker_kill-leader"), 2)
    began = told.timeline.first_fault_s
    assert began is not None
    assert told.reasons
    for index, reason in told.reasons.items():
        assert all(seconds >= 0 for _, seconds in reason)
        assert sum(seconds for _, seconds in reason) <= told.timeline.events[index].t - began + 1e-6 + 5.0


def test_a_scenario_that_does_not_fit_is_refused() -> None:
    """Before anything runs, with every reason."""
    scenario = of_case("article-fixed", "haproxy_kill-vip_owner")
    with pytest.raises(DocumentError):
        run(DESIGNS["no-vip"], scenario)


def test_a_role_that_nobody_has_is_refused() -> None:
    """With both hosts down nobody owns the address."""
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "faults": [
                {"at": "1s", "fault": "host_power_loss", "host": "rabbit1", "for": "20s"},
                {"at": "1s", "fault": "host_power_loss", "host": "rabbit2", "for": "20s"},
                {"at": "10s", "fault": "keepalived_stop", "host": "@vip_owner"},
            ],
            "duration": "30s",
        }
    )
    with pytest.raises(FaultImpossible, match="nobody is @vip_owner now"):
        run(DESIGNS["article-fixed"], scenario)


# -- the tutorial's design, as the issue of its readers ---------------------------------------------------


def test_a_frozen_haproxy_of_the_tutorial_is_never_replaced() -> None:
    """Its check script asks whether a process exists, and one does."""
    told = run(DESIGNS["article"], _fault({"fault": "haproxy_hang", "host": "rabbit1", "for": "100s"}), 1)
    moved = [event for event in told.only(VipHeld) if event.t > 0]
    assert moved == []
    assert figures(told)[Figure("failed_share", "fresh")] == 1


def test_a_killed_keepalived_leaves_the_address_on_two_hosts() -> None:
    """Nobody takes it away, and the other one takes it over."""
    told = run(DESIGNS["article"], _fault({"fault": "keepalived_kill", "host": "rabbit1", "for": "100s"}), 1)
    found = figures(told)
    assert found[Figure("owners", "172.16.2.200")] == 2
    assert found[Figure("shared_s", "172.16.2.200")] > 90


@pytest.mark.slow
def test_a_silent_broker_of_the_tutorial_is_noticed_within_its_formula() -> None:
    """By 25 to 30 s: phase 0..5 + 3 x attempt 5 + 2 x inter 5, less 2 s where the neighbour's entry has failed."""
    scenario = _fault({"fault": "host_power_loss", "host": "rabbit3", "for": "180s"})
    for seed in range(5):
        found = figures(run(DESIGNS["article"], scenario, seed))
        for host in ("rabbit1", "rabbit2"):
            assert 22.9 <= found[Figure("down_after_s", f"{host}/rabbitmq_cluster")] <= 30.01


def _fault(fault: dict[str, str]) -> Scenario:
    usual = of_case("article", "broker_kill-leader")
    return Scenario.model_validate(
        {
            "name": "x",
            "workload": usual.workload.model_dump(mode="json", exclude_unset=True),
            "faults": [{"at": "10s", **fault}],
            "duration": "240s",
        }
    )


# -- any faults at any times --------------------------------------------------------------------------------

HOSTS = ("rabbit1", "rabbit2", "rabbit3")
ONE_HOST = st.sampled_from([
    "broker_kill", "broker_stop", "broker_stop_app", "broker_hang", "host_power_loss", "link_down", "memory_alarm",
])  # fmt: skip
BALANCER = st.sampled_from([
    "haproxy_kill", "haproxy_stop", "haproxy_hang", "haproxy_cannot_start", "keepalived_stop", "keepalived_kill",
    "keepalived_hang", "check_script_fail", "check_script_hang",
])  # fmt: skip


@st.composite
def schedules(draw: st.DrawFn) -> Scenario:
    """A few faults, overlapping as they like."""
    usual = of_case("article-fixed", "broker_kill-leader")
    faults = []
    for _ in range(draw(st.integers(1, 4))):
        at, lasts = draw(st.integers(1, 40)), draw(st.integers(1, 19))
        times = {"at": f"{at}s", "for": f"{lasts}s"}
        if draw(st.booleans()):
            faults.append({"fault": draw(ONE_HOST), "host": draw(st.sampled_from(HOSTS)), **times})
        elif draw(st.booleans()):
            faults.append({"fault": draw(BALANCER), "host": draw(st.sampled_from(HOSTS[:2])), **times})
        else:
            sides = draw(st.permutations(HOSTS))
            one_way = draw(st.booleans())
            faults.append({"fault": "partition", "between": [sides[:1], sides[1:]], "one_way": one_way, **times})
    workload = usual.workload.model_dump(mode="json", exclude_unset=True)
    return Scenario.model_validate({"name": "x", "workload": workload, "faults": faults, "duration": "60s"})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(schedules(), st.integers(0, 1_000))
def test_any_schedule_breaks_nothing(scenario: Scenario, seed: int) -> None:
    """Whatever overlaps: no contradiction, and what a quorum queue has confirmed is not lost."""
    try:
        timeline = run(DESIGNS["article-fixed"], scenario, seed)
    except FaultImpossible:
        return
    assert list(broken(timeline.events)) == []
    assert all(count.lost == 0 for name, count in ledgers(timeline).items() if name.startswith("quorum"))
