"""Tests of alerts for ``promtool test rules``: each fires as long after its cause as it says, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators.quoting import Quoted, yaml

if TYPE_CHECKING:
    from generators.prometheus.rule import Rule
    from rmqha_model.topology import Topology

__all__ = ["Case", "cases"]


@dataclass(frozen=True, slots=True)
class Case:
    """A test: series, and what is asked of one alert at a time; *expected* is empty where it must not fire yet."""

    rule: str
    series: tuple[tuple[Quoted, Quoted], ...]
    asked: tuple[tuple[Quoted, Quoted], ...]


def cases(topology: Topology, rule: Rule) -> Iterator[Case]:
    """Give the test of *rule*."""
    example = rule.example
    step_ms = topology.monitoring.scrape_interval.ms
    # Rules are evaluated at multiples of the interval: it waits until the first of them at or after its time.
    last = example.warm_up + -(-rule.for_s * 1000 // step_ms)
    labels = example.labels | rule.labels | {"severity": rule.severity, "design": topology.name}
    annotations = {
        "summary": rule.told(rule.summary),
        "description": rule.told(rule.description),
        "runbook": rule.runbook,
    }
    expected = yaml([{"exp_labels": labels, "exp_annotations": annotations}])
    asked = [(Quoted(f"{last * step_ms}ms"), expected)]
    if rule.for_s:
        asked.insert(0, (Quoted(f"{(last - 1) * step_ms}ms"), yaml([])))
    series = tuple((yaml(name), yaml(values.replace("N", str(last)))) for name, values in example.series.items())
    yield Case(rule.name, series, tuple(asked))
