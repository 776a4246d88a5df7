"""What remains to be run once the files are in place: which script, on which brokers, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from generators.cluster import JOIN, POLICIES, QUEUES, USERS_SCRIPT
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from generators.bundle import Artefact
    from rmqha_model.topology import Topology

__all__ = ["Discovery", "Step", "discovery", "next_steps", "own_steps", "steps_of"]

Discovery = Literal["none", "seed_first", "mutual"]


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


def discovery(topology: Topology) -> Discovery:
    """Say how blank nodes find each other, and so in which order they may be started.

    ``seed_first``: a blank node that finds no running peer within some seconds makes a cluster of its own, so the
    others are started when the seed runs (10 tries, 500 ms apart). ``mutual``, from RabbitMQ 3.13: blank nodes wait for
    each other and agree on the oldest (30 tries); one that is alone does not finish its start for minutes
    (``rabbit_peer_discovery.erl`` of v3.12.14 and v3.13.0; seen on 4.0.5: over 600 s).
    """
    if not topology.rabbitmq.discovers_peers or len(topology.brokers) == 1:
        return "none"
    return "mutual" if Version.parse(topology.versions.rabbitmq).series >= (3, 13) else "seed_first"


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
