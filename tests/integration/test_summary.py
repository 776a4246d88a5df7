"""What is told of a fault: its row, its table, and the evidence folder."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_stack import FakeStack

from integration import summary
from integration.evidence import Evidence, scrubber
from rmqha_model.cases import Case, cases
from rmqha_model.document import load
from rmqha_model.events import (
    Attempt,
    Confirmed,
    Delivered,
    FaultBegan,
    FaultUndone,
    Published,
    ServerState,
    VipHeld,
)
from rmqha_model.timeline import Head, Timeline
from rmqha_model.topology import Topology

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def stack() -> FakeStack:
    """The sound three-host design on played hosts."""
    return FakeStack(load(EXAMPLES / "article-fixed.yaml", Topology))


@pytest.fixture(scope="module")
def case(stack: FakeStack) -> Case:
    """A broker that is killed."""
    return next(case for case in cases(stack.topology) if case.name == "broker_kill-leader")


@pytest.fixture
def timeline(stack: FakeStack, case: Case) -> Timeline:
    """A broker killed at 6 s: two attempts fail, one confirmed message is never delivered, one comes twice."""
    head = Head(
        world="lab",
        design=stack.topology.name,
        digest=stack.topology.digest,
        scenario=case.scenario,
        duration_s=30.0,
        notes=("something",),
    )
    publisher, consumer = "quorum-publisher", "quorum-consumer"
    seen = [
        VipHeld(0.0, "rabbit1", "172.16.2.200", held=True),
        FaultBegan(6.0, 0, "broker_kill", ("rabbit2",)),
        *(Attempt(t, "fresh", "x", "ok", 0.01) for t in (5.0, 6.1, 6.4, 6.5)),
        *(Attempt(t, "fresh", "x", "timeout", 2.0) for t in (6.2, 6.3)),
        ServerState(7.5, "rabbit1", "rabbitmq_cluster", "rabbit2", up=False, health=0, rise=2, fall=3),
        *(Published(5.0, publisher, number) for number in (1, 2, 3)),
        *(Confirmed(t, publisher, number) for t, number in ((5.1, 1), (5.2, 2), (9.2, 3))),
        *(Delivered(t, consumer, publisher, number) for t, number in ((5.3, 1), (5.4, 1), (9.3, 3))),
        FaultUndone(16.0, 0, "broker_kill", ("rabbit2",)),
        ServerState(18.5, "rabbit1", "rabbitmq_cluster", "rabbit2", up=True, health=4, rise=2, fall=3),
    ]
    return Timeline.of(head, seen)


def test_row_is_read_from_the_timeline(case: Case, timeline: Timeline) -> None:
    """Outage, gaps, counts, detection and recovery are those of the measures."""
    row = summary.row(case.name, case.fault, timeline)
    assert (row.case, row.hosts, row.lasted_s) == ("broker_kill-leader", ("rabbit2",), 10.0)
    assert (row.failed, row.attempts, row.outage_over, row.share) == (2, 2, True, 1.0)
    flow = row.flows["quorum"]
    assert (flow.confirmed, flow.lost, flow.duplicated) == (3, 1, 1)
    assert flow.confirm_gap_s is not None
    assert row.flows["plain"].confirm_gap_s is None
    assert row.detected_s == {"rabbit1": 1.5}
    assert row.well_after_s == 2.5
    assert row.recovered


def test_rows_come_back_from_json(case: Case, timeline: Timeline) -> None:
    """What is written as JSON reads back equal."""
    row = summary.row(case.name, case.fault, timeline)
    assert summary.from_json(json.loads(json.dumps(summary.as_json([row])))) == (row,)


def test_what_needed_help_is_said_below_the_table(case: Case, timeline: Timeline) -> None:
    """A fault that did not end well is told with what was done about it, and why it was to be expected."""
    row = replace(
        summary.row(case.name, case.fault, timeline),
        unhealthy=("rabbit1 misses rabbit2",),
        repairs=("restart x",),
        expected="as it is",
    )
    for text in (summary.text([row]), summary.markdown([row], "Title", ["About."])):
        assert "only with help" in text
        assert "broker_kill-leader: rabbit1 misses rabbit2; done about it: restart x (as it is)" in text
        assert "0 / 0" in text


def test_evidence_holds_no_secret_and_goes_on(stack: FakeStack, case: Case, timeline: Timeline, tmp_path: Path) -> None:
    """Logs are kept without the stack's secrets; a second run on the same design finds what the first one has."""
    secrets = list(stack.secrets.values())
    for host in stack.hosts.values():
        host.answers["journalctl"] = f"user {secrets[1]} came; cookie {secrets[0]} in {Path.cwd()}/x\n"
    evidence = Evidence(stack, tmp_path / "evidence")
    evidence.junit.write_text(f'<a hostname="machine" name="{secrets[1]}"><b>{Path.cwd()}</b></a>', encoding="utf-8")
    row = summary.row(case.name, case.fault, timeline)
    evidence.keep(case.name, timeline, [row])
    evidence.finish([row], ["a note"])
    found = {
        path.relative_to(evidence.folder): path.read_bytes() for path in evidence.folder.rglob("*") if path.is_file()
    }
    texts = [gzip.decompress(data) if path.suffix == ".gz" else data for path, data in found.items()]
    for text in texts:
        for secret in (*secrets, str(Path.cwd()), "hostname="):
            assert secret.encode() not in text
    assert {"junit.xml", "stack.json", "design.json", "summary.json", "summary.md"} <= {str(path) for path in found}
    assert b"came; cookie *** in .../x" in gzip.decompress(found[Path("hosts/rabbit1/journal.txt.gz")])
    again = Evidence(stack, tmp_path / "evidence")
    assert again.row(case.name) == row
    assert again.row("another") is None
    assert Timeline.read(evidence.folder / "timelines" / "broker_kill-leader.jsonl.gz") == timeline


def test_rows_of_another_design_are_not_taken_over(
    stack: FakeStack, case: Case, timeline: Timeline, tmp_path: Path
) -> None:
    """A folder of another design, or of another state of it, has nothing that counts."""
    Evidence(stack, tmp_path).keep(case.name, timeline, [summary.row(case.name, case.fault, timeline)])
    other = FakeStack(load(EXAMPLES / "dedicated-lb.yaml", Topology))
    assert Evidence(other, tmp_path).row(case.name) is None


def test_short_words_are_no_secrets_of_this_machine(stack: FakeStack) -> None:
    """Places that every machine has stay readable."""
    assert scrubber(stack)("/etc/haproxy/haproxy.cfg on /usr") == "/etc/haproxy/haproxy.cfg on /usr"
