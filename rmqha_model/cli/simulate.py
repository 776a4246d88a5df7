"""``rmqha simulate``: what a failure would do to a design, predicted."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.output import print_json, progress

if TYPE_CHECKING:
    from rmqha_model.judge import Judgement
    from rmqha_model.scenario import Scenario
    from rmqha_model.topology import Topology
    from simulation.distribution import Distribution
    from simulation.run import Run

__all__ = ["simulate"]

_WIDTH = 140
_LASTS, _DURATION = "180s", "300s"
"""How long a fault of ``--fault`` lasts and is watched if nothing is said: longer than every usual timer."""


@tells_errors
def simulate(
    topology: Annotated[Path, typer.Argument(help="The design: YAML, JSON or TOML.", show_default=False)],
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="A fault in words: 'kill broker rabbit2', 'power-loss @vip_owner for 60s'."),
    ] = None,
    scenario: Annotated[Path | None, typer.Option("--scenario", help="A scenario file instead of --fault.")] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, max=1_000_000, help="How many runs.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Of the first run; the others follow.")] = 0,
    replay: Annotated[
        int | None, typer.Option("--replay", help="Repeat the one run of this seed, and tell it.", show_default=False)
    ] = None,
    worst: Annotated[
        bool, typer.Option("--worst", help="Search for the worst alignment of all clocks, and tell that run.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the told run's timeline goes, as JSON lines.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> ExitCode:
    """Predict what a failure does to a design: how long, to whom, what is lost, and why.

    The phases of clocks that nobody can know (when the next health check is due, when the last advert was sent) are
    drawn anew in each run, so every figure is a range. One run in the middle is told step by step; each run repeats
    exactly by its seed.

    Exit status: 0 done, and every run as the scenario expects; 1 some run is not; 2 it cannot be simulated.

    \b
        rmqha simulate topology.yaml --fault 'kill broker rabbit2'
        rmqha simulate topology.yaml --fault 'power-loss rabbit3 for 2m' --runs 1000
        rmqha simulate topology.yaml --fault 'partition rabbit1 from rabbit2,rabbit3'
        rmqha simulate topology.yaml --scenario examples/scenarios/kill-broker.yaml --json
        rmqha simulate topology.yaml --fault 'hang haproxy @vip_owner' --replay 17
        rmqha simulate topology.yaml --fault 'kill broker @leader' --runs 50 --worst
    """
    from rmqha_model.document import load
    from rmqha_model.judge import judge
    from rmqha_model.topology import Topology
    from simulation.distribution import distribution
    from simulation.run import explained

    design = load(topology, Topology)
    what = _scenario(design, fault or [], scenario)
    failed: dict[int, tuple[Judgement, ...]] = {}
    seeds = range(seed, seed + runs) if replay is None else range(replay, replay + 1)
    with progress(f"simulating {what.name}", len(seeds)) as advance:

        def each(timeline: Any) -> None:
            wrong = tuple(verdict for verdict in judge(timeline) if not verdict.ok)
            if wrong:
                failed[timeline.head.seed] = wrong
            advance()

        found = distribution(design, what, seeds, each=each)
    told = _worst(design, what, seeds) if worst else explained(design, what, found.typical)
    if out is not None:
        told.timeline.write(out)
    if json_:
        print_json(_plain(design, what, found, failed))
    else:
        _show(design, what, found, failed)
        _tell(told, worst=worst)
        _close(found, failed)
    return ExitCode.NO if failed else ExitCode.DONE


def _scenario(design: Topology, faults: list[str], file: Path | None) -> Scenario:
    from rmqha_model.document import load, placed
    from rmqha_model.errors import DocumentError, RmqhaError
    from rmqha_model.phrase import parse
    from rmqha_model.scenario import Scenario
    from rmqha_model.usual import workload

    if (file is None) == (not faults):
        raise RmqhaError(
            "found both --fault and --scenario"
            if faults
            else "found neither --fault nor --scenario; allowed: one of them, such as --fault 'kill broker @leader'"
        )
    if file is not None:
        made = load(file, Scenario)
        if problems := made.problems(design):
            raise DocumentError(placed(file, problems))
        return made
    told = [parse(text, design, lasts=_LASTS) for text in faults]
    made = Scenario.model_validate(
        {"name": "fault", "workload": workload(design), "faults": told, "duration": _DURATION}
    )
    made.check(design)
    return made


# -- for machines -----------------------------------------------------------------------------------------


def _plain(
    design: Topology, what: Scenario, found: Distribution, failed: dict[int, tuple[Judgement, ...]]
) -> dict[str, Any]:
    return {
        "design": design.name,
        "scenario": what.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "runs": found.runs,
        "typical_seed": found.typical,
        "figures": [
            {
                "what": figure.what,
                "whose": figure.whose,
                **{name: _number(getattr(spread, name)) for name in ("min", "median", "max")},
                "p95": _number(spread.quantile(0.95)),
                "share_of_runs": len(spread.values) / found.runs,
            }
            for figure, spread in found.spreads.items()
        ],
        "not_as_expected": {str(seed): [str(verdict) for verdict in verdicts] for seed, verdicts in failed.items()},
        "not_modelled": list(found.not_modelled),
    }


def _number(value: float) -> float | None:
    """JSON has no infinity: null is what did not come to an end."""
    return round(value, 6) if math.isfinite(value) else None


# -- for people -------------------------------------------------------------------------------------------


def _show(design: Topology, what: Scenario, found: Distribution, failed: dict[int, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    faults = ", ".join(str(fault.name) for fault in what.faults) or "no fault"
    words = f"[bold]{design.name}[/]: {faults}; {found.runs} runs"
    console.print(words + (f", [red]{len(failed)} not as expected[/]" if failed else ""))
    table = Table("", "", "min", "median", "p95", "max", box=None, pad_edge=False)
    for place, column in enumerate(table.columns):
        column.no_wrap = True
        column.justify = "right" if place > 1 else "left"
    for figure, spread in found.spreads.items():
        if spread.max or figure.what == "outage_s":
            cells = (spread.min, spread.median, spread.quantile(0.95), spread.max)
            table.add_row(_WORDS.get(figure.what, figure.what), figure.whose, *map(_cell, cells))
    console.print(table)
    nothing = [str(figure) for figure, spread in found.spreads.items() if not spread.max and figure.what == "lost"]
    if nothing:
        console.print(f"none lost: {', '.join(each.removeprefix('lost of ') for each in nothing)}", style="green")


_WORDS = {
    "outage_s": "fresh connections fail, s",
    "failed_share": "share of them that fails",
    "confirm_gap_s": "longest wait for a confirm, s",
    "consumer_gap_s": "longest wait for a delivery, s",
    "stall_s": "queue confirms nothing, s",
    "absent_s": "address on no host, s",
    "shared_s": "address on several hosts, s",
    "owners": "hosts with the address at once",
    "moves": "moves of the address",
    "down_after_s": "DOWN after, s",
    "up_after_s": "UP after the end, s",
    "lost": "confirmed and lost",
    "vanished": "unconfirmed and gone",
    "duplicated": "delivered twice",
    "unknown": "never confirmed",
}


def _cell(value: float) -> str:
    if not math.isfinite(value):
        return "never"
    return f"{value:g}" if value == int(value) else f"{value:.2f}"


def _worst(design: Topology, what: Scenario, seeds: range) -> Run:
    from simulation.worst import worst

    with progress(f"searching the worst of {what.name}", None) as advance:
        return worst(design, what, seeds, tried=advance).run


def _tell(told: Run, *, worst: bool) -> None:
    from rmqha_model.figures import figures
    from simulation.story import story

    which = "The worst run that was found" if worst else "A run in the middle"
    typer.echo(f"\n{which} (seed {told.timeline.head.seed}{', phases moved' if worst else ''}), from the fault on:")
    if worst:
        for figure, value in figures(told.timeline).items():
            if value and figure.what in {"outage_s", "confirm_gap_s", "consumer_gap_s", "absent_s", "down_after_s"}:
                typer.echo(f"  {_WORDS[figure.what]}: {figure.whose} {_cell(value)}")
    for t, words in story(told.timeline, told.reasons, told.stalls):
        typer.echo(f"{t:9.2f} s  {words}")


def _close(found: Distribution, failed: dict[int, tuple[Judgement, ...]]) -> None:
    for left_out in found.not_modelled:
        typer.echo(f"not modelled: {left_out}")
    for seed, verdicts in list(failed.items())[:3]:
        for verdict in verdicts:
            typer.secho(f"not as expected, seed {seed}: {verdict}", fg="red")
