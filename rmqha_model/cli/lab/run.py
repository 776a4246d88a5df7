"""``rmqha lab run``: a scenario on a lab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.lab.choice import LabName
from rmqha_model.cli.output import print_json, steps, tell

if TYPE_CHECKING:
    from rmqha_model.timeline import Timeline
    from rmqha_model.topology import Topology
    from simulation.compare import Compared

__all__ = ["run"]


@tells_errors
def run(
    scenario: Annotated[Path, typer.Argument(help="The scenario: YAML, JSON or TOML.", show_default=False)],
    lab: LabName = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the timeline goes, as JSON lines; .gz compresses it."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the clients' random waits.")] = 0,
    logs: Annotated[
        Path | None, typer.Option("--logs", help="A folder that keeps what each client and observer wrote.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Predict it as well, and say which figures lie where they may.")
    ] = False,
    runs: Annotated[
        int, typer.Option("--runs", min=2, help="With --compare: how many runs it is predicted with.")
    ] = 200,
    json_: Annotated[bool, typer.Option("--json", help="Print the measures as JSON.")] = False,
) -> ExitCode:
    """Run a scenario on a lab: real clients, real faults, and what was seen of it.

    The time of the scenario begins when every client has its connection and messages flow. Its faults are undone at
    its end, or when it is interrupted; then the command waits until all is well, and until every message has come to
    its end.

    Exit status: 0 done, and as expected; 1 not as expected, or with --compare not as predicted; 2 it could not be run;
    130 interrupted.

    \b
        rmqha lab run examples/scenarios/kill-broker.yaml
        rmqha lab run scenario.yaml --lab article-fixed -o kill.jsonl
        rmqha lab run examples/scenarios/frozen-broker.yaml --compare
    """
    from integration.run import run as play
    from rmqha_model.cli.compared import plain
    from rmqha_model.cli.compared import show as show_compared
    from rmqha_model.cli.lab.choice import chosen
    from rmqha_model.cli.measured import show, summary
    from rmqha_model.document import load
    from rmqha_model.scenario import Scenario

    what = load(scenario, Scenario)
    found = chosen(lab)
    _check(scenario, what, found.topology)
    _writable(out, logs)
    with found.record.held(), steps(what.name) as on_step:
        timeline = play(found, what, seed=seed, on_step=on_step, folder=logs)
    if out is not None:
        timeline.write(out)
        tell(f"{out}: {len(timeline.events)} events")
    short = summary(timeline)
    rows = _compared(found.topology, timeline, runs) if compare else {}
    if json_:
        print_json(short | ({"predicted": plain(rows)} if compare else {}))
    else:
        show(timeline)
        if compare:
            show_compared(rows, everything=True)
    inside = all(row.inside for each in rows.values() for row in each)
    return ExitCode.DONE if short["ok"] and inside else ExitCode.NO


def _compared(topology: Topology, timeline: Timeline, runs: int) -> dict[str, tuple[Compared, ...]]:
    from simulation.compare import compare

    return {timeline.head.scenario.name: compare(topology, timeline, range(runs))}


def _writable(out: Path | None, logs: Path | None) -> None:
    """Make the folder of logs, and see that the timeline can be written, before an hour is spent on it."""
    import os

    from integration.errors import LabError

    if logs is not None:
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"--logs {logs}: cannot be made: {error.strerror}; allowed: a folder, or none yet") from None
    if out is not None:
        if out.is_dir():
            raise LabError(f"--out {out}: is a folder; allowed: the name of a file")
        if not out.parent.is_dir():
            raise LabError(f"--out {out}: there is no folder {out.parent}; make it first")
        if not os.access(out.parent, os.W_OK):
            raise LabError(f"--out {out}: the folder cannot be written to")


def _check(path: Path, scenario: object, topology: Topology) -> None:
    from rmqha_model.document import placed
    from rmqha_model.errors import DocumentError
    from rmqha_model.scenario import Scenario

    assert isinstance(scenario, Scenario)
    problems = scenario.problems(topology)
    if problems:
        raise DocumentError(placed(path, problems))
