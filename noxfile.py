"""The tasks of this project: ``nox -l`` lists them, plain ``nox`` runs what a change must pass.

Dependencies come from ``pyproject.toml``, each session from the group of its name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
# Tests come last, so that theirs are the last lines to be read.
nox.options.sessions = ["lint", "types", "tests"]

PYPROJECT: dict[str, Any] = nox.project.load_toml("pyproject.toml")
PACKAGES = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def group(name: str) -> tuple[str, ...]:
    """Requirements of one dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, YAML, and who may import whom."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache")
    session.run("codespell")
    session.run("yamllint", "--strict", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict static types, with pydantic's plugin."""
    session.install("-e.", *group("types"))
    session.run("mypy", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests; those of a program that is absent are skipped by its name. Arguments go to pytest."""
    session.install("-e.", *group("test"))
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """The tests that run the real programs, none of which may be absent."""
    session.install("-e.", *group("test"))
    session.run("python", "-m", "pytest", "-m", "daemon", *session.posargs, env={"RMQHA_REQUIRE_DAEMONS": "1"})


@nox.session
def wheel(session: nox.Session) -> None:
    """Build ``dist/`` as a release is built, then try it in environments that never saw the checkout."""
    session.install("-e.", *group("test"))
    dist = Path("dist").resolve()
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("python", "-m", "pytest", "tests/test_wheel.py", *session.posargs, env={"RMQHA_DIST": str(dist)})


@nox.session
def minimums(session: nox.Session) -> None:
    """The tests against the oldest versions that ``pyproject.toml`` allows for a plain install."""
    floors = [_floor(Requirement(text)) for text in PYPROJECT["project"]["dependencies"]]
    session.install("-e.", *floors, *group("test"))
    session.run("python", "-m", "pytest", "-m", "not slow and not daemon", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run what the documents show, and compare."""
    session.install("-e.", *group("test"))
    session.run("python", "-m", "pytest", "tests/test_docs.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run every benchmark, one after the other."""
    programs = sorted(Path("benchmarks").glob("[!_]*.py"))
    if not programs:
        session.skip("no programs in benchmarks/")
    session.install("-e.", *group("test"))
    for program in programs:
        session.run("python", os.fspath(program), *session.posargs)


@nox.session(default=False)
def dev(session: nox.Session) -> None:
    """Fill ``.venv`` with everything that work on the project takes."""
    python = Path(".venv", "bin", "python").resolve()
    session.run("python", "-m", "venv", ".venv", external=True)
    session.run(str(python), "-m", "pip", "install", "-e.[all]", *group("dev"), external=True)


def _floor(requirement: Requirement) -> str:
    """The oldest version that *requirement* allows, as a pin: ``pydantic>=2.9`` gives ``pydantic==2.9``."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    lowest = next(s.version for s in requirement.specifier if s.operator == ">=")
    return f"{requirement.name}{extras}=={lowest}"
