"""``sysctl --dry-run`` on the design's kernel settings: whether this kernel knows them.

It runs in the machine's own network, since a fresh one lacks part of ``net.core``; nothing is written. It does not
look at values. Keys that a module brings only once it is loaded are none of its business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from generators.validate.files import Tree, alike, below, laid
from generators.validate.room import NoRoom, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["tasks"]

FOLDER = "/etc/sysctl.d"
UNKNOWN = re.compile(r"^sysctl: cannot stat /proc/sys/(?P<key>\S+): ")
UNREADABLE = re.compile(r"^sysctl: (?P<path>/[^(]+)\((?P<line>\d+)\): (?P<text>.*?)(?:, continuing\.*)?$")
OF_MODULES = ("net/netfilter/", "net/bridge/")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct file once."""
    found = [one for files in tree.hosts.values() for one in below(files, FOLDER).values()]
    for same in alike(found, lambda one: (one.path, one.content)):
        path = same[0].path
        yield Task(
            "sysctl",
            (Subject(path, tuple(same)),),
            ("--dry-run", "-p", path),
            Room(laid(same[:1])),
            partial(_judge, same[0]),
            private=False,
        )


def _judge(file: Artefact, outcome: Outcome) -> Iterator[Finding]:
    if "unrecognized option" in outcome.output:
        raise NoRoom("this sysctl has no --dry-run: procps before 4")
    told = False
    for line in outcome.output.splitlines():
        if unreadable := UNREADABLE.match(line):
            told = True
            yield Finding(f"{file.path}:{unreadable['line']}: {unreadable['text']}")
        elif unknown := UNKNOWN.match(line):
            told = True
            key = unknown["key"].replace("/", ".")
            number = next(
                (n for n, text in enumerate(file.content.splitlines(), 1) if key in text.replace("/", ".")), 0
            )
            where = f"{file.path}:{number}: " if number else ""
            module = unknown["key"].startswith(OF_MODULES)
            why = "a module that is not loaded here may bring it" if module else "this kernel has no such setting"
            yield Finding(f"{where}{key}: {why}", bad=not module)
    if outcome.exit_status != 0 and not told:
        yield Finding(outcome.output.strip() or f"sysctl --dry-run: {outcome.ended}")
