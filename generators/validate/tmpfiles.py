"""``systemd-tmpfiles --create`` on what the design adds to /etc/tmpfiles.d.

Done for real: there is no dry run before systemd 256, and in a private room what it makes is gone with the room. Of a
line it does not understand it says so and goes on, so any line that names the file is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from generators.validate.files import alike, below, laid
from generators.validate.room import File, Outcome, Room
from generators.validate.systemd import ENV, PLACE
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.validate.files import Tree

__all__ = ["tasks"]

FOLDER = "/etc/tmpfiles.d"
LINE = re.compile(
    r"^[ \t]*[a-zA-Z]\S*[ \t]+(?P<top>/[^/\s]+)\S*(?:[ \t]+\S+[ \t]+(?P<user>[\w.-]+)[ \t]+(?P<group>[\w.-]+))?",
    re.MULTILINE,
)
"""Type, path, mode, user, group (tmpfiles.d(5))."""


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct file once."""
    found = [one for files in tree.hosts.values() for one in below(files, FOLDER).values()]
    for same in alike(found, lambda one: (one.path, one.content)):
        path = same[0].path
        lines = list(LINE.finditer(same[0].content))
        users = [name for line in lines for name in (line["user"], line["group"]) if name and name.strip("-0123456789")]
        # So that there is a layer to write to; the rest of the machine is read-only.
        tops = [File(top, None, 0o755) for top in dict.fromkeys(line["top"] for line in lines)]
        room = Room((*tops, *laid(same[:1])), users=tuple(dict.fromkeys(users)))
        judge = partial(_judge, path)
        yield Task("systemd-tmpfiles", (Subject(path, tuple(same)),), ("--create", path), room, judge, env=ENV)


def _judge(path: str, outcome: Outcome) -> Iterator[Finding]:
    told = False
    for line in outcome.output.splitlines():
        place = PLACE.match(line)
        if place and place["path"] == path:
            told = True
            yield Finding(line)
    if outcome.exit_status != 0 and not told:
        yield Finding(outcome.output.strip() or f"systemd-tmpfiles: {outcome.ended}")
