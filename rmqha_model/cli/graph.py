"""``rmqha graph``: what a design cannot lose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors

if TYPE_CHECKING:
    from rmqha_model.graph import Element

__all__ = ["graph"]


@tells_errors
def graph(
    topology: Annotated[Path, typer.Argument(help="The design: YAML, JSON or TOML.", show_default=False)],
    largest: Annotated[int, typer.Option("--largest", min=1, max=4, help="Largest set of losses to look at.")] = 2,
    all_: Annotated[bool, typer.Option("--all", help="Also sets that only add losses to another one.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> ExitCode:
    """Print what a design cannot lose: each smallest set of losses that stops a client from publishing.

    Failure domains, hosts and daemons are lost alone and together. Exit status 1 when a single loss is enough.

    \b
        rmqha graph examples/dedicated-lb.yaml
    """
    import json

    from rmqha_model.document import load
    from rmqha_model.errors import RmqhaError
    from rmqha_model.graph import minimal_cut_sets, narrowest
    from rmqha_model.topology import Topology

    design = load(topology, Topology)
    if not design.clients:
        raise RmqhaError(f"{topology}: clients: found none, so nothing can be lost to them; allowed: at least one")
    cuts = minimal_cut_sets(design, largest=largest)
    if not all_:
        cuts = narrowest(design, cuts)
    fatal = any(len(cut) == 1 for cut in cuts)
    if json_:
        rows = [
            {"lost": [str(element) for element in cut], "stops": [{"client": c, "queue": q} for c, q in stopped]}
            for cut, stopped in cuts.items()
        ]
        typer.echo(json.dumps({"cut_sets": rows}, indent=2))
    else:
        _print(cuts, largest)
    return ExitCode.NO if fatal else ExitCode.DONE


def _print(cuts: dict[tuple[Element, ...], tuple[tuple[str, str], ...]], largest: int) -> None:
    if not cuts:
        typer.echo(f"no {'single loss' if largest == 1 else f'set of up to {largest} losses'} stops a client", err=True)
    for cut, stopped in cuts.items():
        mark = "SINGLE POINT OF FAILURE  " if len(cut) == 1 else ""
        clients: dict[str, list[str]] = {}
        for client, queue in stopped:
            clients.setdefault(client, []).append(queue)
        what = "; ".join(
            f"{client} to {'any queue' if queues == ['*'] else ', '.join(queues)}" for client, queues in clients.items()
        )
        typer.echo(f"{mark}{' + '.join(map(str, cut))}: stops {what}")
