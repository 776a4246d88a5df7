"""Each fault of the catalogue in turn: what it does to clients is told; afterwards all is well and nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from integration import summary
from integration.diagnose import listed
from integration.diagnose.definitions import OWN
from integration.errors import LabError, NotPossible, Unhealthy
from integration.suite.cases import MIRRORED, PLAIN, mirrors
from integration.suite.clients import usual_client
from integration.suite.mend import excuse, recovers, settle, wait_healthy

if TYPE_CHECKING:
    from integration.host import Stack
    from integration.suite.cases import Case
    from integration.suite.plugin import Plugin

__all__: list[str] = []

_RECOVER_S = 120.0
"""A cold start of a whole site takes about one minute."""
_HOPELESS_S = 75.0
"""Where a partition stays until somebody ends it: long enough for everything else, the net tick among it."""
_DEFAULT_MIRRORING = {"ha-mode": "all", "ha-sync-mode": "automatic"}


@pytest.fixture(scope="module")
def policies(stack: Stack) -> Iterator[None]:
    """Policies of the suite's own that make one of its classic queues mirrored and keep the other one plain."""
    topology = stack.topology
    if not mirrors(topology):
        yield
        return
    vhost = topology.vhost_of(usual_client(topology)[1])
    own = [p.definition.as_json() for p in topology.rabbitmq.policies if p.definition.is_mirroring and p.vhost == vhost]
    wanted = {
        f"{OWN}-mirrored": (MIRRORED, own[0] if own else _DEFAULT_MIRRORING),
        # Something harmless: what counts is that of several policies only the one with the highest priority applies.
        f"{OWN}-plain": (PLAIN, {"max-length": 100_000_000}),
    }
    seed = stack.hosts[topology.rabbitmq.seed]
    for name, (queue, definition) in wanted.items():
        pattern = f"^{queue.replace('.', '[.]')}$"
        command = ("set_policy", "-p", vhost, "--priority", "1000", "--apply-to", "queues", name, pattern)
        seed.check("rabbitmqctl", *command, json.dumps(definition))
    try:
        yield
    finally:
        for name in wanted:
            seed.run("rabbitmqctl", "clear_policy", "-p", vhost, name)


@pytest.mark.usefixtures("policies")
def test_fault(stack: Stack, suite: Plugin, case: Case) -> None:
    """Clients work, the fault happens and ends; then the stack becomes healthy, and what was confirmed is there."""
    evidence, options = suite.the_evidence, suite.the_options
    if options.budget_s is not None and time.monotonic() - suite.began > options.budget_s:
        pytest.skip("the time budget is used up; --resume goes on from here")
    if options.resume and evidence and (known := evidence.row(case.name)):
        suite.rows.append(known)
        pytest.skip("the evidence folder has it already")
    if suite.run_scenario is None:
        pytest.skip("nothing here can run a scenario")
    if not suite.left_healthy:
        suite.make_healthy(f"before {case.name}")
    suite.left_healthy = False
    try:
        timeline = suite.run_scenario(
            stack,
            case.scenario,
            seed=options.seed,
            on_step=lambda step: suite.on_step(f"{case.name}: {step}"),
            recover_s=_RECOVER_S if recovers(stack) else _HOPELESS_S,
        )
    except NotPossible as error:
        pytest.skip(f"these hosts cannot be asked for it: {error}")
    except LabError as error:
        pytest.fail(f"{case.name} could not be played: {error}", pytrace=False)
    row = summary.row(case.name, case.fault, timeline)
    _, ailing = wait_healthy(stack, 60 if not row.unhealthy else 5)
    if ailing:
        expected = excuse(stack, ailing)
        row = replace(row, unhealthy=(*row.unhealthy, *map(str, ailing)), expected=expected)
        try:
            row = replace(row, repairs=tuple(settle(stack, patience_s=0, on_step=suite.on_step).repairs))
        except Unhealthy as error:
            row = replace(row, repairs=("tried in vain",), notes=(*row.notes, str(error)))
    suite.left_healthy = not ailing
    suite.rows.append(row)
    if evidence:
        evidence.keep(case.name, timeline, suite.rows)
    _judge(row, listed(ailing))


def _judge(row: summary.Row, ailing: str) -> None:
    wrong = []
    if (quorum := row.flows.get("quorum")) and quorum.lost:
        wrong.append(f"{quorum.lost} of {quorum.confirmed} confirmed messages of the quorum queue were never delivered")
    help_needed = "" if row.recovered else f"not healthy by itself: {'; '.join(row.unhealthy)}\n{ailing}".rstrip()
    if help_needed and not row.expected:
        wrong.append(help_needed)
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
    if help_needed:
        pytest.xfail(f"to be expected: {row.expected}")
