"""promtool judges the scrape configuration and the rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from generators.bundle import Artefact
from generators.validate import Status, Verdict

Check = Callable[..., tuple[Verdict, ...]]
pytestmark = pytest.mark.needs("promtool")

RULES = """\
groups:
  - name: rmqha
    rules:
      - alert: NodeDown
        expr: up{job="rabbitmq"} == 0
        for: 1m
"""
CONFIG = """\
global:
  scrape_interval: 15s
rule_files:
  - rules.yml
scrape_configs:
  - job_name: rabbitmq
    static_configs:
      - targets: ["rabbit1:15692"]
"""
TEST = """\
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series:
      - series: up{job="rabbitmq"}
        values: 0 0 0
    alert_rule_test:
      - eval_time: 2m
        alertname: NodeDown
        exp_alerts:
          - exp_labels: {job: rabbitmq}
"""


def files(rules: str = RULES, config: str = CONFIG, test: str = TEST) -> list[Artefact]:
    """Three files that go together, and one that is none of promtool's."""
    return [
        Artefact(None, "prometheus/rules.yml", rules),
        Artefact(None, "prometheus/prometheus.yml", config),
        Artefact(None, "prometheus/rules_test.yml", test),
        Artefact(None, "prometheus/README.md", "groups:\n"),
    ]


def test_good(check: Check) -> None:
    """Good files pass: configuration, rules, and the rules' own tests."""
    verdicts = check("promtool", *files())
    assert [(one.status, one.paths[0], one.detail) for one in verdicts] == [
        (Status.OK, "_design/prometheus/prometheus.yml", ()),
        (Status.OK, "_design/prometheus/rules.yml", ()),
        (Status.OK, "_design/prometheus/rules_test.yml", ()),
    ]


def test_absolute_paths(check: Check) -> None:
    """A configuration finds its rules where they will be installed, too."""
    config = CONFIG.replace("rules.yml", "/etc/prometheus/rules.yml")
    assert {one.status for one in check("promtool", *files(config=config))} <= {Status.OK}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("== 0", "=== 0", "_design/prometheus/rules.yml:5: "),
        ("expr:", "exprr:", "_design/prometheus/rules.yml:5: field exprr not found"),
    ],
)
def test_bad_rules(check: Check, old: str, new: str, told: str) -> None:
    """A bad rule fails at its line, in the rules and in the configuration that has them."""
    found = {one.paths[0]: one for one in check("promtool", *files(rules=RULES.replace(old, new)))}
    for path in ("_design/prometheus/rules.yml", "_design/prometheus/prometheus.yml"):
        assert found[path].status is Status.FAILED
        assert any(line.startswith(told) for line in found[path].detail), found[path].detail


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("scrape_interval", "scrap_interval", "_design/prometheus/prometheus.yml:2: field scrap_interval not found"),
        ("rules.yml", "rule.yml", '"/etc/prometheus/rule.yml" does not point to an existing file'),
    ],
)
def test_bad_configuration(check: Check, old: str, new: str, told: str) -> None:
    """A bad configuration fails, with the line where promtool knows it."""
    found = {one.paths[0]: one for one in check("promtool", *files(config=CONFIG.replace(old, new)))}
    verdict = found["_design/prometheus/prometheus.yml"]
    assert verdict.status is Status.FAILED
    assert any(told in line for line in verdict.detail), verdict.detail


def test_rule_that_does_not_fire(check: Check) -> None:
    """A test of rules that fails is a failure."""
    found = {one.paths[0]: one for one in check("promtool", *files(test=TEST.replace("0 0 0", "1 1 1")))}
    assert found["_design/prometheus/rules_test.yml"].status is Status.FAILED
    assert found["_design/prometheus/rules_test.yml"].detail
