"""``systemd-analyze verify`` on units and their drop-ins.

It is no judge of what it calls minor: an unknown key, an unreadable value, a misspelt section leave the exit status
at 0 (seen with 252). So every line that names a generated file, or the unit it belongs to, is a failure. Complaints
about other units of the machine are nobody's here.

A drop-in is read together with its unit; where this machine lacks that, an empty service stands in. So do programs
which a unit starts and that are not installed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from generators.validate.files import Tree, alike, below, laid
from generators.validate.room import File, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["tasks"]

FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
PACKAGED = "/usr/lib/systemd/system"
SUFFIXES = ("service", "socket", "timer", "path", "target", "mount", "slice")
UNIT = re.compile(rf"^(?:{'|'.join(FOLDERS)})/(?P<unit>[^/]+?\.(?:{'|'.join(SUFFIXES)}))(?:\.d/[^/]+\.conf)?$")
PROGRAM = re.compile(r"^Exec\w+ *= *[-@:+!]*(/[^\s\"']+)", re.MULTILINE)
PLACE = re.compile(r"^(?P<path>/[^:]+):(?P<line>\d+): (?P<text>.*)$")
ENV = {"SYSTEMD_LOG_TARGET": "console", "SYSTEMD_LOG_COLOR": "0", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
"""As process 1 it would log to the kernel."""


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each unit with its drop-ins once."""
    units: list[dict[str, Artefact]] = []
    for files in tree.hosts.values():
        parts = [(found["unit"], path) for path in below(files, *FOLDERS) if (found := UNIT.match(path))]
        units += [{path: files[path] for _, path in same} for same in alike(parts, lambda part: part[0])]
    for same in alike(units, lambda unit: tuple((one.path, one.content) for one in unit.values())):
        yield _task(same)


def _task(same: list[dict[str, Artefact]]) -> Task:
    files = same[0]
    found = UNIT.match(next(iter(files)))
    name = found["unit"] if found else ""
    there = any(f"{folder}/{name}" in files or Path(folder, name).exists() for folder in FOLDERS)
    text = "\n".join(one.content for one in files.values())
    programs = [path for path in dict.fromkeys(PROGRAM.findall(text)) if not Path(path).exists()]
    stubs = [File(path, "#!/bin/sh\n", 0o755) for path in programs]
    if not there:
        stubs.append(File(f"{PACKAGED}/{name}", _stand_in(name)))
    return Task(
        "systemd-analyze",
        tuple(Subject(path, tuple(unit[path] for unit in same)) for path in files),
        ("verify", "--man=no", name.replace("@.", "@instance.")),
        Room((*laid(files.values()), *stubs)),
        partial(_judge, frozenset(files), name),
        env=ENV,
        notes=() if there else (f"{name} is not installed here: an empty unit stood in for it",),
    )


def _stand_in(name: str) -> str:
    kind = name.rpartition(".")[2]
    needs = {"service": "[Service]\nExecStart=/bin/true\n", "timer": "[Timer]\nOnBootSec=1\n"}
    return "[Unit]\nDescription=stand-in\n" + needs.get(kind, "")


def _judge(paths: frozenset[str], unit: str, outcome: Outcome) -> Iterator[Finding]:
    stem = unit.rpartition(".")[0].rstrip("@")
    told = False
    for line in outcome.output.splitlines():
        place = PLACE.match(line)
        if place and place["path"] in paths:
            told = True
            yield Finding(line, place["path"])
        elif not place and re.search(rf"(?<![\w-]){re.escape(stem)}(?:@\w*)?\.\w+", line):
            told = True
            yield Finding(line)
    if outcome.exit_status != 0 and not told:
        yield Finding(f"systemd-analyze verify: {outcome.ended}")
        yield from (Finding(line) for line in outcome.output.splitlines())
