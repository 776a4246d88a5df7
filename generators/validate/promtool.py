"""``promtool check`` on Prometheus's configuration and rules, ``promtool test`` on the tests of rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.validate.room import File, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.validate.files import Tree

__all__ = ["tasks"]

FOLDER = "prometheus/"
INSTALLED = "/etc/prometheus/"
"""Where the files of the folder are taken to be installed, so that they find each other by absolute paths too."""

KINDS = (
    (re.compile(r"^scrape_configs:", re.MULTILINE), ("check", "config")),
    (re.compile(r"^tests:", re.MULTILINE), ("test", "rules")),
    (re.compile(r"^groups:", re.MULTILINE), ("check", "rules")),
)
LINE_OF = re.compile(r"^ *line (?P<line>\d+): (?P<text>.*)$")
FILE_OF = re.compile(r"(?P<path>/etc/prometheus/[^\s:\"]+)")
PLACE = re.compile(r"^ *(?P<path>/etc/prometheus/[^\s:]+): (?P<line>\d+):\d+: (?P<text>.*)$")
CHATTER = re.compile(r"^ *(?:Checking .*|SUCCESS.*|FAILED:?|Unit Testing: .*)?$")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each file as what its top-level keys show it to be."""
    files = {INSTALLED + path.removeprefix(FOLDER): one for path, one in tree.design.items() if path.startswith(FOLDER)}
    room = Room(tuple(File(path, one.content) for path, one in files.items()), alone=(INSTALLED.rstrip("/"),))
    places = {path: one.tree_path for path, one in files.items()}
    for path, one in files.items():
        command = next((words for pattern, words in KINDS if pattern.search(one.content)), None)
        if command and path.endswith((".yml", ".yaml")):
            subject = Subject(path, (one,))
            yield Task("promtool", (subject,), (*command, path), room, _judge, places=places, private=None)


def _judge(outcome: Outcome) -> Iterator[Finding]:
    failed = outcome.exit_status != 0
    told = False
    path = ""
    for line in outcome.output.splitlines():
        file = FILE_OF.search(line)
        path = file["path"] if file else path
        if not failed or CHATTER.match(line):
            continue
        told = True
        place = PLACE.match(line) or LINE_OF.match(line)
        yield Finding(f"{path}:{place['line']}: {place['text']}" if place else line.strip())
    if failed and not told:
        yield Finding(f"promtool: {outcome.ended}")
