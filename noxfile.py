"""The tasks of this project: ``nox -l`` lists them, plain ``nox`` runs what a change must pass.

Dependencies come from ``pyproject.toml``, each session from the group of its name.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import time
from pathlib import Path
from typing import Any

import nox
from nox.command import CommandFailed
from packaging.requirements import Requirement

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
# Tests come last, so that theirs are the last lines to be read.
nox.options.sessions = ["lint", "types", "integration", "tests"]

PYPROJECT: dict[str, Any] = nox.project.load_toml("pyproject.toml")
PACKAGES = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

IN_CI = {
    "article": "broker_kill-leader,memory_alarm-follower,haproxy_hang-vip_owner,keepalived_stop-vip_owner",
    "article-fixed": "representative",
}
"""What ``integration`` lets happen: a fault of each layer, and more of them to the sound design (20 minutes in all)."""

DESIGNS = ("article", "article-fixed", "dedicated-lb", "tls")
RELEASES = ("bookworm", "trixie", "bullseye", "sid")
"""What ``integration-full`` goes through; the releases that most people have come first."""


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
    session.install("-e.[lab]", *group("types"))
    session.run("mypy", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests; those of a program that is absent are skipped by its name. Arguments go to pytest."""
    session.install("-e.", *group("test"))
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Two designs on real hosts: the tutorial's and a sound one, each with representative faults."""
    session.install("-e.[lab]", *group("test"))
    _needs_a_lab(session)
    failed = []
    for design, faults in IN_CI.items():
        lab, evidence = f"nox-{design}", f"build/evidence/{design}-bookworm"
        try:
            session.run("rmqha", "lab", "up", f"examples/{design}.yaml", "--name", lab)
            words = ("--name", lab, "--evidence", evidence, "--faults", faults, *session.posargs)
            session.run("rmqha", "lab", "test", f"examples/{design}.yaml", *words)
            if design == "article-fixed":
                # Damage done by hand, whose cause the diagnosis must name.
                tests = ("tests/integration/test_diagnose_real.py", "-k", "cookie or hosts or haproxy")
                session.run("python", "-m", "pytest", *tests, env={"RMQHA_LAB": lab})
        except CommandFailed:
            failed.append(design)
        finally:
            session.run("rmqha", "lab", "down", lab, success_codes=[0, 1, 2])
    if failed:
        session.error(f"not as designed: {', '.join(failed)}; build/evidence/*/summary.md")


@nox.session(name="integration-full")
def integration_full(session: nox.Session) -> None:
    """The whole catalogue on four designs and four releases: hours, and it goes on where it was stopped.

    -- [--into FOLDER] [--budget MINUTES] [--only WORD ...], where a word is a design or a release.
    """
    parser = argparse.ArgumentParser(prog="nox -s integration-full --")
    parser.add_argument("--into", default="build/evidence/full", help="folder that the evidence goes to")
    parser.add_argument("--budget", type=float, default=math.inf, help="minutes after which nothing new is begun")
    parser.add_argument("--only", nargs="+", default=[], choices=[*DESIGNS, *RELEASES], help="designs, releases")
    asked = parser.parse_args(session.posargs)
    session.install("-e.[lab]", *group("test"))
    _needs_a_lab(session)
    end = time.monotonic() + 60 * asked.budget
    left = []
    for release, design in itertools.product(RELEASES, DESIGNS):
        wanted = [word for word in asked.only if word in DESIGNS], [word for word in asked.only if word in RELEASES]
        if (wanted[0] and design not in wanted[0]) or (wanted[1] and release not in wanted[1]):
            continue
        minutes = (end - time.monotonic()) / 60
        if minutes <= 0:
            left.append(f"{design} on {release}")
            continue
        words = ["--release", release, "--name", f"full-{design}-{release}", "--faults", "all", "--resume"]
        words += ["--evidence", f"{asked.into}/{release}/{design}"]
        words += [] if math.isinf(minutes) else ["--budget", f"{minutes:.1f}"]
        # What a design cannot survive is told and goes on; that it could not be tested at all is told too.
        session.run("rmqha", "lab", "test", f"examples/{design}.yaml", *words, success_codes=[0, 1, 2])
    if left:
        session.log(f"not begun for want of time, the same command goes on: {', '.join(left)}")
    session.log(f"the results are in {asked.into}/RELEASE/DESIGN/summary.md")


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


def _needs_a_lab(session: nox.Session) -> None:
    """Go on only on a machine that can hold a lab; else say what it lacks, and skip, or fail where CI demands it."""
    told = session.run("rmqha", "lab", "doctor", silent=True, success_codes=[0, 1, 2])
    if isinstance(told, str) and ("missing:" in told or "error:" in told):
        words = f"this machine cannot hold a lab:\n{told.strip()}"
        if os.environ.get("RMQHA_REQUIRE_DAEMONS") == "1":
            session.error(words)
        session.skip(words)


def _floor(requirement: Requirement) -> str:
    """The oldest version that *requirement* allows, as a pin: ``pydantic>=2.9`` gives ``pydantic==2.9``."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    lowest = next(s.version for s in requirement.specifier if s.operator == ">=")
    return f"{requirement.name}{extras}=={lowest}"
