"""Makes ``docs/evidence/predicted.md``: what was measured on real hosts, against what the simulator says of it.

    python -m docs.tools.predicted [--runs N]

It takes minutes: every timeline of the evidence is simulated so many times.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rmqha_model.cli.validate import design_of_evidence
from rmqha_model.timeline import Timeline
from simulation.compare import Compared, compare

__all__ = ["EVIDENCE", "folders", "main", "page"]

EVIDENCE = Path(__file__).resolve().parents[1] / "evidence"

_HEAD = """\
# Predicted against measured

<!-- Made by `python -m docs.tools.predicted`. Do not edit: run it again. -->

Every timeline of [the evidence](README.md), and {runs} simulated runs of its scenario on the design it was measured on.
A figure is inside when it lies between the smallest and the largest of these runs, widened by the resolution of the
observation (30 to 180 ms; for outages also by the 0.1 s between two attempts) and by nothing else. Faults are played
when they took effect. The ranges hold what nobody can know: phases of clocks, how long things take to boot, which
broker a client was connected to.

A figure that is 0 in every run and was measured as 0 is right and says little, so the last columns leave these out.

| release | design | timelines | figures | inside | not the same in all runs | inside |
|---|---|---|---|---|---|---|
"""


def folders() -> list[Path]:
    """Give the folders of evidence, the newest releases last."""
    return sorted(path.parent for path in EVIDENCE.rglob("summary.json"))


def telling(rows: Iterable[Compared]) -> list[Compared]:
    """Give the figures that could have been wrong."""
    return [row for row in rows if not row.low == row.high == row.measured]


def page(compared: dict[Path, dict[str, tuple[Compared, ...]]], runs: int) -> Iterator[str]:
    """Give the page's lines."""
    yield from _HEAD.format(runs=runs).splitlines()
    total: list[Compared] = []
    for folder, cases in compared.items():
        every = [row for rows in cases.values() for row in rows]
        total += every
        yield _line(f"{folder.parent.name} | `{folder.name}` | {len(cases)}", every)
    yield _line("all | | " + str(sum(map(len, compared.values()))), total)
    yield ""
    yield "## What lies outside"
    yield ""
    yield "| release, design | case | figure | measured | predicted | median |"
    yield "|---|---|---|---|---|---|"
    for folder, cases in compared.items():
        for case, rows in cases.items():
            for row in rows:
                if not row.inside:
                    what = f"{row.figure.what} of {row.figure.whose}"
                    span = f"{_cell(row.low)} to {_cell(row.high)}"
                    where = f"{folder.parent.name}, `{folder.name}`"
                    yield f"| {where} | {case} | {what} | {_cell(row.measured)} | {span} | {_cell(row.median)} |"


def _line(words: str, rows: Sequence[Compared]) -> str:
    some = telling(rows)
    return f"| {words} | {len(rows)} | {_share(rows)} | {len(some)} | {_share(some)} |"


def _share(rows: Sequence[Compared]) -> str:
    return f"{sum(row.inside for row in rows) / len(rows):.1%}" if rows else ""


def _cell(value: float) -> str:
    if not math.isfinite(value):
        return "never"
    return f"{value:g}" if value == int(value) else f"{value:.2f}"


def main() -> None:
    """Simulate, compare and write."""
    parser = argparse.ArgumentParser(prog="python -m docs.tools.predicted")
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    compared: dict[Path, dict[str, tuple[Compared, ...]]] = {}
    for folder in folders():
        design = design_of_evidence(folder / "design.json")
        compared[folder] = {
            path.name.removesuffix(".jsonl.gz"): compare(design, Timeline.read(path), range(runs))
            for path in sorted((folder / "timelines").glob("*.jsonl.gz"))
        }
    (EVIDENCE / "predicted.md").write_text("\n".join(page(compared, runs)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
