"""The suite that validates a design on real hosts: everything in place, every way through, every fault survived.

:func:`run` plays it against a :class:`integration.host.Stack`; ``rmqha lab test`` brings one up for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from integration.errors import LabError

if TYPE_CHECKING:
    from integration.host import Stack
    from integration.suite.options import Options

__all__ = ["run"]

_ORDER = ("files", "services", "cluster", "definitions", "queues", "balancing", "addresses", "path", "demonstrations")
"""What only looks comes first; what follows from something else comes after it."""
_CHANGING = ("demonstrations",)
"""What stops daemons, and makes a vhost for a while."""


def run(stack: Stack, options: Options, *, on_step: Callable[[str], None] = lambda _: None) -> bool:
    """Run the suite against *stack*, and say whether all is as designed; what it finds goes to standard output.

    Raises:
        LabError: a fault that is asked for does not exist, or the suite could not run.
    """
    import pytest

    from integration.evidence import Evidence
    from integration.suite.plugin import Plugin

    here = Path(__file__).resolve().parent
    evidence = Evidence(stack, options.evidence) if options.evidence else None
    plugin = Plugin(stack, options, evidence, _runner(), on_step)
    names = [name for name in _ORDER if options.changes or name not in _CHANGING]
    names += ["faults"] if plugin.cases else []
    junit = options.junit or (evidence and evidence.junit)
    arguments = [
        *(str(here / f"test_{name}.py") for name in names),
        # Neither the settings nor the plugins of whatever folder this is started in.
        f"--config-file={here / 'pytest.ini'}",
        f"--rootdir={here}",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "-ra",
        "-v",
        "--tb=short",
        *(["-k", options.keyword] if options.keyword else []),
        *([f"--junit-xml={junit}"] if junit else []),
    ]
    kept = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    try:
        status = pytest.main(arguments, plugins=[plugin])
    finally:
        os.environ.update(kept)
        if evidence:
            evidence.finish(plugin.rows, plugin.notes)
    if evidence and status in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and not options.keyword:
        good = status == pytest.ExitCode.OK
        evidence.conclude(options, good=good, whole={row.case for row in plugin.rows} == {c.name for c in plugin.cases})
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise LabError(f"no test matches -k {options.keyword!r}")
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise LabError(f"the suite could not run: pytest ended with {status!s}")
    return status == pytest.ExitCode.OK


def _runner() -> Callable[..., object]:
    from integration.run import run as play

    return play
