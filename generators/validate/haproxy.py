"""``haproxy -c`` on every haproxy.cfg.

The exit status is what counts: since 2.9 a good file is answered with silence (haproxy/haproxy#2369, #3065), and
warnings do not change the status. Host names of servers are resolved while the file is checked, so it takes the
generated /etc/hosts; certificates are loaded. Nothing is bound, and a missing chroot or socket folder is not noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.validate.certificates import missing
from generators.validate.files import Tree, alike, below, laid, mentioned
from generators.validate.room import Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["judge", "tasks"]

CONFIG = "/etc/haproxy/haproxy.cfg"
USER = re.compile(r"^[ \t]+(?:user|group)[ \t]+(\S+)[ \t]*$", re.MULTILINE)
SAID = re.compile(r"^\[(?P<level>\w+)\] +(?:\S+ )?\(\d+\) : (?:config : )?(?P<text>.*)$")
PLACE = re.compile(r"^(?:[Pp]arsing )?\[(?P<path>[^\]]+?):(?P<line>\d+)\] ?: ?(?P<text>.*)$")
SUMMARY = re.compile(r"^(?:Error\(s\) found in configuration file|Fatal errors found in configuration)")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct configuration once."""
    hosts = [files for files in tree.hosts.values() if CONFIG in files]
    for same in alike(hosts, lambda files: tuple((one.path, one.content) for one in _needed(files).values())):
        needed = _needed(same[0])
        config = needed[CONFIG]
        yield Task(
            "haproxy",
            (Subject(CONFIG, tuple(files[CONFIG] for files in same)),),
            ("-c", "-f", CONFIG),
            Room(laid(needed.values()), users=tuple(USER.findall(config.content))),
            judge,
            places={path: one.tree_path for path, one in needed.items()},
            certificates=missing([config.content], needed),
        )


def _needed(files: dict[str, Artefact]) -> dict[str, Artefact]:
    needed = below(files, "/etc/haproxy") | mentioned(files, [files[CONFIG]])
    return needed | {path: files[path] for path in ("/etc/hosts",) if path in files}


def judge(outcome: Outcome) -> Iterator[Finding]:
    """Read ``[ALERT] (1) : config : parsing [file:12] : text`` and the lines that go on from it."""
    failed = outcome.exit_status != 0
    told = False
    level = ""
    for line in outcome.output.splitlines():
        said = SAID.match(line)
        level, text = (said["level"], said["text"]) if said else (level, line.strip(" |"))
        if level not in ("ALERT", "WARNING") or not text or SUMMARY.match(text):
            continue
        if not said and not line.startswith(" "):  # the closing words, of no level
            continue
        place = PLACE.match(text)
        bad = level == "ALERT"
        told |= bad
        yield Finding(f"{place['path']}:{place['line']}: {place['text']}" if place else text, bad=failed and bad)
    if failed and not told:
        yield Finding(f"haproxy -c: {outcome.ended}")
