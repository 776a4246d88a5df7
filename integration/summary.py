"""What each fault did, in one row: read from its timeline, shown as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from rmqha_model.events import (
    Alarm,
    BrokerState,
    FaultBegan,
    FaultUndone,
    HaproxyState,
    HostState,
    Peers,
    ServerState,
    VipHeld,
)
from rmqha_model.faults import CATALOGUE
from rmqha_model.judge import unhealthy
from rmqha_model.ledger import Ledger, ledgers
from rmqha_model.measures import confirm_gaps, consumer_gaps, detections, outages, ownership

if TYPE_CHECKING:
    from rmqha_model.timeline import Timeline

__all__ = ["Flow", "Row", "as_json", "from_json", "markdown", "row", "text"]

_PUBLISHER, _CONSUMER = "-publisher", "-consumer"
_UNNOTICED = {"memory_alarm", "disk_alarm", "packet_loss"}
_STATES = (HostState, BrokerState, HaproxyState, ServerState, VipHeld, Peers, Alarm)


@dataclass(frozen=True, slots=True)
class Flow:
    """What happened to the messages of one kind of queue; gaps in seconds, ``None`` where nothing ever came."""

    confirm_gap_s: float | None
    consumer_gap_s: float | None
    attempted: int
    confirmed: int
    lost: int
    duplicated: int
    unknown: int
    returned: int
    """To their publisher, as no queue could take them."""
    vanished: int
    """Never confirmed and never delivered."""
    confirm_over: bool = True
    """Whether the longest gap was over before the scenario was."""
    consumer_over: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault did; times in seconds."""

    case: str
    fault: str
    hosts: tuple[str, ...]
    lasted_s: float | None
    outage_s: float
    outage_over: bool
    attempts: int
    """Of fresh connections, within the outage."""
    failed: int
    flows: dict[str, Flow]
    """By kind of queue: quorum, mirrored, plain."""
    vip_absent_s: float
    vip_shared_s: float
    vip_moves: int
    detected_s: dict[str, float | None]
    """By load balancer: from the fault to the server being DOWN; none where it never was."""
    well_after_s: float | None
    """From the fault's end until nothing changed for the worse or the better any more."""
    unhealthy: tuple[str, ...] = ()
    """What was not well when watching ended."""
    repairs: tuple[str, ...] = ()
    """What had to be restarted afterwards."""
    expected: str = ""
    """Why it is as the design has it that something had to be restarted."""
    notes: tuple[str, ...] = ()
    seed: int | None = None
    began: str = ""

    @property
    def recovered(self) -> bool:
        """Whether the stack became healthy without anybody's help."""
        return not self.unhealthy and not self.repairs

    @property
    def share(self) -> float:
        """Share of the attempts within the outage that failed, 0 to 1."""
        return self.failed / self.attempts if self.attempts else 0.0


def row(case: str, fault: str, timeline: Timeline) -> Row:
    """Read what *fault*, by its name in the catalogue, did as *case* from its timeline."""
    began, undone = timeline.only(FaultBegan), timeline.only(FaultUndone)
    end_s = undone[-1].t if undone else None
    outage = next((each for each in outages(timeline).values() if each), None)
    owners = ownership(timeline).values()
    first: dict[str, float | None] = {}
    for seen in detections(timeline):
        known = first.get(seen.host)
        times = [each for each in (known, seen.down_after_s) if each is not None]
        first[seen.host] = min(times, default=None)
    if CATALOGUE[fault].target in {"load_balancer", "vrrp"} or fault in _UNNOTICED:
        # The broker is well, or takes connections as ever: there is nothing to notice.
        first = {}
    return Row(
        case=case,
        fault=fault,
        hosts=began[0].hosts if began else (),
        lasted_s=_round(end_s - began[0].t) if began and end_s is not None else None,
        outage_s=_round(outage.length_s) if outage else 0.0,
        outage_over=outage.over if outage else True,
        attempts=outage.attempts if outage else 0,
        failed=outage.failed if outage else 0,
        flows=_flows(timeline),
        vip_absent_s=_round(max((each.absent_s for each in owners), default=0.0)),
        vip_shared_s=_round(max((each.shared_s for each in owners), default=0.0)),
        vip_moves=sum(each.moves for each in owners),
        detected_s={host: None if s is None else _round(s) for host, s in sorted(first.items())},
        well_after_s=_well_after(timeline, end_s),
        unhealthy=unhealthy(timeline),
        notes=timeline.head.notes,
        seed=timeline.head.seed,
        began=timeline.head.began,
    )


def _flows(timeline: Timeline) -> dict[str, Flow]:
    confirms, given, counts = confirm_gaps(timeline), consumer_gaps(timeline), ledgers(timeline)
    kinds = [name.removesuffix(_PUBLISHER) for name in timeline.head.scenario.workload.publishers]
    flows = {}
    for kind in kinds:
        confirm, consumer = confirms.get(f"{kind}{_PUBLISHER}"), given.get(f"{kind}{_CONSUMER}")
        count = counts.get(f"{kind}{_PUBLISHER}", Ledger())
        flows[kind] = Flow(
            None if confirm is None else _round(confirm.length_s),
            None if consumer is None else _round(consumer.length_s),
            count.attempted,
            count.confirmed,
            count.lost,
            count.duplicated,
            count.unknown,
            count.returned,
            count.vanished,
            confirm is None or confirm.over,
            consumer is None or consumer.over,
        )
    return flows


def _well_after(timeline: Timeline, end_s: float | None) -> float | None:
    if end_s is None:
        return None
    changes = [event.t for kind in _STATES for event in timeline.only(kind) if event.t >= end_s]
    return _round(max(changes, default=end_s) - end_s)


def _round(seconds: float) -> float:
    return round(seconds, 2)


# -- shown ----------------------------------------------------------------------------------------------

_HEADS = (
    "fault", "outage s", "failed", "confirm gap s", "consumer gap s", "VIP none/two s", "DOWN after s", "lost",
    "twice", "well after s",
)  # fmt: skip


def _cells(each: Row) -> tuple[str, ...]:
    def gaps(name: str) -> str:
        values = [(getattr(flow, f"{name}_gap_s"), getattr(flow, f"{name}_over")) for flow in each.flows.values()]
        return " / ".join("-" if s is None else f"{s:g}{'' if over else '+'}" for s, over in values) or "-"

    detected = " ".join(f"{host} {'never' if s is None else f'{s:g}'}" for host, s in each.detected_s.items())
    well = "-" if each.well_after_s is None else f"{each.well_after_s:g}"
    return (
        each.case,
        f"{each.outage_s:g}{'' if each.outage_over else '+'}",
        f"{each.failed}/{each.attempts}" if each.attempts else "0",
        gaps("confirm"),
        gaps("consumer"),
        f"{each.vip_absent_s:g} / {each.vip_shared_s:g}",
        detected or "-",
        " / ".join(f"{flow.lost}{f' ({flow.vanished})' * bool(flow.vanished)}" for flow in each.flows.values()) or "-",
        " / ".join(str(flow.duplicated) for flow in each.flows.values()) or "-",
        well if each.recovered else "only with help" if each.repairs else "not",
    )


def _kinds(rows: Sequence[Row]) -> str:
    return " / ".join(dict.fromkeys(kind for each in rows for kind in each.flows))


def text(rows: Sequence[Row]) -> str:
    """Give the rows as a table for a terminal."""
    table = [_HEADS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return "\n".join([*lines, "", *_legend(rows)])


def markdown(rows: Sequence[Row], title: str, about: Sequence[str]) -> str:
    """Give the rows as a Markdown document."""
    lines = [f"# {title}", "", *about, "", f"| {' | '.join(_HEADS)} |", f"|{'---|' * len(_HEADS)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in _cells(each))} |" for each in rows]
    return "\n".join([*lines, "", *_legend(rows), ""])


def _legend(rows: Sequence[Row]) -> list[str]:
    told = [f"Gaps and counts are of the queues {_kinds(rows)}." if _kinds(rows) else "No messages were sent."]
    if any(flow.vanished for each in rows for flow in each.flows.values()):
        told.append(
            "lost, in parentheses: never delivered and never confirmed either; nobody had promised to keep them."
        )
    told.append("failed: of the fresh connections within the outage. +: not over when the scenario ended.")
    for each in rows:
        if each.unhealthy or each.repairs:
            what = f"{each.case}: {'; '.join(each.unhealthy) or 'not healthy'}"
            helped = f"; done about it: {', '.join(each.repairs)}" if each.repairs else ""
            told.append(f"{what}{helped}{f' ({each.expected})' if each.expected else ''}")
    return told


_ROWS = TypeAdapter(tuple[Row, ...])


def as_json(rows: Iterable[Row]) -> list[Any]:
    """Give the rows as plain data."""
    plain: list[Any] = _ROWS.dump_python(tuple(rows), mode="json")
    return plain


def from_json(data: Any) -> tuple[Row, ...]:
    """Read the rows back."""
    return _ROWS.validate_python(data)
