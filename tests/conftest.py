"""What all tests share: the checkout, the command line as a user runs it, and real programs by name.

A test that runs a real program says so: ``@pytest.mark.needs("haproxy")``, or asks the fixture of that
name. Where the program is absent the test is skipped and the summary lists it; with
``RMQHA_REQUIRE_DAEMONS=1``, as in CI, it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
"""Where daemons are looked for: a plain user's PATH leaves out the places they are installed in."""

os.environ["PATH"] = SYSTEM_PATH

# The same examples in each run, and no limit of time for one: a loaded machine must not fail a test.
hypothesis.settings.register_profile("rmqha", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("rmqha")

absent = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the count of tests each absent program cost."""
    config.stash[absent] = Counter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a program as a test of a daemon."""
    for item in items:
        if item.get_closest_marker("needs"):
            item.add_marker(pytest.mark.daemon)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the programs of ``needs`` markers before the test starts."""
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            locate(program, item.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which programs were absent, so that nobody takes a skipped test for a passed one."""
    for program, count in sorted(config.stash[absent].items()):
        text = f"NOT RUN for want of {program}: {count} test{'s' * (count != 1)}"
        terminalreporter.write_line(text, yellow=True, bold=True)


def locate(program: str, config: pytest.Config) -> str:
    """The path of *program*; without it the test ends here."""
    found = shutil.which(program)
    if found:
        return found
    if os.environ.get("RMQHA_REQUIRE_DAEMONS") == "1":
        pytest.fail(f"{program} is not installed, and RMQHA_REQUIRE_DAEMONS=1 demands it", pytrace=False)
    config.stash[absent][program] += 1
    pytest.skip(f"{program} is not installed")


@pytest.fixture
def needs(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """``needs("haproxy")`` gives the program's path, or skips the test with its name."""
    return lambda program: locate(program, request.config)


@pytest.fixture(scope="session")
def root() -> Path:
    """Top of the checkout."""
    return ROOT


@pytest.fixture
def rmqha(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``rmqha("generate", ...)`` runs the command line as a user does, from the checkout, with an empty HOME."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RMQHA_", "PYTEST_"))}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"}

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "rmqha_model", *map(str, arguments)]
        defaults: dict[str, object] = {"cwd": ROOT, "env": environment, "timeout": 120}
        return subprocess.run(command, capture_output=True, text=True, check=False, **(defaults | options))

    return run
