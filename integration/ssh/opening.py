"""From a design, its secrets and an inventory to the hosts that run it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from generators import generate
from integration.ssh.inventory import read
from integration.ssh.stack import SshStack
from rmqha_model.document import load, placed
from rmqha_model.errors import DocumentError, SecretError
from rmqha_model.secrets import SecretStore, resolve
from rmqha_model.topology import Topology

__all__ = ["opened"]


def opened(
    topology: Path,
    inventory: Path,
    *,
    secrets: Path | None = None,
    allow_faults: bool = False,
    on_note: Callable[[str], None] = lambda _: None,
) -> SshStack:
    """Log in to the hosts of the design in *topology*, by the ways that *inventory* tells.

    Nothing is written here: secrets that are not there yet cannot be those that the hosts were installed with.

    Raises:
        DocumentError: the design, or the inventory, is wrong.
        SecretError: a secret is not to be had.
        LabError: a host cannot be used.
    """
    design = load(topology, Topology)
    known, ways = read(inventory, design)
    store = SecretStore(secrets or topology.parent / "secrets.yaml")
    try:
        values = resolve(design.secret_needs(), store, os.environ)
    except SecretError as error:
        if not error.problems:
            raise
        raise DocumentError(placed(topology, error.problems)) from error
    if store.added:
        absent = ", ".join(store.added)
        raise SecretError(f"{store.path}: found no {absent}; allowed: the file with which the hosts' files were made")
    bundle = generate(design, values, templates=topology.parent)
    return SshStack(design, bundle, values, known, ways, allowed=allow_faults, on_note=on_note).connect()
