"""An alert, and what stands around it: the selector of its metrics, and a test that makes it fire."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from generators.prometheus.scrape import Job, jobs
from generators.quoting import promql, regex
from generators.titles import anchor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rmqha_model.topology import Topology

__all__ = ["Example", "Rule", "Watched", "any_of", "whole"]

RUNBOOK = "runbook.md"
"""Where the runbook lies, seen from the folder of the whole design."""


@dataclass(frozen=True, slots=True)
class Example:
    """A test of a rule: series that make it fire, and the labels it fires with besides those of the rule.

    A series' values are written as promtool's ``start+stepxtimes``, with ``N`` for as often as it takes. *value* is
    what ``{{ $value }}`` shows. *warm_up* is how many scrapes it takes until an expression that looks back is true.
    """

    series: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)
    value: str = ""
    warm_up: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert: when it fires, after how long, and what it tells.

    *summary* and *description* may show labels as ``{{ $labels.NAME }}``. *title* is the section of the runbook.
    *evidence* says which metrics it stands on, and where they were seen.
    """

    name: str
    expr: str
    for_s: int
    severity: Literal["critical", "warning", "info"]
    summary: str
    description: str
    title: str
    evidence: str
    example: Example
    labels: dict[str, str] = field(default_factory=dict)
    """Labels of its alerts besides those of the series, severity and design."""

    @property
    def runbook(self) -> str:
        """The link to the runbook."""
        return f"{RUNBOOK}#{anchor(self.title)}"

    def told(self, text: str) -> str:
        """Give *text* as the example's alert shows it."""
        text = text.replace("{{ $value }}", self.example.value)
        return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: self.example.labels.get(match[1], ""), text)


class Watched:
    """A design with the jobs that watch it: what rules are written against."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.jobs: dict[str, Job] = {job.name: job for job in jobs(topology)}
        self.interval_s = topology.monitoring.scrape_interval.s

    def __contains__(self, job: str) -> bool:
        return job in self.jobs

    def select(self, job: str, *matchers: str) -> str:
        """Give the part in braces that picks this design's metrics of *job*; *matchers* are added as they are."""
        words = (f"design={promql(self.topology.name)}", f"job={promql(job)}", *matchers)
        return "{" + ",".join(words) + "}"

    def series(self, metric: str, job: str, number: int = 0, /, **labels: str) -> str:
        """Give a series as Prometheus stores it, of the *number*-th target of *job*, for the test of a rule."""
        target = self.jobs[job].targets[number]
        # A label of the metric itself goes before one of the target only under another name, so they never meet.
        own = {"job": job, "instance": target.address, **target.labels, **labels}
        return metric + "{" + ",".join(f"{name}={promql(value)}" for name, value in own.items()) + "}"

    def labels(self, job: str, number: int = 0) -> dict[str, str]:
        """Give the labels of the *number*-th target of *job*."""
        target = self.jobs[job].targets[number]
        return {"job": job, "instance": target.address, **target.labels}

    def count(self, job: str) -> int:
        """Give how many targets *job* has."""
        return len(self.jobs[job].targets)

    def scrapes(self, number: int) -> int:
        """Give how long *number* scrapes take, in whole seconds."""
        return math.ceil(number * self.interval_s)


def whole(seconds: float) -> int:
    """Round up to whole seconds; binary fractions such as 7.000000001 do not count."""
    return math.ceil(round(seconds, 6))


def any_of(names: Iterable[str]) -> str:
    """Give the quoted regular expression that matches each of *names* and nothing else."""
    return promql("|".join(map(regex, names)))
