"""Scenarios: what is allowed, what is refused and in which words, and whether they fit a design."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.document import load, loads, placed
from rmqha_model.errors import DocumentError, InconsistentDesign
from rmqha_model.faults import CATALOGUE, ROLES, AnyFault, Fault, TargetKind
from rmqha_model.scenario import Scenario
from rmqha_model.topology import Topology
from rmqha_model.units import Duration

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted((ROOT / "examples/scenarios").glob("*.yaml"))

REFUSED = [
    ("{name: a b}", "<text>:1:8: name: found 'a b'; allowed: a name of at most 63 letters"),
    ("{name: x, faults: [{at: 1s, fault: broker_kil, host: r}]}", "found 'broker_kil'; allowed: 'broker_kill'"),
    ("{name: x, faults: [{at: 1s, host: r}]}", "faults[0].fault: missing key"),
    ("{name: x, faults: [{at: 1s, fault: broker_kill}]}", "faults[0].host: missing key"),
    ("{name: x, faults: [{fault: broker_kill, host: r}]}", "faults[0].at: missing key"),
    ("{name: x, faults: [{at: 5, fault: broker_kill, host: r}]}", "found 5 without a unit"),
    ("{name: x, faults: [{at: 1s, fault: broker_kill, host: '@boss'}]}", "or one of @vip_owner, @vip_backup"),
    ("{name: x, faults: [{at: 1s, fault: broker_kill, host: r, share: 1}]}", "share: unknown key"),
    (
        "{name: x, faults: [{at: 1s, for: 2s, fault: host_reboot, host: r}]}",
        "a duration of a fault that ends by itself",
    ),
    ("{name: x, faults: [{at: 1m, fault: host_reboot, host: r}]}", "found 1m, when the scenario has ended"),
    ("{name: x, faults: [{at: 50s, for: 20s, fault: broker_stop, host: r}]}", "found an end at 70s; allowed: at most"),
    ("{name: x, duration: 0s}", "duration: found 0ms; allowed: more than 0s"),
    ("{name: x, duration: 7h}", "duration: found 7h; allowed: more than 0s, at most 6h"),
    ("{name: x, faults: [{at: 1s, fault: partition, between: [[a], [a]]}]}", "found a on both sides"),
    ("{name: x, faults: [{at: 1s, fault: partition, between: [[a]]}]}", "between"),
    ("{name: x, faults: [{at: 1s, fault: partition, between: [[a], []]}]}", "between[1]"),
    ("{name: x, faults: [{at: 1s, fault: packet_loss, host: a, share: 2}]}", "a number above 0 and at most 1"),
    ("{name: x, workload: {probes: {p: {}}, consumers: {p: {queue: q}}}}", "found a label that one of the probes has"),
    ("{name: x, workload: {publishers: {p: {queue: q, rate: 0}}}}", "a number above 0 and at most 10000"),
    ("{name: x, workload: {queues: [{name: q, type: stream}]}}", "found 'stream'; allowed: 'quorum', 'classic'"),
    ("{name: x, expect: {outage: 5s}}", "expect.outage: unknown key"),
    (
        "{name: x, expect: {lost_max: 0}}",
        "expect.lost_max: found a bound on publishers, of which the workload has none",
    ),
    ("{name: x, expect: {outage_below: 1s}}", "expect.outage_below: found a bound on probes, of which the workload"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_bad_scenario_is_refused_in_words(text: str, said: str) -> None:
    """What is wrong with a scenario is told with its place, what was found and what is allowed."""
    with pytest.raises(DocumentError) as caught:
        loads(text, Scenario)
    assert said in str(caught.value)
    assert str(caught.value).startswith("<text>:1:")


UNFIT = [
    (
        "faults: [{at: 1s, fault: broker_kill, host: rabbit9}]",
        "faults[0].host: found broker 'rabbit9', which the design",
    ),
    ("faults: [{at: 1s, fault: broker_kill, host: lb1}]", "found broker 'lb1', which the design does not have"),
    ("faults: [{at: 1s, fault: haproxy_kill, host: rabbit1}]", "found load balancer 'rabbit1'"),
    ("faults: [{at: 1s, fault: keepalived_hang, host: rabbit1}]", "found host with keepalived 'rabbit1'"),
    (
        "faults: [{at: 1s, fault: broker_kill, host: '@vip_owner'}]",
        "found @vip_owner, which may be a host that is none",
    ),
    ("faults: [{at: 1s, fault: haproxy_kill, host: '@leader'}]", "found @leader, which may be a host that is none"),
    ("faults: [{at: 1s, fault: site_power_loss, hosts: [lb1, lb3]}]", "faults[0].hosts[1]: found host 'lb3'"),
    (
        "faults: [{at: 1s, fault: partition, between: [[lb1], [lb3, '@clients']]}]",
        "faults[0].between[1][0]: found host",
    ),
    ("faults: [{at: 1s, fault: check_script_fail, host: lb1, script: x}]", "found check script 'x'"),
    ("workload: {probes: {p: {client: x}}}", "workload.probes.p.client: found client 'x'"),
    ("workload: {publishers: {p: {queue: x}}}", "workload.publishers.p.queue: found queue 'x'"),
    ("workload: {probes: {p: {via: [{host: x, port: 1}]}}}", "workload.probes.p.via[0].host: found host 'x'"),
]


@pytest.mark.parametrize(("text", "said"), UNFIT)
def test_scenario_of_another_design_is_refused(text: str, said: str) -> None:
    """A scenario that names what a design does not have cannot happen to it, and that is said."""
    design = load(ROOT / "examples/dedicated-lb.yaml", Topology)
    scenario = loads(f"name: x\n{text}\n", Scenario)
    with pytest.raises(DocumentError, match="allowed: ") as caught:
        scenario.check(design)
    assert said in str(caught.value)


def test_problems_get_their_places(tmp_path: Path) -> None:
    """What does not fit a design is told with its place in the scenario's file."""
    path = tmp_path / "s.yaml"
    path.write_text("name: x\nfaults:\n  - {at: 1s, fault: broker_kill, host: lb1}\n")
    design = load(ROOT / "examples/dedicated-lb.yaml", Topology)
    (problem,) = placed(path, load(path, Scenario).problems(design))
    assert str(problem).startswith(f"{path}:3:40: faults[0].host: ")


def test_what_needs_an_address_is_refused_without_one() -> None:
    """A design without a virtual address has neither its owner nor a way by it."""
    design = load(ROOT / "examples/no-vip.yaml", Topology)
    scenario = loads(
        "{name: x, workload: {probes: {p: {via: vip}}}, faults: [{at: 1s, fault: host_reboot, host: '@vip_owner'}], "
        "expect: {vip_owners_max: 1, detection_below: 1s}}",
        Scenario,
    )
    said = "\n".join(map(str, scenario.problems(design)))
    assert "found vip, which the design does not have" in said
    assert "found @vip_owner, and the design has no virtual address" in said
    assert "expect.vip_owners_max: found a bound on virtual addresses without any" in said
    assert "expect.detection_below: found a bound on load balancers, of which the design has none" in said


# -- the catalogue --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
def test_fault_is_told_in_sentences(kind: type[Fault]) -> None:
    """Each fault has a kind of target, a meaning of one sentence, and an undo of one sentence or none."""
    assert kind.target in get_args(TargetKind)
    assert kind.meaning.endswith(".")
    assert kind.undo == "" or kind.undo.endswith(".")
    assert (kind.__doc__ or "").endswith(".")


def test_catalogue_is_what_a_scenario_can_hold() -> None:
    """Every fault class with a name of its own can stand in a scenario."""
    assert set(CATALOGUE.values()) == set(get_args(get_args(AnyFault)[0]))
    leaves = {kind for kind in every(Fault) if "fault" in kind.model_fields}
    assert set(CATALOGUE.values()) == leaves


def every(kind: type[Fault]) -> set[type[Fault]]:
    """Give all classes below *kind*."""
    return {below for direct in kind.__subclasses__() for below in ({direct} | every(direct))}


NEEDED: dict[str, object] = {"between": (("a",), ("b",)), "layer": "brokers", "host": "a"}
hosts = st.one_of(st.sampled_from([*ROLES]), st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True))


@st.composite
def faults(draw: st.DrawFn) -> dict[str, object]:
    """Draw a fault as data."""
    name = draw(st.sampled_from(sorted(CATALOGUE)))
    kind = CATALOGUE[name]
    at = draw(st.integers(0, 9_999))
    fault: dict[str, object] = {"fault": name, "at": f"{at}ms"}
    if kind.undo and draw(st.booleans()):
        fault["for"] = f"{draw(st.integers(0, 10_000 - at))}ms"
    for field, value in NEEDED.items():
        if field in kind.model_fields:
            fault[field] = draw(hosts) if field == "host" else value
    return fault


@given(st.lists(faults(), max_size=5))
def test_scenario_reads_back_equal(drawn: list[dict[str, object]]) -> None:
    """A scenario that is written as JSON and read again is the same."""
    scenario = Scenario.model_validate({"name": "x", "duration": "10s", "faults": drawn})
    assert Scenario.model_validate_json(scenario.model_dump_json(by_alias=True)) == scenario
    assert loads(scenario.model_dump_json(by_alias=True), Scenario, syntax="json") == scenario


@given(st.lists(faults(), min_size=1, max_size=3), st.integers(1, 20_000))
def test_fault_after_the_end_is_always_refused(drawn: list[dict[str, object]], duration: int) -> None:
    """No scenario holds a fault that begins or ends after it."""
    document = {"name": "x", "duration": f"{duration}ms", "faults": drawn}
    begins = [Duration.parse(str(fault["at"])).ms for fault in drawn]
    ends = [at + Duration.parse(str(fault.get("for", "0ms"))).ms for at, fault in zip(begins, drawn, strict=True)]
    fits = all(at < duration for at in begins) and all(end <= duration for end in ends)
    if fits:
        assert len(Scenario.model_validate(document).faults) == len(drawn)
    else:
        with pytest.raises(InconsistentDesign):
            Scenario.model_validate(document)


# -- examples -------------------------------------------------------------------------------------


def test_there_are_scenarios_to_copy() -> None:
    """The examples hold scenarios."""
    assert len(SCENARIOS) >= 5


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_example_fits_the_article_and_its_sound_brother(path: Path) -> None:
    """Each example loads, has its file's name, says what it expects, and can happen to the three-host designs."""
    scenario = load(path, Scenario)
    assert scenario.name == path.stem
    assert scenario.description
    assert scenario.faults
    for design in ("article-fixed", "dedicated-lb"):
        scenario.check(load(ROOT / f"examples/{design}.yaml", Topology))
