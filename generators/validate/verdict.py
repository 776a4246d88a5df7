"""What a program said of a generated file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Status", "Verdict"]


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One program's opinion of one file, which may lie in several places of the output tree.

    *paths* are those places; where a program can only judge files together, they are all of them. *detail* is what the
    program said, a line each, every place in a file given as ``tree path:line``: the errors of a file that failed, the
    warnings of one that passed. *reason* says why a check was skipped. *caveat* says that another version looked at the
    file than the design is for; a failure then may be that version's ignorance, and a pass its indulgence.
    """

    paths: tuple[str, ...]
    program: str
    program_version: str
    status: Status
    reason: str = ""
    caveat: str = ""
    detail: tuple[str, ...] = ()
    elapsed_s: float = 0.0

    def __str__(self) -> str:
        by = f"{self.program} {self.program_version}".strip()
        also = f" (+{len(self.paths) - 1} more)" if len(self.paths) > 1 else ""
        notes = "".join(f"; {note}" for note in (self.reason, self.caveat) if note)
        lines = [f"{self.status}: {self.paths[0]}{also}: {by}{notes}", *self.detail]
        return "\n    ".join(lines)
