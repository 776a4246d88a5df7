"""``rmqha lab test`` as it is called, as far as it goes without a lab."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.suite.options import Options
from rmqha_model.document import load
from rmqha_model.topology import Topology

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_help_names_what_it_does(rmqha: Run) -> None:
    """The help says what is validated, what becomes of the lab, and what the exit status means."""
    done = rmqha("lab", "test", "--help")
    assert done.returncode == 0
    for words in ("--faults", "--evidence", "--resume", "Exit status: 0", "taken down again"):
        assert words in done.stdout


def test_unknown_fault_is_refused_before_anything_is_made(rmqha: Run, tmp_path: Path) -> None:
    """A fault that does not exist: exit status 2, the nearest name, and no lab."""
    done = rmqha("lab", "test", "examples/article-fixed.yaml", "--faults", "broker_kil", "--evidence", tmp_path / "e")
    assert done.returncode == 2
    assert "broker_kill" in done.stderr
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("words", [",", "", "broker_kill,"])
def test_empty_words_are_refused_before_anything_is_made(rmqha: Run, tmp_path: Path, words: str) -> None:
    """Nothing between commas: exit status 2, what is allowed, and no lab."""
    done = rmqha("lab", "test", "examples/article-fixed.yaml", "--faults", words, "--evidence", tmp_path / "e")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--faults: found an empty word; allowed: none, representative, all, or names of faults" in done.stderr
    assert not (tmp_path / "e").exists()


def test_run_that_is_over_is_not_done_again(rmqha: Run, tmp_path: Path, root: Path) -> None:
    """With --resume and all of it in the evidence folder, nothing is made, and the answer is the one it had."""
    design = load(root / "examples/article-fixed.yaml", Topology)
    for good, status in ((True, 0), (False, 1)):
        source = f"{design.digest} on bookworm"
        (tmp_path / "conclusion.json").write_text(json.dumps({"source": source, "faults": ["all"], "good": good}))
        words = ("--faults", "all", "--resume", "--evidence", tmp_path)
        done = rmqha("lab", "test", "examples/article-fixed.yaml", *words)
        assert (done.returncode, done.stdout) == (status, "")
        assert "has all of it already" in done.stderr


def test_options_begin_with_what_is_quick_to_want() -> None:
    """Without a word about it, the representative faults are played, and nothing is kept."""
    assert Options().faults == ("representative",)
    assert Options().evidence is None
