"""``lab up``: from a design to its hosts, installed by the generated files and healthy."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from generators import generate, write
from integration.errors import LabError
from integration.lab import doctor, install, roots
from integration.lab.adapt import adapted
from integration.lab.certificates import certify
from integration.lab.confidential import secrets_of
from integration.lab.health import wait_healthy
from integration.lab.lab import SECRETS, Lab
from integration.lab.record import Record
from integration.lab.settle import settle
from integration.lab.sweep import sweep, whole

if TYPE_CHECKING:
    from integration.lab.roots import Root
    from rmqha_model.topology import Topology

__all__ = ["READY", "Cost", "cost_of", "up"]

READY = "ready"
"""What the record of a lab says that was healthy once."""
_MEASURES = "cost"


class Cost(NamedTuple):
    """What a lab took: seconds until it was healthy, and the memory of all its processes then."""

    seconds: float
    memory_mib: float


def up(  # noqa: PLR0913 - a lab is made in one way, and its makers differ in what they want to be told
    topology: Topology,
    *,
    name: str = "",
    release: str = "bookworm",
    on_step: Callable[[str], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
    templates: Path | None = None,
) -> Lab:
    """Make the hosts of *topology*, install it on them by its own generated files, and wait until it is healthy.

    What is left of a lab of this name that was never finished, or of before the machine's last boot, is removed first.
    A lab that does not become healthy stays, to be looked at; one that is interrupted is taken down.

    Raises:
        LabError: the machine lacks something, the design cannot stand on the release, or there is such a lab already.
        Unhealthy: a host does not boot, an installer fails, or something is still wrong when all had time.
    """
    began = time.monotonic()
    doctor.require()
    adapted(topology, release)  # what cannot be is said before a root is made
    record = Record(name or topology.name)
    with record.held():
        if record.of_this_boot and record.noted(READY):
            raise LabError(f"lab {record.name}: is up already; `rmqha lab down {record.name}` takes it down")
        if record.noted("boot"):
            on_step("removing what is left of an unfinished lab of this name")
            sweep(record, on_step)
        root = roots.root(release, on_step)
        design, notes = adapted(topology, release, roots.releases_in(root.path))
        for note in notes:
            on_note(note)
        record.begin()
        record.note("root", path=str(root.path))
        try:
            lab = _made(record, design, root, templates, on_note)
            install.boot(lab, on_step)
            install.install(lab, on_step)
            install.run_scripts(lab, on_step)
            wait_healthy(lab, on_step)
            settle(lab, on_step)
            wait_healthy(lab, on_step)
        except (KeyboardInterrupt, SystemExit):
            with whole(record.name):
                sweep(record, on_step)
            raise
        memory = sum(machine.memory_kib for machine in lab.hosts.values()) / 1024
        record.note(_MEASURES, seconds=round(time.monotonic() - began, 1), memory_mib=round(memory, 1))
        record.note(READY)
    return lab


def cost_of(lab: Lab) -> Cost | None:
    """Give what *lab* took when it was made; ``None`` when it never became healthy."""
    noted = lab.record.noted(_MEASURES)
    return Cost(noted[-1]["seconds"], noted[-1]["memory_mib"]) if noted else None


def _made(record: Record, design: Topology, root: Root, templates: Path | None, on_note: Callable[[str], None]) -> Lab:
    secrets, notes = secrets_of(design, record.folder / SECRETS)
    bundle = generate(design, secrets, templates=templates)
    lab = Lab(record, design, bundle, secrets, root)
    tree = record.folder / "build"
    write.apply(write.plan(bundle, tree, secrets.digest_key, version="lab"))
    install.deliver(lab, tree)
    for note in (*notes, *certify(lab)):
        on_note(note)
    lab.save()
    lab.network.make()
    return lab
