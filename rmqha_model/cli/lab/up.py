"""``rmqha lab up``: a design's hosts, installed by its generated files, up to a healthy cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.output import print_json, steps, tell

__all__ = ["up"]


@tells_errors
def up(
    topology: Annotated[Path, typer.Argument(help="The design: YAML, JSON or TOML.", show_default=False)],
    release: Annotated[
        str, typer.Option("--release", "-r", help="Debian release of the hosts: bullseye, bookworm, trixie or sid.")
    ] = "bookworm",
    name: Annotated[str, typer.Option("--name", "-n", help="Name of the lab.", show_default="the design's")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")] = False,
) -> ExitCode:
    """Boot the hosts of a design on this machine, and install it by its own generated files.

    Each host is a machine of systemd-nspawn with the design's host name, address and interface, on a bridge without
    a way out. The generated install.sh and scripts are run as the runbook says, and the command waits until the
    cluster is complete, every server is UP and every virtual address has one owner. The first lab of a release
    makes its root file system (a minute or so, kept in /var/cache/rmqha or RMQHA_LAB_CACHE).

    Exit status: 0 healthy; 1 not, and why; 2 it could not be made; 130 interrupted, and taken down.

    \b
        rmqha lab up examples/article-fixed.yaml
        rmqha lab up topology.yaml --release trixie --name next
        rmqha lab exec rabbit1 rabbitmqctl cluster_status
        rmqha lab down
    """
    import signal
    import sys

    from integration.errors import Unhealthy
    from integration.lab import up as make
    from integration.lab.bring_up import cost_of
    from rmqha_model.cli.lab.left import tells_what_is_left
    from rmqha_model.document import load
    from rmqha_model.topology import Topology

    # As on Ctrl-C: what was made is taken away again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    design = load(topology, Topology)
    notes: list[str] = []

    def noted(text: str) -> None:
        notes.append(text)
        tell(f"note: {text}", fg="yellow")

    try:
        with tells_what_is_left(name or design.name, stays=True), steps("lab up") as on_step:
            lab = make(design, name=name, release=release, on_step=on_step, on_note=noted, templates=topology.parent)
    except Unhealthy as error:
        tell(f"error: {error}", fg="red")
        tell(f"its hosts are up to be looked at: rmqha lab logs HOST; rmqha lab down {name or design.name}")
        return ExitCode.NO
    cost = cost_of(lab)
    assert cost is not None
    if json_:
        print_json(
            {
                "name": lab.name,
                "release": release,
                "hosts": list(lab.hosts),
                "notes": notes,
                "seconds": cost.seconds,
                "memory_mib": cost.memory_mib,
            }
        )
        return ExitCode.DONE
    tell(
        f"lab {lab.name}: healthy after {cost.seconds:.0f} s; {len(lab.hosts)} hosts in {cost.memory_mib:.0f} MiB",
        fg="green",
    )
    tell(f"next: rmqha lab status; rmqha lab exec {lab.topology.rabbitmq.seed} bash; rmqha lab down {lab.name}")
    return ExitCode.DONE
