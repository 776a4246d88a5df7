"""What is wrong with a stack that runs, in words a user can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Finding", "listed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the design says: where, what was found, what was expected, and what to do about it.

    *topic* is what it is about, in one word: power, file, name, cookie, unit, node, cluster, definitions, queue,
    balancer, check, address, path.
    """

    topic: str
    where: str
    found: str
    expected: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; expected: {self.expected}; to do: {self.todo}"


def listed(findings: Iterable[Finding]) -> str:
    """Give findings as text, one below the other."""
    return "\n".join(f"- {finding}" for finding in findings)
