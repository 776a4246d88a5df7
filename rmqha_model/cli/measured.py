"""A timeline in short: what was done, how long what was away, what became of the messages, and the verdict."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from rmqha_model.timeline import Timeline

__all__ = ["show", "summary"]

_WIDTH = 160


def summary(timeline: Timeline) -> dict[str, Any]:
    """Give it as plain data."""
    from rmqha_model import measures
    from rmqha_model.events import FaultBegan, FaultUndone
    from rmqha_model.judge import judge, unhealthy
    from rmqha_model.ledger import ledgers

    outages = measures.outages(timeline).items()
    verdicts = judge(timeline)
    return {
        "scenario": timeline.head.scenario.name,
        "design": timeline.head.design,
        "world": timeline.head.world,
        "versions": timeline.head.versions,
        "seed": timeline.head.seed,
        "resolution_s": timeline.head.resolution_s,
        "faults": [event.row() for event in timeline.events if isinstance(event, FaultBegan | FaultUndone)],
        "outages": {
            name: {**dataclasses.asdict(outage), "length_s": outage.length_s, "share": round(outage.share, 4)}
            if outage
            else None
            for name, outage in outages
        },
        "confirm_gaps": {name: _gap(gap) for name, gap in measures.confirm_gaps(timeline).items()},
        "consumer_gaps": {name: _gap(gap) for name, gap in measures.consumer_gaps(timeline).items()},
        "addresses": {name: dataclasses.asdict(owned) for name, owned in measures.ownership(timeline).items()},
        "detections": [dataclasses.asdict(found) for found in measures.detections(timeline)],
        "messages": {name: dataclasses.asdict(each) for name, each in ledgers(timeline).items()},
        "unhealthy_at_end": list(unhealthy(timeline)),
        "notes": list(timeline.head.notes),
        "not_seen": list(timeline.head.not_seen),
        "expected": [dataclasses.asdict(verdict) for verdict in verdicts],
        "ok": all(verdict.ok for verdict in verdicts),
    }


def _gap(gap: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(gap), "length_s": gap.length_s}


def show(timeline: Timeline) -> None:
    """Print it for people."""
    from rich.console import Console

    short = summary(timeline)
    # Whole lines also where no terminal says how wide it is.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    versions = ", ".join(f"{daemon} {version}" for daemon, version in short["versions"].items())
    console.print(f"[bold]{short['scenario']}[/] on {short['design']} ({short['world']}; {versions})")
    for fault in short["faults"]:
        done = "began" if fault["event"] == "fault_began" else "undone"
        console.print(f"{fault['t']:9.3f} s  {fault['fault']} on {', '.join(fault['hosts'])} {done}")
    for table in (_away(short), _messages(short)):
        if table.row_count:
            console.print(table)
    for note in (*short["notes"], *(f"at the end: {each}" for each in short["unhealthy_at_end"])):
        console.print(note, style="yellow", markup=False)
    for note in short["not_seen"]:
        console.print(f"not seen: {note}", markup=False)
    for verdict in short["expected"]:
        told = f"{verdict['bound']} {verdict['subject']}".strip()
        console.print(
            f"{'ok' if verdict['ok'] else 'failed'}: {told}: found {verdict['found']}; allowed: {verdict['allowed']}",
            style="green" if verdict["ok"] else "red",
            markup=False,
        )


def _away(short: dict[str, Any]) -> Table:
    """Give how long what was away."""
    table = _table("what", "who", "s", "from", "")
    for name, outage in short["outages"].items():
        if outage:
            words = f"{outage['share']:.0%} of {outage['attempts']} attempts failed{_still(outage)}"
            table.add_row("new connections", name, _s(outage["length_s"]), _s(outage["begin_s"]), words)
        else:
            table.add_row("new connections", name, "0", "", "none failed")
    for what, gaps in (("without a confirm", "confirm_gaps"), ("without a delivery", "consumer_gaps")):
        for name, gap in short[gaps].items():
            table.add_row(what, name, _s(gap["length_s"]), _s(gap["begin_s"]), _still(gap).lstrip(", "))
    for address, owned in short["addresses"].items():
        shared = f"; on {owned['owners_max']} hosts for {_s(owned['shared_s'])} s" if owned["shared_s"] else ""
        table.add_row("on no host", address, _s(owned["absent_s"]), "", f"{owned['moves']} moves{shared}")
    for found in short["detections"]:
        down, up = found["down_after_s"], found["up_after_s"]
        words = f"UP again {_s(up)} s after the fault's end" if up is not None else ""
        who = f"{found['host']}: {found['proxy']}/{found['server']}"
        table.add_row("until DOWN", who, "never" if down is None else _s(down), "", words)
    return table


def _messages(short: dict[str, Any]) -> Table:
    columns = ("attempted", "confirmed", "unknown", "nacked", "returned", "delivered", "lost", "vanished", "duplicated")
    table = _table("publisher", *columns)
    for name, ledger in short["messages"].items():
        lost = "red" if ledger["lost"] else ""
        cells = [
            f"[{lost}]{ledger[column]}[/]" if column == "lost" and lost else str(ledger[column]) for column in columns
        ]
        table.add_row(name, *cells)
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        right = column in {"s", "from"} or (number and columns[0] == "publisher")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    return table


def _s(seconds: float) -> str:
    return f"{seconds:.3f}"


def _still(row: dict[str, Any]) -> str:
    return "" if row["over"] else ", and not over at the end"
