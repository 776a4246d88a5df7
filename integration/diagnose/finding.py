"""What is wrong with a stack that runs, in words a user can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["TOPICS", "Finding", "Topic", "listed", "ordered"]

Topic: TypeAlias = Literal[
    "power", "file", "name", "cookie", "unit", "node", "cluster", "definitions", "queue", "balancer", "check",
    "address", "path",
]  # fmt: skip
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""What a finding can be about, from the bottom up: what is wrong with one may follow from what is wrong before it.

A file changed by hand makes a wrong name, another cookie or a daemon that does not start; those a cluster that is not
whole, servers that are DOWN and check scripts that fail; and these an address that nobody has.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the design says: where, what was found, what was expected, and what to do about it.

    *topic* is what it is about, in one word of :data:`TOPICS`.
    """

    topic: Topic
    where: str
    found: str
    expected: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; expected: {self.expected}; to do: {self.todo}"


def listed(findings: Iterable[Finding]) -> str:
    """Give findings as text, one below the other."""
    return "\n".join(f"- {finding}" for finding in findings)


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Give findings, each once, in the order of :data:`TOPICS`: causes come before what may follow from them.

    Those of one topic keep the order in which they were found, which is that of the design's hosts.
    """
    return sorted(dict.fromkeys(findings), key=lambda finding: TOPICS.index(finding.topic))
