"""Which faults the suite has for a design, and what their scenarios are like."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmqha_model.cases import REPRESENTATIVE, cases, chosen
from rmqha_model.document import load
from rmqha_model.errors import RmqhaError
from rmqha_model.faults import CATALOGUE
from rmqha_model.topology import Topology
from rmqha_model.usual import mirrors, workload

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))


def example(name: str) -> Topology:
    """One of the examples."""
    return load(next(path for path in EXAMPLES if path.stem == name), Topology)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_case_can_happen(path: Path) -> None:
    """Each case has a name of its own, one fault, and a scenario that the design can suffer."""
    topology = load(path, Topology)
    found = cases(topology)
    assert len({case.name for case in found}) == len(found)
    for case in found:
        assert case.scenario.problems(topology) == ()
        assert len(case.scenario.faults) == 1
        assert case.scenario.name == case.name


@pytest.mark.parametrize("name", ["article", "article-fixed", "dedicated-lb"])
def test_whole_catalogue_is_there(name: str) -> None:
    """A design with load balancers and a virtual address meets every fault of the catalogue."""
    assert {case.fault for case in cases(example(name))} == set(CATALOGUE)


def test_design_without_an_address_has_no_fault_of_it() -> None:
    """Without load balancers and keepalived only faults of brokers, hosts and the network are left."""
    faults = {case.fault for case in cases(example("no-vip"))}
    assert not [name for name in faults if name.startswith(("haproxy", "keepalived", "check_script"))]
    assert {"broker_kill", "partition", "site_power_loss", "rolling_restart"} <= faults


def test_words_choose_cases() -> None:
    """Cases are chosen by name, by fault, or by a word for many."""
    topology = example("article-fixed")
    assert chosen(topology, ["none"]) == ()
    assert {case.name for case in chosen(topology, ["representative"])} == set(REPRESENTATIVE)
    assert len(chosen(topology, ["all"])) == len(cases(topology))
    assert [case.name for case in chosen(topology, ["keepalived_kill-both"])] == ["keepalived_kill-both"]
    assert {case.fault for case in chosen(topology, ["keepalived_kill"])} == {"keepalived_kill"}


@pytest.mark.parametrize(
    ("word", "says"), [("broker_kil", "broker_kill"), ("haproxy_kill", "the design cannot suffer it")]
)
def test_word_that_means_nothing_is_refused(word: str, says: str) -> None:
    """An unknown name is refused with the nearest one, and a fault that cannot happen with that."""
    with pytest.raises(RmqhaError, match=says):
        chosen(example("no-vip"), [word])


@pytest.mark.parametrize(
    ("words", "found"), [([], "no word"), ([""], "an empty word"), (["broker_kill", ""], "an empty word")]
)
def test_word_that_is_empty_is_no_word_for_none(words: list[str], found: str) -> None:
    """It is refused with all that is allowed, and with the faults that the design can suffer."""
    with pytest.raises(RmqhaError) as caught:
        chosen(example("no-vip"), words)
    allowed = "none, representative, all, or names of faults with commas between"
    said = str(caught.value)
    assert said.startswith(f"--faults: found {found}; allowed: {allowed}; this design can suffer broker_kill,")
    assert "haproxy_kill" not in said


def test_queues_are_those_that_the_release_can_have() -> None:
    """Quorum first, as roles ask for the first; mirrored only where the release can mirror."""
    old, new = example("article-fixed"), example("dedicated-lb")
    assert mirrors(old)
    assert not mirrors(new)
    assert [queue["type"] for queue in workload(old)["queues"]] == ["quorum", "classic", "classic"]
    assert [queue["type"] for queue in workload(new)["queues"]] == ["quorum", "classic"]


def test_client_that_may_not_publish_anywhere_only_probes() -> None:
    """Where permissions leave no queue of the suite's, fresh connections are all that is watched."""
    assert list(workload(example("five-brokers-two-vips"))) == ["probes"]
