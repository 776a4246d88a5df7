"""``logrotate -d`` on what the design adds to /etc/logrotate.d.

An unknown word is to it an error that leaves the exit status at 0 (seen with 3.21.0), so its words are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from generators.validate.files import Tree, alike, below, laid
from generators.validate.room import Outcome, Room
from generators.validate.task import Finding, Subject, Task

__all__ = ["tasks"]

FOLDER = "/etc/logrotate.d"
USERS = re.compile(r"^[ \t]*(?:su|create(?:olddir)?[ \t]+\d+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*$", re.MULTILINE)
ERROR = re.compile(r"^error: (?:(?P<path>/[^:]+):(?:(?P<line>\d+) )?)?(?P<text>.*)$")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct file once, with no log to rotate."""
    found = [one for files in tree.hosts.values() for one in below(files, FOLDER).values()]
    for same in alike(found, lambda one: (one.path, one.content)):
        path = same[0].path
        users = tuple(name for pair in USERS.findall(same[0].content) for name in pair)
        room = Room(laid(same[:1]), alone=("/var/log", "/var/lib/logrotate"), users=users)
        yield Task("logrotate", (Subject(path, tuple(same)),), ("-d", path), room, _judge)


def _judge(outcome: Outcome) -> Iterator[Finding]:
    told = False
    for line in outcome.output.splitlines():
        if error := ERROR.match(line):
            told = True
            place = f"{error['path']}:{error['line']}: " if error["line"] else ""
            yield Finding(place + (error["text"] if place or not error["path"] else line.removeprefix("error: ")))
    if outcome.exit_status != 0 and not told:
        yield Finding(f"logrotate -d: {outcome.ended}")
