"""A budget for people: a table of faults, the worst first, and the sums behind the worst of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rmqha_model.timers import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.table import Table

    from simulation.budget import Budget, Figure, Measure, Row

__all__ = ["show"]

_SUMS = 5
"""Rows whose arithmetic is shown, where nobody asks for more."""
_ROWS = 40
"""Rows of pairs that are shown; there are thousands."""

_COLUMNS: tuple[tuple[str, Measure], ...] = (
    ("new connections fail", "outage"),
    ("no confirm", "confirm gap"),
    ("no delivery", "consumer gap"),
    ("marked DOWN", "down"),
    ("UP again", "up"),
    ("address moves", "failover"),
)


def show(budget: Budget, *, sums: int | None = None) -> None:
    """Print it; *sums*: for how many rows with their arithmetic."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(
        f"[bold]{budget.design}[/]: what each fault costs, in seconds: shortest..longest (mean); "
        f"clients as {budget.client}, queues: {', '.join(budget.in_use) or 'none'}"
    )
    harmful = [row for row in _merged(budget.rows) if row[0].harm or row[0].loses]
    console.print(_table(harmful[:_ROWS] if _is_of_pairs(budget) else harmful))
    if _is_of_pairs(budget) and len(harmful) > _ROWS:
        console.print(f"and {len(harmful) - _ROWS} more that cost less; --json has all")
    _tell_harmless(console, budget)
    shown = _SUMS if sums is None else sums
    for place, (row, targets) in enumerate(harmful[:shown], 1):
        console.print(f"\n[bold]{place}. {_named(row, targets)}[/]")
        for line in _sums(row, budget):
            console.print(f"   {line}", markup=False, soft_wrap=True)
    console.print("\nIt leaves out:")
    for text in budget.leaves_out:
        console.print(f" - {text}", markup=False, soft_wrap=True)


def _is_of_pairs(budget: Budget) -> bool:
    return any(len(row.faults) > 1 for row in budget.rows)


def _merged(rows: Iterable[Row]) -> list[tuple[Row, list[str]]]:
    """Join rows of one fault that clients cannot tell apart; each with its targets."""
    found: dict[object, tuple[Row, list[str]]] = {}
    for row in rows:
        cells = tuple(_cell(row, measure) for _, measure in _COLUMNS)
        key = (tuple(fault for fault, _ in row.faults), cells, row.loses)
        found.setdefault(key, (row, []))[1].append(_targets(row))
    return list(found.values())


def _targets(row: Row) -> str:
    return " + ".join(target for _, target in row.faults)


def _named(row: Row, targets: list[str]) -> str:
    return f"{' + '.join(fault for fault, _ in row.faults)}: {'; '.join(targets)}"


def _tell_harmless(console: Console, budget: Budget) -> None:
    if _is_of_pairs(budget):
        return
    # One whose figures are not known is not said to be harmless.
    unknown = [row.name for row in budget.rows if not row.figures and row.leaves_out]
    harmless = [row.name for row in budget.rows if not row.harm and not row.loses and row.name not in unknown]
    for words, names in (("Clients see nothing of", harmless), ("No formula tells", unknown)):
        if names:
            console.print(f"{words}: {', '.join(names)}", markup=False, soft_wrap=True)


def _table(rows: Iterable[tuple[Row, list[str]]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("fault", "of", *(name for name, _ in _COLUMNS), "messages lost"):
        table.add_column(name, vertical="top")
    for row, targets in rows:
        cells = [_cell(row, measure) for _, measure in _COLUMNS]
        lost = "[red]yes[/]" if row.loses else "no"
        table.add_row("\n".join(fault for fault, _ in row.faults), "\n".join(targets), *cells, lost)
    return table


def _cell(row: Row, measure: Measure) -> str:
    """Give the worst figure of each kind in use."""
    worst: dict[str, Figure] = {}
    for one in row.of(measure):
        counts = measure not in {"confirm gap", "consumer gap"} or one.subject in row.in_use
        if counts and one.happens:
            before = worst.get(one.subject)
            if before is None or (one.span.max_s, one.span.mean_s) > (before.span.max_s, before.span.mean_s):
                worst[one.subject] = one
    said = {subject: _said(one) for subject, one in worst.items()}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "\n".join(f"{subject} {words}" for subject, words in said.items()) or "-"


def _said(one: Figure) -> str:
    return _time(one) + (f"; {one.share}" if one.share and one.share != "all" else "")


def _time(one: Figure) -> str:
    span = one.span
    if span.is_never:
        if one.after_undone is None:
            return "until undone" if one.measure in {"outage", "confirm gap", "consumer gap"} else "never"
        return f"until undone + {_range(one.after_undone.min_s, one.after_undone.max_s)}"
    said = _range(span.min_s, span.max_s)
    if span.is_bounded and span.max_s > span.min_s:
        said += f" ({number(span.mean_s)})"
    return f"{said}, or not at all" if one.may_not else said


def _range(low: float, high: float) -> str:
    if math.isinf(high):
        return f"{number(low)}.. until undone" if math.isfinite(low) else "never"
    return number(low) if low == high else f"{number(low)}..{number(high)}"


def _sums(row: Row, budget: Budget) -> Iterator[str]:
    for one in row.figures:
        told = one.measure not in {"confirm gap", "consumer gap"} or one.subject in budget.in_use
        if not told or not one.happens:
            continue
        what = one.measure if one.measure == "outage" else f"{one.measure} {one.subject}"
        who = f", {one.who}" if one.who else ""
        since = " since it is undone" if one.since == "undone" else ""
        yield f"{what}{who}: {_time(one)}{since} = {one.span.formula}"
        if one.after_undone is not None and one.after_undone.formula:
            yield f"    after it is undone: {one.after_undone.formula}"
        if one.bound:
            yield f"    a bound only: {one.bound}"
        if one.span.source:
            yield f"    known from {one.span.source}"
    for loss in row.losses:
        if loss.kind in budget.in_use:
            yield f"messages in {loss.kind} queues: {loss.words}"
    for text in row.leaves_out:
        yield f"left out: {text}"
