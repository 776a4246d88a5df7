"""``rmqha budget``: JSON in a pipe, a table on a terminal, and what it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rmqha_model.cli import budgeted
from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.budget import budget, budget_of_pairs

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, **options: int) -> str:
    """What a terminal of 200 columns shows of an example."""
    monkeypatch.setenv("COLUMNS", "200")
    design = load(ROOT / f"examples/{name}.yaml", Topology)
    budgeted.show(budget(design), **options)
    return capsys.readouterr().out


@pytest.mark.slow
def test_json_in_a_pipe(rmqha: Run) -> None:
    """Each row has its fault, its figures with formulas, and what becomes of messages; what has no end is null."""
    done = rmqha("budget", "examples/article.yaml", "--fault", "host-power-loss", "-f", "haproxy_hang")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert {row["faults"][0]["fault"] for row in data["rows"]} == {"host_power_loss", "haproxy_hang"}
    hang = next(row for row in data["rows"] if row["faults"] == [{"fault": "haproxy_hang", "target": "@vip_owner"}])
    assert (hang["harm_s"], hang["ends_by_itself"]) == (None, False)
    figures = [figure for row in data["rows"] for figure in row["figures"] if figure["measure"] == "down"]
    assert {figure["formula"] for figure in figures} == {
        "phase 0..5 + 3 x attempt 5 + 2 x inter 5 - where no neighbour answers 0..1.94"
    }
    assert all(row["messages"] for row in data["rows"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--fault", "broker_kil"], 2, "error: --fault: found 'broker_kil'; did you mean 'broker_kill'?"),
        (["--fault", "haproxy_kill"], 0, "cannot suffer haproxy_kill"),
    ],
)
def test_faults_that_are_not_there(rmqha: Run, arguments: list[str], status: int, said: str) -> None:
    """A name that is none is wrong; a fault that the design cannot suffer gives no row, and that is said."""
    done = rmqha("budget", "examples/no-vip.yaml", *arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert status or json.loads(done.stdout)["rows"] == []


@pytest.mark.slow
def test_it_loads_nothing_that_runs() -> None:
    """Formulas need neither SimPy nor numpy, so that a plain installation has them."""
    script = (
        "import sys\nfrom rmqha_model.cli import app\n"
        "try: app(['budget', 'examples/tls.yaml'])\nexcept SystemExit as end: assert not end.code\n"
        "found = [name for name in ('simpy', 'numpy', 'networkx', 'generators') if name in sys.modules]\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["article", "article-fixed", "dedicated-lb", "five-brokers-two-vips", "no-vip", "tls"])
def test_the_table_of_every_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The worst is first, the sums follow, and what it leaves out is said."""
    text = shown(capsys, monkeypatch, name)
    assert text.startswith(f"{name}: what each fault costs")
    lines = text.splitlines()
    assert any(line.startswith("1. ") for line in lines)
    assert "known from" in text
    assert "It leaves out:" in text
    assert max(map(len, lines[:20])) <= 200


def test_cells_and_sums(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell is shortest..longest (mean); a sum has the design's numbers; what ends with the fault only says so."""
    text = shown(capsys, monkeypatch, "article", sums=40)
    assert "23.06..30 (26.53)" in text
    assert "; 1 of 3" in text
    assert "until undone" in text
    assert "down rabbitmq_cluster, each load balancer: 10..15 (12.5)" in text
    assert "= phase 0..5 + 2 x inter 5" in text
    assert "failover VI_1, rabbit1: 0.77 = skew 0.77 (priority 60)" in text


def test_pairs_are_cut_short(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of hundreds of pairs the worst are shown, and how many more there are."""
    monkeypatch.setenv("COLUMNS", "200")
    budgeted.show(budget_of_pairs(load(ROOT / "examples/no-vip.yaml", Topology)), sums=1)
    text = capsys.readouterr().out
    assert "more that cost less; --json has all" in text
