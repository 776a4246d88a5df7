"""``rmqha simulate`` and ``rmqha validate``, as a user runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rmqha_model.timeline import Timeline

ROOT = Path(__file__).parents[2]
ARTICLE, FIXED = str(ROOT / "examples/article.yaml"), str(ROOT / "examples/article-fixed.yaml")
TIMELINES = ROOT / "docs/evidence/bookworm/article-fixed/timelines"
Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow


def test_a_fault_is_predicted_and_told(rmqha: Run) -> None:
    """A range for each figure, and a run in the middle, step by step, with reasons."""
    done = rmqha("simulate", ARTICLE, "--fault", "kill broker rabbit2", "--runs", "10")
    assert (done.returncode, done.stderr) == (0, "")
    assert "article: broker_kill; 10 runs" in done.stdout
    assert "A run in the middle (seed " in done.stdout
    assert "DOWN L4CON: wait for the next check" in done.stdout


def test_json_is_for_machines(rmqha: Run) -> None:
    """Nothing but JSON on standard output; what did not end is null."""
    done = rmqha("simulate", ARTICLE, "--fault", "hang broker rabbit3 for 30s", "--runs", "5", "--json")
    told = json.loads(done.stdout)
    down = [each for each in told["figures"] if each["what"] == "down_after_s"]
    assert {each["whose"] for each in down} == {"rabbit1/rabbitmq_cluster", "rabbit2/rabbitmq_cluster"}
    # A check that only connects is answered by the frozen broker's kernel.
    assert all(each["min"] is None for each in down)
    assert told["runs"] == 5


def test_one_run_is_repeated_by_its_seed(rmqha: Run, tmp_path: Path) -> None:
    """The same timeline, to the byte."""
    for name in ("a", "b"):
        arguments = ("--fault", "stop keepalived @vip_owner", "--replay", "17", "-o", str(tmp_path / name))
        assert rmqha("simulate", FIXED, *arguments).returncode == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert Timeline.read(tmp_path / "a").head.seed == 17


def test_what_a_scenario_expects_is_the_exit_status(rmqha: Run, tmp_path: Path) -> None:
    """A run that breaks a bound is named with its seed."""
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "name: s\nworkload: {probes: {fresh: {}}}\nfaults: [{at: 5s, fault: keepalived_kill, process: child, "
        "host: '@vip_owner', for: 9s}]\nduration: 30s\nexpect: {outage_below: 100ms}\n"
    )
    done = rmqha("simulate", FIXED, "--scenario", str(scenario), "--runs", "3")
    assert done.returncode == 1
    assert "not as expected, seed 0: outage_below of fresh: found " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "found neither --fault nor --scenario"),
        (("--fault", "kil broker rabbit2"), "did you mean 'kill'?"),
        (("--fault", "kill broker rabbit9"), "did you mean 'rabbit"),
        (("--fault", "kill broker rabbit2", "--scenario", "x.yaml"), "found both --fault and --scenario"),
        (("--scenario", ARTICLE), "found a topology; allowed: a scenario"),
        (("--fault", "kill broker rabbit2 for 9 hours"), "for"),
        (("--fault", "kill broker rabbit2", "-o", "/nowhere/x"), "/nowhere"),
    ],
    ids=["nothing", "verb", "host", "both", "topology", "time", "out"],
)
def test_bad_input_is_refused_in_words(rmqha: Run, arguments: tuple[str, ...], words: str) -> None:
    """Status 2, what was found and what to do, no traceback."""
    done = rmqha("simulate", ARTICLE, "--runs", "2", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_measurements_are_validated(rmqha: Run) -> None:
    """Each figure inside or not, and how many in all; the design lies beside the evidence."""
    done = rmqha("validate", str(TIMELINES / "keepalived_stop-vip_owner.jsonl.gz"), "--runs", "40", "--json")
    told = json.loads(done.stdout)
    assert told["figures"] == len(told["timelines"][0]["figures"]) == 24
    assert told["inside"] >= 23
    assert done.returncode == (0 if told["inside"] == told["figures"] else 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nothing.jsonl", "nothing.jsonl"),
        (".", "found no timeline"),
        (FIXED, "found no head of a timeline"),
    ],
    ids=["absent", "empty", "design"],
)
def test_what_cannot_be_compared_is_refused(rmqha: Run, tmp_path: Path, given: str, words: str) -> None:
    """In words, with status 2."""
    done = rmqha("validate", str(tmp_path / given))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_prediction_is_no_measurement(rmqha: Run, tmp_path: Path) -> None:
    """Nobody validates the simulator against itself."""
    out = tmp_path / "run.jsonl"
    assert (
        rmqha("simulate", FIXED, "--fault", "stop keepalived @vip_owner", "--replay", "1", "-o", str(out)).returncode
        == 0
    )
    done = rmqha("validate", str(out), "--design", FIXED)
    assert done.returncode == 2
    assert "found a prediction; allowed: a timeline that was measured" in done.stderr
