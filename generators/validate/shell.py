"""``shellcheck`` and the shell itself (``-n``: read, do not run) on every shell script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from generators.validate.files import Tree, alike
from generators.validate.room import File, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["tasks"]

SHEBANG = re.compile(r"^#! *(?:\S*/env +(?:-S +)?)?(?:\S*/)?(?P<shell>sh|bash|dash|ksh)(?= |$)", re.MULTILINE)
CHECKED = re.compile(r"^(?P<path>/.+?):(?P<line>\d+):(?P<column>\d+): (?P<text>(?P<level>\w+): .*)$")
"""shellcheck's ``-f gcc``."""
READ = re.compile(r"^(?P<path>/.+?): (?:line )?(?P<line>\d+): (?P<text>.*)$")
"""How bash and dash say where a script is wrong."""
EACH = 'for script; do "$0" -n "$script" || status=1; done; exit "${status:-0}"'
"""A shell reads one script at a time."""


def tasks(tree: Tree) -> Iterator[Task]:
    """Check all scripts of a shell at once; the same script of many hosts is one."""
    scripts = [one for one in tree.bundle.artefacts if SHEBANG.match(one.content)]
    same = alike(scripts, lambda one: one.content)
    if not same:
        return
    yield _task("shellcheck", same, ("--norc", "-f", "gcc", "--"), CHECKED)
    for group in alike(same, lambda copies: _shell(copies[0])):
        shell = _shell(group[0][0])
        yield _task(shell, group, ("-c", EACH, shell), READ)


def _shell(script: Artefact) -> str:
    found = SHEBANG.match(script.content)
    return found["shell"] if found else ""


def _task(program: str, same: list[list[Artefact]], arguments: tuple[str, ...], pattern: re.Pattern[str]) -> Task:
    subjects = tuple(Subject(f"/tmp/tree/{copies[0].tree_path}", tuple(copies)) for copies in same)  # noqa: S108
    files = tuple(File(one.path, one.copies[0].content) for one in subjects)
    paths = tuple(one.path for one in subjects)
    return Task(
        program,
        subjects,
        (*arguments, *paths),
        Room(files),
        partial(_findings, pattern),
        private=None,
        timeout_s=120,
    )


def _findings(pattern: re.Pattern[str], outcome: Outcome) -> Iterator[Finding]:
    told = False
    for line in outcome.output.splitlines():
        if place := pattern.match(line):
            told = True
            yield Finding(f"{place['path']}:{place['line']}: {place['text']}", place["path"])
    if outcome.exit_status != 0 and not told:
        yield Finding(outcome.output.strip() or outcome.ended)
