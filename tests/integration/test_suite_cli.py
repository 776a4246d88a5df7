"""``rmqha lab test`` as it is called, as far as it goes without a lab."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--evidence", "{}/file"),
            "error: --evidence {}/file: cannot be made: File exists; allowed: a folder, or none",
        ),
        (("--evidence", "{}/file/e"), "error: --evidence {}/file/e: cannot be made: Not a directory"),
        (("--junit", "{}"), "error: --junit {}: is a folder; allowed: the name of a file"),
        (("--junit", "{}/file/x.xml"), "error: --junit {}/file/x.xml: the folder {}/file cannot be made: "),
        (
            ("-k", "files and ("),
            "error: -k 'files and (': at column 12: expected not OR left parenthesis OR identifier; ",
        ),
        (("-k", "not"), "error: -k 'not': at column 4: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_options_that_cannot_work_are_refused_before_anything_is_made(
    rmqha: Run, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """In words, at once, with no lab."""
    (tmp_path / "file").touch()
    environment = {**os.environ, "RMQHA_LAB_STATE": str(tmp_path / "labs")}
    here = [word.replace("{}", str(tmp_path)) for word in words]
    done = rmqha("lab", "test", "examples/article-fixed.yaml", "--release", "bookworm", *here, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said.replace("{}", str(tmp_path)))
    assert not (tmp_path / "labs").exists()


@pytest.mark.parametrize(("release", "hint"), [("buster", ""), ("trixi", "; did you mean 'trixie'?")])
def test_unknown_release_is_refused_before_anything_is_made(
    rmqha: Run, tmp_path: Path, release: str, hint: str
) -> None:
    """With the nearest name, where one is near, and nothing in its place where none is."""
    environment = {**os.environ, "RMQHA_LAB_STATE": str(tmp_path / "labs")}
    done = rmqha("lab", "test", "examples/article-fixed.yaml", "--release", release, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    allowed = "bullseye, bookworm, trixie, sid"
    assert done.stderr == f"error: --release: found '{release}'; allowed: {allowed}{hint}\n"
    assert not (tmp_path / "labs").exists()


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
