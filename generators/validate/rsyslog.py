"""``rsyslogd -N1`` on what the design adds to /etc/rsyslog.d, included from a main file as distributions have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from generators.validate.files import Tree, alike, below, laid
from generators.validate.room import File, Outcome, Room
from generators.validate.task import Finding, Subject, Task

__all__ = ["tasks"]

MAIN = "/etc/rsyslog.conf"
FOLDER = "/etc/rsyslog.d"
STAND_IN = f'module(load="imuxsock")\n$IncludeConfig {FOLDER}/*.conf\n*.* /var/log/syslog\n'
"""What the main files of Debian and of Red Hat have in common; the last line since rsyslogd refuses to do nothing."""
PLACE = re.compile(r"parsing file (?P<path>/[^,]+), on or before line (?P<line>\d+): (?P<text>.*)$")
CHATTER = re.compile(r"running as pid 1|config validation run|could not interpret master config")
CLOSING = re.compile(r" *\[v[\d.]+ try \S+ *\]$")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct set of files once."""
    hosts = [
        parts | {path: files[path] for path in (MAIN,) if path in files}
        for files in tree.hosts.values()
        if (parts := {path: one for path, one in below(files, FOLDER).items() if path.endswith(".conf")})
    ]
    for same in alike(hosts, lambda parts: tuple((one.path, one.content) for one in parts.values())):
        files = same[0]
        main = () if MAIN in files else (File(MAIN, STAND_IN),)
        room = Room((*laid(files.values()), *main), alone=(FOLDER,), users=("syslog", "adm"))
        subjects = tuple(Subject(path, tuple(parts[path] for parts in same)) for path in files)
        known = frozenset(files)
        yield Task("rsyslogd", subjects, ("-N1", "-f", MAIN), room, partial(_judge, known))


def _judge(known: frozenset[str], outcome: Outcome) -> Iterator[Finding]:
    told = False
    for line in outcome.output.splitlines():
        if not line.startswith("rsyslogd: ") or CHATTER.search(line):
            continue
        text = CLOSING.sub("", line.removeprefix("rsyslogd: "))
        place = PLACE.search(text)
        told = True
        bad = outcome.exit_status != 0
        if place and place["path"] in known:
            yield Finding(f"{place['path']}:{place['line']}: {place['text']}", place["path"], bad=bad)
        else:
            yield Finding(text, bad=bad)
    if outcome.exit_status != 0 and not told:
        yield Finding(f"rsyslogd -N1: {outcome.ended}")
