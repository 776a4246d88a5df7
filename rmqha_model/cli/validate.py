"""``rmqha validate``: measured timelines against what the simulator predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmqha_model.cli.compared import plain, show
from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.output import print_json, progress

if TYPE_CHECKING:
    from rmqha_model.timeline import Timeline
    from rmqha_model.topology import Topology
    from simulation.compare import Compared

__all__ = ["design_of_evidence", "validate"]

_BESIDE = "design.json"
"""What ``lab test`` puts into a folder of evidence: the design as it ran."""


@tells_errors
def validate(
    timelines: Annotated[
        list[Path],
        typer.Argument(help="Measured timelines (.jsonl, .jsonl.gz), or folders of them.", show_default=False),
    ],
    design: Annotated[
        Path | None,
        typer.Option("--design", help="The design they were measured on; left out, the design.json of their evidence."),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=2, help="How many runs each scenario is predicted with.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Of the first run.")] = 0,
    all_: Annotated[bool, typer.Option("--all", help="Show every figure, not only those outside.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> ExitCode:
    """Ask of each measured figure whether it lies where the simulator says it may.

    The scenario in each timeline's head is simulated on the design that it was measured on. A figure is inside when it
    is between the smallest and the largest of all runs, widened by the resolution of the observation and nothing else.

    Exit status: 0 every figure is inside; 1 some are outside; 2 it cannot be compared.

    \b
        rmqha validate run.jsonl --design topology.yaml
        rmqha validate docs/evidence/bookworm/article-fixed --runs 500
    """
    from rmqha_model.timeline import Timeline
    from simulation.compare import compare

    files = [file for given in timelines for file in _files(given)]
    rows: dict[Path, tuple[Compared, ...]] = {}
    with progress("validating", len(files)) as advance:
        for file in files:
            timeline = Timeline.read(file)
            rows[file] = compare(_design_of(file, design, timeline), timeline, range(seed, seed + runs))
            advance()
    named = {str(file): each for file, each in rows.items()}
    if json_:
        print_json(plain(named))
    else:
        show(named, everything=all_)
    return ExitCode.DONE if all(row.inside for each in rows.values() for row in each) else ExitCode.NO


def _files(given: Path) -> list[Path]:
    from rmqha_model.errors import RmqhaError

    if not given.is_dir():
        return [given]
    found = sorted([*given.rglob("*.jsonl"), *given.rglob("*.jsonl.gz")])
    if not found:
        raise RmqhaError(f"{given}: found no timeline; allowed: a folder with *.jsonl or *.jsonl.gz in it")
    return found


def _design_of(file: Path, given: Path | None, timeline: Timeline) -> Topology:
    from rmqha_model.document import load
    from rmqha_model.errors import RmqhaError
    from rmqha_model.topology import Topology

    beside = next((folder / _BESIDE for folder in file.resolve().parents[:2] if (folder / _BESIDE).is_file()), None)
    chosen = given or beside
    if chosen is None:
        raise RmqhaError(
            f"{file}: found no {_BESIDE} beside it or one folder above; allowed: --design with what it was measured on"
        )
    topology = load(chosen, Topology) if chosen is given else design_of_evidence(chosen)
    if timeline.head.world != "lab":
        raise RmqhaError(f"{file}: found a prediction; allowed: a timeline that was measured")
    problems = timeline.head.scenario.problems(topology)
    if problems:
        first = "\n".join(map(str, problems))
        raise RmqhaError(f"{file}: its scenario does not fit the design {chosen}:\n{first}")
    return topology


def design_of_evidence(file: Path) -> Topology:
    """Read the design out of a folder of evidence, which has its digest beside it."""
    import json

    from rmqha_model.document import loads
    from rmqha_model.errors import RmqhaError
    from rmqha_model.topology import Topology

    try:
        text = json.dumps(json.loads(file.read_text("utf-8"))["topology"])
    except (OSError, ValueError, TypeError, KeyError):
        raise RmqhaError(f"{file}: found no design of `rmqha lab test`; allowed: --design with a design") from None
    return loads(text, Topology, file=str(file), syntax="json")
