"""A check as data: which program is to be run on which files, and how to read its answer.

The modules named after programs only make tasks of a bundle's files; this one performs them. So what a program is
given can be seen and tested without the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from generators.validate.certificates import stand_ins
from generators.validate.program import Program, caveat, installed, older
from generators.validate.run import NoRoom, Outcome, Room, private_room, run
from generators.validate.verdict import Status, Verdict

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["Finding", "Judge", "Subject", "Task", "perform"]

DETAIL_LINES_MAX = 40
"""Lines kept of what is said of one file: the first errors matter, the rest mostly follow from them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a program's answer; *about* is the path of the file it speaks of, empty for all of them."""

    text: str
    about: str = ""
    bad: bool = True


Judge: TypeAlias = Callable[[Outcome], Iterable[Finding]]
"""Reads an answer. Raises :class:`NoRoom` when it shows that the program could not look at the files at all."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A file to be judged: its place for the program, and the same file in the output tree, once for each host."""

    path: str
    copies: tuple[Artefact, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One run of one program.

    *places* tells where other files the program may speak of lie in the output tree. *private* ``None`` takes a
    private room where there can be one, else a plain one. *certificates* are paths at which a throw-away certificate
    for *names* is to stand in for the user's own. *notes* are told whatever the outcome. *command* makes the whole
    command line, when it is more than the program and its *arguments*.
    """

    program: str
    subjects: tuple[Subject, ...]
    arguments: tuple[str, ...]
    room: Room
    judge: Judge
    places: Mapping[str, str] = field(default_factory=dict)
    private: bool | None = True
    timeout_s: float = 30.0
    env: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    command: Callable[[Program], Sequence[str]] | None = None

    @property
    def title(self) -> str:
        """What is about to be done, for somebody who waits for it."""
        more = len(self.subjects) - 1
        return f"{self.program}: {self.subjects[0].copies[0].tree_path}" + (f" and {more} more" if more else "")


def perform(task: Task, versions: Mapping[str, str], redact: Callable[[str], str]) -> list[Verdict]:
    """Run a task and give a verdict for each of its subjects; *redact* blots out what nobody may read."""
    program = installed(task.program)
    if program is None:
        return _skipped(task, "", f"{task.program} is not installed")
    private = task.private
    if private is None:
        private = not isinstance(private_room(), NoRoom)
    command = task.command(program) if task.command else (program.path, *task.arguments)
    try:
        room = replace(task.room, files=(*task.room.files, *stand_ins(task.certificates, task.names)))
        outcome = run(command, room, private=private, timeout_s=task.timeout_s, env=task.env)
        findings = list(task.judge(outcome))
    except NoRoom as error:
        return _skipped(task, program.version, str(error))
    if outcome.exit_status is None:
        findings.append(Finding(outcome.ended))
    verdicts = []
    for subject in task.subjects:
        mine = [one for one in findings if one.about in ("", subject.path)]
        status, reason = Status.OK, ""
        if any(one.bad for one in mine):
            # An older program cannot tell a mistake from what it does not know yet.
            is_older = older(program, versions)
            status = Status.SKIPPED if is_older else Status.FAILED
            reason = "refused by a release too old to judge it" if is_older else ""
        verdict = Verdict(
            tuple(copy.tree_path for copy in subject.copies),
            task.program,
            program.version,
            status,
            reason=reason,
            caveat=caveat(program, versions),
            detail=_detail(task, mine, redact),
            elapsed_s=outcome.elapsed_s,
        )
        verdicts.append(verdict)
    return verdicts


def _skipped(task: Task, version: str, reason: str) -> list[Verdict]:
    every = [tuple(copy.tree_path for copy in subject.copies) for subject in task.subjects]
    return [Verdict(paths, task.program, version, Status.SKIPPED, reason=reason) for paths in every]


def _detail(task: Task, findings: Iterable[Finding], redact: Callable[[str], str]) -> tuple[str, ...]:
    places = dict(task.places) | {one.path: one.copies[0].tree_path for one in task.subjects}
    notes = [f"{path} is not generated: a throw-away certificate stood in for it" for path in task.certificates]
    said = [*(one.text for one in findings), *notes, *task.notes]
    lines = list(dict.fromkeys(redact(_placed(text, places)) for text in said))
    if len(lines) > DETAIL_LINES_MAX:
        lines[DETAIL_LINES_MAX - 1 :] = [f"and {len(lines) - DETAIL_LINES_MAX + 1} lines more"]
    return tuple(lines)


def _placed(text: str, places: Mapping[str, str]) -> str:
    """Say tree paths instead of the paths the program saw."""
    if not places:
        return text
    known = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
    return re.sub(rf"(?<![\w./-])(?:{known})(?![\w/-]|\.\w)", lambda found: places[found[0]], text)
