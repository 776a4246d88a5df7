"""The frame of the project: what its own files promise of one another."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
MODULES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {"altair", "networkx", "numpy", "pika", "polars", "scipy", "simpy"}
MODEL_PACKAGES = {"consistency", "document", "faults", "patterns", "timers", "versions"}
"""Parts of the model that take more than a file."""

LINES_MAX = 400
"""The longest a module may be; one that needs more has two jobs."""

Run = Callable[..., subprocess.CompletedProcess[str]]


def dotted(path: Path) -> str:
    """Name a module as ``import`` does."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def names(requirements: list[str]) -> set[str]:
    """Names of the projects that *requirements* ask for."""
    return {Requirement(text).name for text in requirements}


def test_version_is_that_of_the_changelog() -> None:
    """The newest release of the changelog is the version that is built."""
    released = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert released
    assert released[1] == PYPROJECT["project"]["version"]


def test_installed_metadata_is_of_this_checkout() -> None:
    """Where the project is installed, editable or not, it is installed in this version."""
    try:
        assert version("rmqha-model") == PYPROJECT["project"]["version"]
    except ModuleNotFoundError:
        pytest.skip("rmqha-model is not installed here; its checkout is what runs")


def test_console_script_is_the_module() -> None:
    """``rmqha`` and ``python -m rmqha_model`` start the same function."""
    module, _, function = PYPROJECT["project"]["scripts"]["rmqha"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert f"from {module} import {function}" in (ROOT / "rmqha_model/__main__.py").read_text("utf-8")


@pytest.mark.slow
def test_help_is_data_on_stdout(rmqha: Run) -> None:
    """``--help`` succeeds, writes to stdout and nothing else, and names the command."""
    done = rmqha("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "generate" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["generate", "examples/article.yaml", "--out"]], ids=lambda a: a[0])
def test_what_is_not_asked_for_is_not_loaded(arguments: list[str], tmp_path: Path) -> None:
    """Help and generation load no library of simulation, graphs, plots or the lab."""
    if arguments[-1] == "--out":
        shutil.copy(ROOT / arguments[1], tmp_path / "design.yaml")
        arguments = [arguments[0], str(tmp_path / "design.yaml"), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-X", "importtime", "-m", "rmqha_model", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "rmqha_model" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed(package: str) -> None:
    """Each package says that its annotations are to be used."""
    assert (ROOT / package / "py.typed").read_bytes() == b""


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem != "__main__"], ids=str)
def test_module_is_built_like_its_siblings(path: Path) -> None:
    """A module has a docstring, postponed annotations, one job's worth of lines, and unless private, ``__all__``."""
    source = (ROOT / path).read_text("utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    if len(tree.body) > 1:
        assert "\nfrom __future__ import annotations\n" in source
    assert source.count("\n") <= LINES_MAX
    if path.stem.startswith("_") and path.stem != "__init__":
        return
    if len(tree.body) > 1:
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        assert "__all__" in assigned


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem != "__main__"], ids=str)
def test_exports_exist(path: Path) -> None:
    """Every name in ``__all__`` is there, once, and the list is in order."""
    module = importlib.import_module(dotted(path))
    exported = list(getattr(module, "__all__", ()))
    assert [name for name in exported if not hasattr(module, name)] == []
    assert len(exported) == len(set(exported))


def test_every_upper_package_has_its_contract() -> None:
    """A package above the model is named in the contracts that keep the model below it."""
    upper = {path.parent.name for path in ROOT.glob("rmqha_model/*/*.py")} - MODEL_PACKAGES
    for contract in PYPROJECT["tool"]["importlinter"]["contracts"]:
        forbidden = contract.get("forbidden_modules", ())
        if "rmqha_model.cli" in forbidden:
            assert upper <= {name.split(".")[1] for name in forbidden if name.startswith("rmqha_model.")}


def test_extra_all_is_all_extras() -> None:
    """``rmqha-model[all]`` leaves out no extra."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert Requirement(everything).extras == set(extras) - {"all"}


def test_base_install_is_small() -> None:
    """A plain install brings what reading, generating and simulating take, and no more."""
    base = {"jinja2", "networkx", "pydantic", "ruamel.yaml", "simpy", "typer"}
    assert names(PYPROJECT["project"]["dependencies"]) == base


def test_group_dev_is_all_groups() -> None:
    """Whoever installs the group ``dev`` can run every session."""
    groups = PYPROJECT["dependency-groups"]
    included = {entry["include-group"] for entry in groups["dev"] if isinstance(entry, dict)}
    assert included == set(groups) - {"dev"}


def test_pre_commit_runs_the_versions_that_ci_runs() -> None:
    """The hooks of a commit and the lint session never disagree."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    pinned = {pin for hook in hooks for pin in hook["additional_dependencies"]}
    assert pinned <= set(PYPROJECT["dependency-groups"]["lint"])


def test_ci_runs_the_command_of_the_readme() -> None:
    """The line that tells a reader how to run the tests is the line that CI runs."""
    command = re.search(r"^ *(python3 -m venv .+nox)$", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)
    assert command
    assert command[1] in (ROOT / "README.md").read_text("utf-8").splitlines()


@pytest.mark.needs("shellcheck")
def test_ci_script_is_clean_shell() -> None:
    """The script of CI holds to what the generated scripts must."""
    done = subprocess.run(["shellcheck", ".ci/run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""


NEEDY = """
import pytest

@pytest.mark.needs("no-such-program")
def test_marked():
    raise AssertionError

def test_asked(needs):
    needs("no-such-program")
    raise AssertionError

def test_present(needs):
    assert needs("sh").endswith("/sh")
"""


@pytest.mark.slow
def test_absent_program_is_told_by_name(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of an absent program is skipped, and the last lines name what was missing."""
    monkeypatch.delenv("RMQHA_REQUIRE_DAEMONS", raising=False)
    result = needy(pytester)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["NOT RUN for want of no-such-program: 2 tests", "*no-such-program is not installed*"])


@pytest.mark.slow
def test_absent_program_fails_where_all_are_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CI an absent program fails its tests."""
    monkeypatch.setenv("RMQHA_REQUIRE_DAEMONS", "1")
    result = needy(pytester)
    result.assert_outcomes(passed=1, failed=1, errors=1)


def needy(pytester: pytest.Pytester) -> pytest.RunResult:
    """Run ``NEEDY`` with this project's conftest."""
    pytester.makeconftest((ROOT / "tests/conftest.py").read_text("utf-8"))
    pytester.makepyfile(NEEDY)
    pytester.makeini("[pytest]\nmarkers = needs: programs\n  daemon: runs one\n")
    return pytester.runpytest_subprocess("-ra")
