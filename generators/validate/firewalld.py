"""``firewall-offline-cmd --check-config`` on firewalld's zones, services and policies.

It stops at the first file it cannot read and does not say which; the words it quotes are looked for in the files. An
address it cannot read is to it a warning (seen with 1.3.3): here that is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from generators.validate.files import Tree, alike, below, laid
from generators.validate.room import File, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["tasks"]

FOLDER = "/etc/firewalld"
SETTINGS = f"{FOLDER}/firewalld.conf"
SAID = re.compile(r"^(?:Configuration error|ERROR|WARNING): (?P<text>.*)$")
FALLBACK = "Failed to load user configuration"
WORD = re.compile(r"'([^']+)'|: ([\w./:-]+)(?=$|: )|element (\w+)")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct set of files once."""
    hosts = [wall for files in tree.hosts.values() if (wall := below(files, FOLDER))]
    for same in alike(hosts, lambda wall: tuple((one.path, one.content) for one in wall.values())):
        subjects = tuple(Subject(path, tuple(wall[path] for wall in same)) for path in same[0])
        stand_in = () if SETTINGS in same[0] else (File(SETTINGS, "DefaultZone=public\n"),)
        room = Room((*laid(same[0].values()), *stand_in), alone=(FOLDER,))
        yield Task(
            "firewall-offline-cmd",
            subjects,
            ("--check-config",),
            room,
            partial(_judge, same[0]),
        )


def _judge(files: dict[str, Artefact], outcome: Outcome) -> Iterator[Finding]:
    told = False
    for line in dict.fromkeys(outcome.output.splitlines()):
        said = SAID.match(line)
        if said and not said["text"].startswith(FALLBACK):
            told = True
            yield _found(said["text"], files)
    if outcome.exit_status != 0 and not told:
        yield Finding(outcome.output.strip() or f"firewall-offline-cmd: {outcome.ended}")


def _found(text: str, files: dict[str, Artefact]) -> Finding:
    """Find the one line of the files that has a word the message quotes."""
    # From the last: "Zone 'a': 'b' not among ..." is about b. Not the words it lists in braces, which are right.
    quoted = [next(filter(None, words)) for words in WORD.findall(re.sub(r"\{.*?\}", "", text))]
    for word in reversed(quoted):
        places = [
            (path, number)
            for path, one in files.items()
            for number, line in enumerate(one.content.splitlines(), start=1)
            if re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", line)
        ]
        if places and len({path for path, _ in places}) == 1:
            path, number = places[0]
            return Finding(f"{path}:{number}: {text}", path)
    return Finding(text)
