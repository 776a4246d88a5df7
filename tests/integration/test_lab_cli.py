"""The commands of the lab where there is no lab: what they say, and what they load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lab(rmqha: Run, tmp_path: Path) -> Run:
    """``lab("status")`` runs a command of the lab on a machine that has no lab."""
    environment = {**os.environ, "RMQHA_LAB_STATE": str(tmp_path / "labs"), "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return lambda *arguments: rmqha("lab", *arguments, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["status"], 2, "error: there is no lab; `rmqha lab up TOPOLOGY` makes one\n"),
        (["status", "--lab", "x"], 2, "error: lab: found no 'x': `rmqha lab up TOPOLOGY` makes one\n"),
        (["exec", "r1"], 2, "error: command: found none; allowed: rmqha lab exec HOST COMMAND [ARGUMENT]...\n"),
        (["logs", "r1"], 2, "error: there is no lab; `rmqha lab up TOPOLOGY` makes one\n"),
        (
            ["run", "examples/article-fixed.yaml"],
            2,
            "error: examples/article-fixed.yaml:3:1: (top level): found a topology; allowed: a scenario; ",
        ),
        (
            ["up", "examples/scenarios/kill-broker.yaml"],
            2,
            "error: examples/scenarios/kill-broker.yaml:1:1: (top level): found a scenario; allowed: a topology; ",
        ),
        (["down"], 1, "there is no lab\n"),
        (["down", "--all"], 0, "there is no lab\n"),
        (["down", "x"], 1, "lab x: there is none\n"),
        (["down", "../x"], 2, "error: name of a lab: found '../x'; allowed: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_commands_where_there_is_no_lab(lab: Run, arguments: list[str], status: int, said: str) -> None:
    """Each says so in words, and how one is made."""
    done = lab(*arguments)
    assert done.returncode == status
    assert done.stderr.startswith(said)
    assert done.stderr.count("error: ") == said.count("error: ")
    assert done.stdout == ""


@pytest.mark.slow
def test_doctor_names_what_is_missing_and_its_remedy(lab: Run) -> None:
    """Every finding says what is wanted; what is missing has a command; the exit status is the sum of it."""
    done = lab("doctor", "--json")
    found = json.loads(done.stdout)
    assert {"program systemd-nspawn", "program mmdebstrap", "kernel: overlayfs"} <= {each["what"] for each in found}
    missing = [each for each in found if not each["fine"]]
    assert all(each["remedy"] for each in missing)
    assert done.returncode == (1 if missing else 0)


def test_half_made_lab_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named as what it is, with what removes it."""
    from integration.errors import LabError
    from integration.lab import find, names
    from integration.lab.record import Record

    monkeypatch.setenv("RMQHA_LAB_STATE", str(tmp_path / "labs"))
    Record("one").begin()
    assert names() == ("one",)
    with pytest.raises(LabError, match="lab one: was never finished; `rmqha lab down one` removes it"):
        find("one")
    with pytest.raises(LabError, match="found no 'two'; allowed: one"):
        find("two")
    monkeypatch.setattr("integration.lab.record.boot_id", lambda: "another")
    with pytest.raises(LabError, match="is of before this machine's last boot"):
        find("one")


def test_help_of_the_lab_waits_for_nothing_heavy() -> None:
    """``rmqha lab --help`` loads neither generators nor what speaks to daemons."""
    code = (
        "import sys\nsys.argv = ['rmqha', 'lab', '--help']\n"
        "from rmqha_model.cli import app\n"
        "try: app()\nexcept SystemExit: pass\n"
        "print({'generators', 'integration', 'pika', 'pyroute2', 'pytest'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "set()"
