"""The evidence in ``docs/evidence``: every timeline reads back, and says of lost messages what the tables say."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from integration import summary
from rmqha_model.cli.validate import design_of_evidence
from rmqha_model.faults import CATALOGUE
from rmqha_model.ledger import ledgers
from rmqha_model.timeline import Timeline
from simulation.compare import compare, unexplained

EVIDENCE = Path(__file__).resolve().parents[1] / "docs/evidence"
FOLDERS = sorted(path.parent for path in EVIDENCE.rglob("summary.json"))
AFTERWARDS = frozenset({"repairs", "expected"})
"""What the suite did and found when the timeline had ended: no timeline has it."""


def name(folder: Path) -> str:
    """The folder as the README calls it."""
    return folder.relative_to(EVIDENCE).as_posix()


def well_or_not(unhealthy: tuple[str, ...], timeline: Timeline) -> tuple[str, ...]:
    """Give what a table has of *unhealthy*: all of it, but for folders from before clients worked until all was well.

    There clients ended their work with the scenario (the head has no ``flowed_s``), some of them before they had their
    connection back, and tables did not tell of clients. What is measured today, and all else of these, is compared.
    """
    if timeline.head.flowed_s is not None:
        return unhealthy
    load = timeline.head.scenario.workload
    clients = (*load.probes, *load.publishers, *load.consumers)
    return tuple(each for each in unhealthy if not each.startswith(clients))


def test_readme_names_every_folder() -> None:
    """No evidence lies there that the README does not tell of."""
    text = (EVIDENCE / "README.md").read_text("utf-8")
    assert FOLDERS
    assert all(folder.name in text and folder.parent.name in text for folder in FOLDERS)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_tables_follow_from_timelines(folder: Path) -> None:
    """Each row of a table is what its timeline gives, and no confirmed message of a quorum queue is lost."""
    rows = summary.from_json(json.loads((folder / "summary.json").read_text("utf-8"))["faults"])
    files = {path.name.removesuffix(".jsonl.gz"): path for path in (folder / "timelines").glob("*.jsonl.gz")}
    assert {row.case for row in rows} == set(files)
    for row in rows:
        timeline = Timeline.read(files[row.case])
        again = summary.row(row.case, row.fault, timeline)
        for field in (each.name for each in fields(row) if each.name not in AFTERWARDS | {"unhealthy"}):
            assert getattr(again, field) == getattr(row, field), (row.case, field)
        # What ailed when the fault's own end had been waited for came after it, and was then mended.
        told = row.unhealthy[: len(again.unhealthy)] if row.repairs else row.unhealthy
        assert told == well_or_not(again.unhealthy, timeline), row.case
        quorum = [count for publisher, count in ledgers(timeline).items() if publisher.startswith("quorum")]
        assert quorum
        assert all(count.lost == 0 for count in quorum), row.case


def test_one_folder_has_the_whole_catalogue() -> None:
    """On one design and release every fault was done."""
    rows = json.loads((EVIDENCE / "bookworm/article-fixed/summary.json").read_text("utf-8"))["faults"]
    assert {row["fault"] for row in rows} == set(CATALOGUE)


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_design_can_be_read_back(folder: Path) -> None:
    """The design as it ran is the one whose digest stands beside it and in each timeline."""
    told = json.loads((folder / "design.json").read_text("utf-8"))["digest"]
    assert design_of_evidence(folder / "design.json").digest == told
    timeline = next((folder / "timelines").glob("*.jsonl.gz"))
    assert Timeline.read(timeline).head.digest == told


def test_the_page_of_predictions_has_every_folder() -> None:
    """It was made of this evidence."""
    text = (EVIDENCE / "predicted.md").read_text("utf-8")
    for folder in FOLDERS:
        count = len(list((folder / "timelines").glob("*.jsonl.gz")))
        assert f"| {folder.parent.name} | `{folder.name}` | {count} |" in text


@pytest.mark.slow
@pytest.mark.parametrize("case", ["broker_kill-leader", "keepalived_stop-vip_owner", "partition-broker"])
def test_measurements_lie_where_the_simulator_says(case: str) -> None:
    """Of a fault of each layer, all figures but one at the most, with few runs."""
    folder = EVIDENCE / "bookworm/article-fixed"
    timeline = Timeline.read(folder / "timelines" / f"{case}.jsonl.gz")
    rows = compare(design_of_evidence(folder / "design.json"), timeline, range(60))
    assert len(rows) >= 24
    assert len(unexplained(rows)) <= 1
