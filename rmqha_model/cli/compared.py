"""Predicted against measured, for people and for machines."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.compare import Compared

__all__ = ["plain", "show"]

_WIDTH = 140


def plain(rows: Mapping[str, Sequence[Compared]]) -> dict[str, Any]:
    """Give the comparison of each timeline, by its name, as plain data; ``null`` is what did not come to an end."""
    return {"timelines": [_timeline(name, each) for name, each in rows.items()], **_total(rows)}


def _timeline(name: str, rows: Sequence[Compared]) -> dict[str, Any]:
    return {
        "timeline": name,
        "figures": [
            {
                "what": row.figure.what,
                "whose": row.figure.whose,
                **{name: _number(getattr(row, name)) for name in ("measured", "low", "median", "high")},
                "share_of_runs_up_to": round(row.share, 4),
                "widened_by": row.slack,
                "inside": row.inside,
            }
            for row in rows
        ],
    }


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _total(rows: Mapping[str, Sequence[Compared]]) -> dict[str, Any]:
    every = [row for each in rows.values() for row in each]
    # A figure that is 0 in every run and was 0 is right, and says little.
    telling = [row for row in every if not row.low == row.high == row.measured]
    return {
        "figures": len(every),
        "inside": sum(row.inside for row in every),
        "telling": len(telling),
        "telling_inside": sum(row.inside for row in telling),
    }


def show(rows: Mapping[str, Sequence[Compared]], *, everything: bool) -> None:
    """Print the comparison of each timeline, by its name: the figures outside, or *everything*."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    for name, each in rows.items():
        wrong = [row for row in each if not row.inside]
        short = PurePath(name).name.removesuffix(".gz").removesuffix(".jsonl")
        console.print(f"[{'red' if wrong else 'green'}]{short}[/]: {len(each) - len(wrong)} of {len(each)} inside")
        shown = each if everything else wrong
        if not shown:
            continue
        table = Table("", "", "measured", "predicted from", "to", "median", "runs up to it", box=None, pad_edge=False)
        for column in table.columns[2:]:
            column.justify = "right"
        for row in shown:
            cells = map(_cell, (row.measured, row.low, row.high, row.median))
            style = "" if row.inside else "red"
            table.add_row(row.figure.what, row.figure.whose, *cells, f"{row.share:.0%}", style=style)
        console.print(table)
    total = _total(rows)
    every = f"{total['inside']} of {total['figures']} figures inside{_share(total['inside'], total['figures'])}"
    telling = f"{total['telling_inside']} of {total['telling']}{_share(total['telling_inside'], total['telling'])}"
    console.print(f"{every}; of those that are not the same in all runs {telling}")


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.1%})" if whole else ""


def _cell(value: float) -> str:
    if not math.isfinite(value):
        return "never"
    return f"{value:g}" if value == int(value) else f"{value:.3f}"
