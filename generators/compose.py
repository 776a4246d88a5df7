"""From a design to all of its files: the parts are made, overridden where the user says so, then packaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from generators import (
    ansible,
    clients,
    cloudinit,
    cluster,
    diagrams,
    firewall,
    haproxy,
    identity,
    install,
    keepalived,
    prometheus,
    rabbitmq,
    runbook,
    system,
)
from generators.bundle import Artefact, Bundle
from generators.override import overridden

if TYPE_CHECKING:
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["generate"]

PARTS: tuple[Callable[[Topology, Secrets], Iterator[Artefact]], ...] = (
    identity.artefacts,
    rabbitmq.artefacts,
    cluster.artefacts,
    haproxy.artefacts,
    keepalived.artefacts,
    system.artefacts,
    firewall.artefacts,
    prometheus.artefacts,
    clients.artefacts,
    runbook.artefacts,
    diagrams.artefacts,
)
PACKAGING: tuple[Callable[[Topology, Iterable[Artefact]], Iterator[Artefact]], ...] = (
    install.artefacts,
    ansible.artefacts,
    cloudinit.artefacts,
)


def generate(topology: Topology, secrets: Secrets, *, templates: Path | None = None) -> Bundle:
    """Make every file of *topology*.

    Pure: the same design and secrets give the same bytes. *templates* is the folder that the templates of
    overrides are relative to, usually the topology's own.

    Raises:
        GenerationError: a value cannot be written in a dialect, or an override fails.
    """
    made = [artefact for part in PARTS for artefact in part(topology, secrets)]
    made = overridden(made, topology, templates)
    # What is packaged is what is installed: the files of hosts, with overrides in them.
    installed = [artefact for artefact in made if artefact.host is not None]
    made += [artefact for part in PACKAGING for artefact in part(topology, installed)]
    made.sort(key=lambda artefact: artefact.tree_path)
    return Bundle(topology.name, topology.digest, tuple(made))
