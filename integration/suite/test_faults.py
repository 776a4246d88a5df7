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
from integration.errors import LabError, NotPossible, Unhealthy
from integration.suite.mend import excuse, recovers, settle, wait_healthy
from rmqha_model import usual

if TYPE_CHECKING:
    from integration.host import Stack
    from integration.suite.plugin import Plugin
    from rmqha_model.cases import Case

__all__: list[str] = []

_RECOVER_S = 120.0
"""A cold start of a whole site takes about one minute."""
_HOPELESS_S = 75.0
"""Where a partition stays until somebody ends it: long enough for everything else, the net tick among it."""


@pytest.fixture(scope="module")
def policies(stack: Stack) -> Iterator[None]:
    """Policies of the suite's own that make one of its classic queues mirrored and keep the other one plain."""
    made = usual.policies(stack.topology)
    seed = stack.hosts[stack.topology.rabbitmq.seed]
    for policy in made:
        options = ("-p", policy.vhost, "--priority", str(policy.priority), "--apply-to", policy.apply_to)
        seed.check(
            "rabbitmqctl", "set_policy", *options, policy.name, policy.pattern, json.dumps(policy.definition.as_json())
        )
    try:
        yield
    finally:
        for policy in made:
            seed.run("rabbitmqctl", "clear_policy", "-p", policy.vhost, policy.name)


@pytest.mark.usefixtures("policies")
def test_fault(stack: Stack, suite: Plugin, case: Case) -> None:
    """Clients work, the fault happens and ends; then the stack becomes healthy, and what was confirmed is there."""
    evidence, options = suite.the_evidence, suite.the_options
    if options.budget_s is not None and time.monotonic() - suite.began > options.budget_s:
        pytest.skip("the time budget is used up; --resume goes on from here")
    if options.resume and evidence and (known := evidence.row(case.name)):
        suite.rows.append(known)
        _judge(known, "as the evidence folder has it")
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
