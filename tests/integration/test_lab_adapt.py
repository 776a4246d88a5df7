"""A design as the lab can install it: for the release its hosts have, and nothing left out in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from designs import design

from integration.errors import LabError
from integration.lab.adapt import adapted, document_of
from rmqha_model.document import load
from rmqha_model.topology import Topology
from rmqha_model.versions import DEBIAN

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_document_of_a_design_is_the_design(path: Path) -> None:
    """A design becomes plain data and comes back equal, with the secrets that stand in it."""
    topology = load(path, Topology)
    again = Topology.model_validate(document_of(topology))
    assert again == topology
    for need, other in zip(topology.secret_needs(), again.secret_needs(), strict=True):
        assert need.source.literal == other.source.literal


@pytest.mark.parametrize("release", DEBIAN)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_stands_on_every_release(path: Path, release: str) -> None:
    """No example needs what cannot be left out, and each is made for what the release has."""
    made = adapted(load(path, Topology), release).topology
    assert made.versions.rabbitmq == str(DEBIAN[release].rabbitmq)
    assert {made.os_of(host).family for host in made.hosts} == {"debian"}


def test_what_a_release_cannot_do_is_left_out_and_said() -> None:
    """RabbitMQ 4.3 has neither mirrored queues nor partition handling: both go, and so does what is empty then."""
    path = next(path for path in EXAMPLES if path.stem == "article")
    made = adapted(load(path, Topology), "sid")
    assert made.topology.rabbitmq.policies == ()
    assert made.topology.rabbitmq.partition_handling is None
    assert [note.partition(":")[0] for note in made.notes] == [
        "made for what sid has",
        "made for Debian in place of the RPM family",
        "left out rabbitmq.partition_handling",
        "left out rabbitmq.policies[0].definition",
        "left out rabbitmq.policies, which is nothing without it",
    ]


def test_what_needs_the_thing_that_is_left_out_goes_with_it() -> None:
    """Without streams there is no stream, and no binding to it."""
    topology = design(
        versions="trixie",
        rabbitmq={
            "exchanges": [{"name": "in", "type": "fanout"}],
            "queues": [{"name": "log", "type": "stream"}, {"name": "work", "type": "quorum"}],
            "bindings": [{"source": "in", "destination": "log"}, {"source": "in", "destination": "work"}],
        },
    )
    made = adapted(topology, "bullseye").topology
    assert [queue.name for queue in made.rabbitmq.queues] == ["work"]
    assert [binding.destination for binding in made.rabbitmq.bindings] == ["work"]


@pytest.mark.parametrize(
    ("has", "made_for", "said"),
    [
        ({"rabbitmq": "4.0.9"}, "4.0.9", "rabbitmq 4.0.9 for"),
        ({"rabbitmq": "5.1.0"}, "4.0.5", "trixie has rabbitmq 5.1.0, which this project does not know: made for 4.0.5"),
    ],
)
def test_versions_are_those_the_hosts_really_have(has: dict[str, str], made_for: str, said: str) -> None:
    """A release moves on: what its packages hold counts, where this project knows it."""
    made = adapted(design(versions="bookworm"), "trixie", has)
    assert made.topology.versions.rabbitmq == made_for
    assert any(said in note for note in made.notes)


def test_unknown_release_is_refused() -> None:
    """The text names those there are."""
    with pytest.raises(LabError, match="found 'lenny'; allowed: bullseye, bookworm, trixie, sid"):
        adapted(design(), "lenny")


def test_hosts_of_the_other_family_become_debian() -> None:
    """Also where a host says it by itself."""
    changes: dict[str, Any] = {"hosts": {"r1": {"address": "10.0.0.11/24", "os": {"family": "rpm"}}}}
    made = adapted(design(**changes), "trixie")
    assert made.topology.os_of("r1").family == "debian"
