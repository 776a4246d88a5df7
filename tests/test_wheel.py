"""The wheel, as those get it who never see the checkout: built, installed into a clean environment, and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

OWNERS = """
import importlib.metadata, json
print(json.dumps(importlib.metadata.packages_distributions()))
"""
"""Which distribution brings which top-level name, asked of the environment itself."""


def run(*command: object, cwd: Path) -> str:
    """Run *command* in *cwd* with nothing of the checkout in sight, and give its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built wheel and sdist; that of ``nox -s wheel`` where it runs this."""
    if given := os.environ.get("RMQHA_DIST"):
        return Path(given)
    folder = tmp_path_factory.mktemp("dist")
    # The wheel is built from the sdist, so that both are complete.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The built wheel of this version."""
    (path,) = dist.glob(f"rmqha_model-{PYPROJECT['project']['version']}-*.whl")
    return path


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it depends on, as ``pip install rmqha-model`` leaves it."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    run(folder / "venv/bin/python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder


def test_wheel_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    """The top level of the wheel is the four packages and the metadata: no tests, notebooks or examples."""
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Modules, templates and ``py.typed`` are all inside."""
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.partition("/")[0] in PACKAGES}
    assert held == expected
    assert {f"{package}/py.typed" for package in PACKAGES} < held
    assert any(name.startswith("generators/templates/") for name in held)


def test_sdist_can_be_tested(dist: Path) -> None:
    """Who packages this for a distribution finds tests, examples and licence in the sdist."""
    stem = f"rmqha_model-{PYPROJECT['project']['version']}"
    with tarfile.open(dist / f"{stem}.tar.gz") as archive:
        held = set(archive.getnames())
    wanted = ("LICENSE", "README.md", "CHANGELOG.md", "noxfile.py", "tests/conftest.py", "examples/article.yaml")
    assert {f"{stem}/{name}" for name in wanted} <= held


def test_no_name_of_another_distribution_is_shadowed(clean: Path) -> None:
    """Each of the four names is brought by this distribution alone, and none is the standard library's."""
    owners: dict[str, list[str]] = json.loads(run(clean / "venv/bin/python", "-c", OWNERS, cwd=clean))
    assert {name: set(owners[name]) for name in PACKAGES} == {name: {"rmqha-model"} for name in PACKAGES}
    assert not set(PACKAGES) & sys.stdlib_module_names


def test_packages_come_from_the_wheel(clean: Path) -> None:
    """In the clean environment nothing is imported from the checkout."""
    code = f"import {', '.join(PACKAGES)}; print(*[m.__file__ for m in ({', '.join(PACKAGES)})])"
    places = run(clean / "venv/bin/python", "-c", code, cwd=clean).split()
    assert all(Path(place).is_relative_to(clean / "venv") for place in places)


def test_script_and_module_are_the_same(clean: Path) -> None:
    """``rmqha --help`` and ``python -m rmqha_model --help`` say the same, but for the name they were called by."""
    script = run(clean / "venv/bin/rmqha", "--help", cwd=clean).splitlines()
    module = run(clean / "venv/bin/python", "-m", "rmqha_model", "--help", cwd=clean).splitlines()
    assert any("generate" in line for line in script)
    assert [line for line in script if "Usage:" not in line] == [line for line in module if "Usage:" not in line]


def test_wheel_generates_the_article(clean: Path) -> None:
    """A plain install turns the example into files, with the manifest that lists them."""
    design, out = clean / "article.yaml", clean / "out"
    design.write_bytes((ROOT / "examples/article.yaml").read_bytes())
    run(clean / "venv/bin/python", "-m", "rmqha_model", "generate", design, "--out", out, cwd=clean)
    assert json.loads((out / "manifest.json").read_text("utf-8"))
    assert [path.name for path in out.rglob("haproxy.cfg")]


def test_wheel_predicts_a_failure(clean: Path) -> None:
    """A plain install has all that a simulation needs."""
    design = clean / "article.yaml"
    design.write_bytes((ROOT / "examples/article.yaml").read_bytes())
    words = ("simulate", design, "--fault", "kill broker rabbit2", "--runs", "2", "--json")
    assert json.loads(run(clean / "venv/bin/rmqha", *words, cwd=clean))["runs"] == 2
    assert json.loads(run(clean / "venv/bin/rmqha", "budget", design, "--json", cwd=clean))["rows"]


def test_extras_bring_no_name_of_ours(clean: Path, wheel: Path) -> None:
    """With every extra installed, the four names are still of this distribution alone."""
    # Last of this file: from here on *clean* is no longer a plain install.
    run(clean / "venv/bin/python", "-m", "pip", "install", "--quiet", f"{wheel}[all]", cwd=clean)
    owners: dict[str, list[str]] = json.loads(run(clean / "venv/bin/python", "-c", OWNERS, cwd=clean))
    assert {name: set(owners[name]) for name in PACKAGES} == {name: {"rmqha-model"} for name in PACKAGES}
