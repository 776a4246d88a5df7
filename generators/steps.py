"""What remains to be run once the files are in place: which script, on which brokers, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from generators.cluster import JOIN, POLICIES, QUEUES, USERS_SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from generators.bundle import Artefact
    from rmqha_model.topology import Topology

__all__ = ["Step", "next_steps", "own_steps", "steps_of"]


class Step(NamedTuple):
    """A script that is run when a broker has started: on each that joins the seed, or on the seed for all."""

    path: str
    purpose: str
    on_seed: bool


ORDER = (
    Step(JOIN, "join the cluster", on_seed=False),
    Step(USERS_SCRIPT, "make vhosts, users and permissions", on_seed=True),
    Step(POLICIES, "set policies and limits", on_seed=True),
    Step(QUEUES, "declare exchanges, queues and bindings, when all brokers have joined", on_seed=True),
)
"""The scripts in the order they are run in."""


def steps_of(files: Iterable[Artefact]) -> tuple[Step, ...]:
    """Give the scripts that are among *files*, in their order."""
    paths = {artefact.path for artefact in files}
    return tuple(step for step in ORDER if step.path in paths)


def own_steps(topology: Topology, host: str, files: Iterable[Artefact]) -> tuple[Step, ...]:
    """Give the scripts that are run on *host*."""
    return tuple(step for step in steps_of(files) if step.on_seed == (host == topology.rabbitmq.seed))


def next_steps(topology: Topology, host: str, files: Iterable[Artefact]) -> Iterator[str]:
    """Say to whoever installed *host* what to run next."""
    for step in own_steps(topology, host, files):
        yield f"{step.path}  # {step.purpose}"
