"""``keepalived -t`` on every keepalived.conf.

What 2.2.7 (Debian 12) was seen to do with ``-t -f FILE``, and what is made of it:

=========================================  ===========  ==========================================================
the file                                   exit status  verdict
=========================================  ===========  ==========================================================
good                                       0, silence   ok
good, with a script run as another user    143          cannot come up: see below
not there                                  0            failed: it says ``Config files missing``
names a script that is not executable      0, silence   failed: looked at here, keepalived finds out at run time
any error or setting it drops or changes   5            failed, even where keepalived would run: the design would not
                                                        be what runs
scripts, no ``enable_script_security``     6            ok, with what it says as a warning: it runs them
interface that this machine lacks          5            cannot come up: the room has the interfaces of the file
=========================================  ===========  ==========================================================

The manual says 3, 4, 5 for what the code calls 4, 5, 6 (acassen/keepalived#2457), and 2.1.5 (Debian 11) says 0 to
nearly anything. So it is the words that count: a file about which it has anything to say fails, but for a missing
``enable_script_security``.

The 143 (acassen/keepalived#2617, #2587; gone with 2.2.8, commit aae8e91): having looked at a script as its user, the
test compares its parent's process number with one it never set, which is 0, and takes the difference for its
parent's death. Process 1 of a process table has a parent number of 0. The room makes it process 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from generators.validate.files import Tree, addresses_of, alike, below, laid, mentioned
from generators.validate.room import File, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["tasks"]

CONFIG = "/etc/keepalived/keepalived.conf"
INTERFACE = re.compile(r"^[ \t]*(?:interface|.*\bdev)[ \t]+([\w.-]{1,15})\b", re.MULTILINE)
"""An interface's name; the kernel takes 15 characters (IFNAMSIZ in linux/if.h)."""
TRACKED = re.compile(r"^[ \t]*track_interface[ \t]*\{([^{}]*)\}", re.MULTILINE)
SCRIPT = re.compile(r"^[ \t]*(?:script|notify\w*|startup_script|shutdown_script)[ \t]+[\"']*(/[^\s\"']+)", re.MULTILINE)
USER = re.compile(r"^[ \t]*(?:script_user|user)[ \t]+(\S+)(?:[ \t]+(\S+))?[ \t]*$", re.MULTILINE)
PLACE = re.compile(r"^\((?P<path>/.*?): Line (?P<line>\d+)\) (?P<text>.*)$")
AGAIN = re.compile(r"^\(Line \d+\) ")
"""How the first of its five passes over the file speaks; the others give the same with the file's name."""
TOLERATED = re.compile(
    r"^SECURITY VIOLATION - .*script_security not enabled\.$"
    r"|^WARNING - default user 'keepalived_script' .* does not exist"
)


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct configuration once."""
    hosts = [(host, files) for host, files in tree.hosts.items() if CONFIG in files]
    for same in alike(
        hosts, lambda pair: tuple((one.path, one.content, one.mode) for one in _needed(pair[1]).values())
    ):
        host, files = same[0]
        needed = _needed(files)
        text = files[CONFIG].content
        names = [name for name in (*INTERFACE.findall(text), *_tracked(text)) if name != "lo"]
        links: dict[str, list[str]] = {name: [] for name in names}
        for name in names[:1]:
            links[name] = addresses_of(host, files)
        foreign = [
            path for path in dict.fromkeys(SCRIPT.findall(text)) if path not in needed and not Path(path).exists()
        ]
        stubs = tuple(File(path, "#!/bin/sh\nexit 0\n", 0o755) for path in foreign)
        yield Task(
            "keepalived",
            (Subject(CONFIG, tuple(other[CONFIG] for _, other in same)),),
            ("-t", "-f", CONFIG),
            Room(
                (*laid(needed.values()), *stubs),
                alone=tuple(dict.fromkeys(_folders(needed))),
                users=tuple(user for pair in USER.findall(text) for user in pair if user),
                hostname=host,
                links=links,
            ),
            partial(_judge, needed),
            places={path: one.tree_path for path, one in needed.items()},
            notes=tuple(f"{path} is not generated: a script that does nothing stood in for it" for path in foreign),
        )


def _needed(files: dict[str, Artefact]) -> dict[str, Artefact]:
    return below(files, "/etc/keepalived") | mentioned(files, [files[CONFIG]])


def _folders(files: dict[str, Artefact]) -> Iterator[str]:
    """Give the folders whose parts may be included. Not the main one: 2.3 keeps a file of its package there."""
    for path in below(files, "/etc/keepalived"):
        folder = path.rpartition("/")[0]
        if folder != "/etc/keepalived":
            yield folder


def _tracked(text: str) -> list[str]:
    return [line.split()[0] for block in TRACKED.findall(text) for line in block.splitlines() if line.split()]


def _judge(files: dict[str, Artefact], outcome: Outcome) -> Iterator[Finding]:
    lines = [line for line in outcome.output.splitlines() if line.strip() and not AGAIN.match(line)]
    for line in lines:
        place = PLACE.match(line)
        text = f"{place['path']}:{place['line']}: {place['text']}" if place else line
        yield Finding(text, bad=not TOLERATED.match(line))
    if outcome.exit_status != 0 and not lines:
        yield Finding(f"keepalived -t: {outcome.ended}")
    text = files[CONFIG].content
    for found in SCRIPT.finditer(text):
        script = files.get(found[1])
        if script is not None and not script.mode & 0o111:
            number = text.count("\n", 0, found.start(1)) + 1
            yield Finding(f"{CONFIG}:{number}: {script.path} is not executable: its mode is {script.mode:04o}")
