"""``cloud-init schema`` on the design's user data."""

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

HEADER = re.compile(r"^(?:## template: jinja\n)?#cloud-config\b")
ERRORS = re.compile(r"[Cc]loud config schema errors: (?P<list>.*?)(?: Cloud config schema deprecations|$)")
NEXT = re.compile(r", (?=[\w.-]+: )")
PLACED = re.compile(r"format-l(?P<line>\d+)\.c\d+: (?P<text>.*)$")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct file that says it is for cloud-init."""
    found = [one for one in tree.bundle.artefacts if HEADER.match(one.content)]
    for same in alike(found, lambda one: one.content):
        path = f"/tmp/tree/{same[0].tree_path}"  # noqa: S108 - a path in the program's own room
        yield Task(
            "cloud-init",
            (Subject(path, tuple(same)),),
            ("schema", "--config-file", path),
            Room((File(path, same[0].content),)),
            partial(_judge, same[0], path),
            private=None,
            timeout_s=60,
        )


def _judge(file: Artefact, path: str, outcome: Outcome) -> Iterator[Finding]:
    if outcome.exit_status == 0:
        return
    said = " ".join(line.strip() for line in outcome.output.splitlines() if line.strip())
    errors = ERRORS.search(said)
    if not errors:
        yield Finding(said or f"cloud-init schema: {outcome.ended}")
        return
    for error in dict.fromkeys(NEXT.split(errors["list"])):
        placed, key = PLACED.match(error), error.partition(":")[0].partition(".")[0]
        if placed:
            yield Finding(f"{path}:{placed['line']}: {placed['text']}")
            continue
        lines = enumerate(file.content.splitlines(), start=1)
        number = next((number for number, line in lines if line.startswith(f"{key}:")), None)
        yield Finding(f"{path}:{number}: {error}" if number else error)
