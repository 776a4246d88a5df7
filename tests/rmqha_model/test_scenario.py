"""Scenarios: the catalogue, what reads back, what is refused whatever is drawn; the words are in ``tests/bad``."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.document import load, loads, placed
from rmqha_model.errors import InconsistentDesign
from rmqha_model.faults import CATALOGUE, ROLES, AnyFault, Fault, TargetKind
from rmqha_model.scenario import Scenario
from rmqha_model.topology import Topology
from rmqha_model.units import Duration

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted((ROOT / "examples/scenarios").glob("*.yaml"))


def test_problems_get_their_places(tmp_path: Path) -> None:
    """What does not fit a design is told with its place in the scenario's file."""
    path = tmp_path / "s.yaml"
    path.write_text("name: x\nfaults:\n  - {at: 1s, fault: broker_kill, host: lb1}\n")
    design = load(ROOT / "examples/dedicated-lb.yaml", Topology)
    (problem,) = placed(path, load(path, Scenario).problems(design))
    assert str(problem).startswith(f"{path}:3:40: faults[0].host: ")


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
