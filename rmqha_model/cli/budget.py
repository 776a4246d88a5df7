"""``rmqha budget``: what each fault costs, by closed formulas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.output import print_json, tell

if TYPE_CHECKING:
    from simulation.budget import Budget

__all__ = ["budget"]


@tells_errors
def budget(
    topology: Annotated[Path, typer.Argument(help="The design: YAML, JSON or TOML.", show_default=False)],
    pairs: Annotated[bool, typer.Option("--pairs", help="Every two faults at once, not each alone.")] = False,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", "-f", help="Only this fault, by its name; may be given again.", metavar="NAME"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, as is done in a pipe.")] = False,
) -> ExitCode:
    """Print what each fault costs a design, the worst first: seconds, by formulas, with nothing run.

    A row is a fault at a target; @leader is the broker that leads the queue, @vip_owner the host that has the virtual
    address. A cell is the shortest..the longest time and (the mean) over all phases of all clocks, for as long as the
    fault lasts; "until undone" ends only with the fault, + so long after. Below are the sums behind the worst rows, in
    the design's own numbers; --fault shows them for the faults it names.

    \b
        rmqha budget examples/article.yaml
        rmqha budget topology.yaml --fault host_power_loss --fault broker_hang
        rmqha budget topology.yaml --pairs
        rmqha budget topology.yaml --json | jq '.rows[] | select(.loses) | .faults'

    For example "1..3 (2)" under "marked DOWN" is the sum "phase 0..2 + 2 x fastinter 0.5": between 1 and 3 s, 2 on
    average.
    """
    import sys

    from rmqha_model.cli.budgeted import show
    from rmqha_model.document import load
    from rmqha_model.topology import Topology
    from simulation.budget import budget as single
    from simulation.budget import budget_of_pairs

    design = load(topology, Topology)
    chosen = _known(faults or [])
    found: Budget = budget_of_pairs(design, chosen) if pairs else single(design, chosen)
    if chosen and not found.rows:
        tell(f"{topology}: cannot suffer {', '.join(sorted(chosen))}", fg="yellow")
    if json_ or not sys.stdout.isatty():
        print_json(found.as_json())
    else:
        show(found, sums=len(found.rows) if chosen and not pairs else None)
    return ExitCode.DONE


def _known(names: list[str]) -> frozenset[str]:
    """Give the names as the catalogue has them."""
    from rmqha_model.errors import RmqhaError, did_you_mean
    from rmqha_model.faults import CATALOGUE

    found = set()
    for name in names:
        meant = name.replace("-", "_").lower()
        if meant not in CATALOGUE:
            hint = did_you_mean(meant, list(CATALOGUE))
            allowed = hint or f"allowed: {', '.join(CATALOGUE)}"
            raise RmqhaError(f"--fault: found {name!r}; {allowed}")
        found.add(meant)
    return frozenset(found)
