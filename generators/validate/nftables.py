"""``nft -c`` on every rule set, in a network of its own: it asks the kernel, which wants the right to change rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import partial
from typing import TYPE_CHECKING

from generators.validate.files import Tree, alike, below, laid
from generators.validate.room import NoRoom, Outcome, Room
from generators.validate.task import Finding, Subject, Task

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["tasks"]

MAIN = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")
FOLDERS = ("/etc/nftables.d", "/etc/nftables")
INCLUDE = re.compile(r'^[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
PLACE = re.compile(r"^(?P<path>/.+?):(?P<line>\d+):(?P<columns>[\d-]+): (?P<text>.*)$")
NO_KERNEL = re.compile(r"cache initialization failed|Unable to initialize Netlink|Unable to allocate Netlink")


def tasks(tree: Tree) -> Iterator[Task]:
    """Check each distinct rule set once: a main file with what it includes, or a file by itself."""
    hosts = [rules for files in tree.hosts.values() if (rules := _rules(files))]
    for same in alike(hosts, lambda rules: tuple((one.path, one.content) for one in rules.values())):
        rules = same[0]
        included: set[str] = set()
        for main in (path for path in MAIN if path in rules):
            patterns = INCLUDE.findall(rules[main].content)
            parts = [path for path in rules if any(fnmatch(path, pattern) for pattern in patterns)]
            included |= {main, *parts}
            yield _task(main, [main, *parts], same)
        for path in rules:
            if path not in included:
                yield _task(path, [path], same)


def _rules(files: dict[str, Artefact]) -> dict[str, Artefact]:
    return {path: files[path] for path in MAIN if path in files} | below(files, *FOLDERS)


def _task(main: str, paths: list[str], same: list[dict[str, Artefact]]) -> Task:
    subjects = tuple(Subject(path, tuple(rules[path] for rules in same)) for path in paths)
    alone = tuple(folder for folder in FOLDERS if any(path.startswith(f"{folder}/") for path in same[0]))
    room = Room(laid(same[0].values()), alone=alone)
    known = frozenset(paths)
    return Task("nft", subjects, ("-c", "-f", main), room, partial(_judge, known))


def _judge(known: frozenset[str], outcome: Outcome) -> Iterator[Finding]:
    if outcome.exit_status != 0 and NO_KERNEL.search(outcome.output):
        raise NoRoom(f"this kernel has no nftables: {outcome.output.splitlines()[0]}")
    told = False
    for line in outcome.output.splitlines():
        place = PLACE.match(line)
        if place:
            told = True
            about = place["path"] if place["path"] in known else ""
            yield Finding(f"{place['path']}:{place['line']}: {place['text']}", about, bad=outcome.exit_status != 0)
    if outcome.exit_status != 0 and not told:
        yield Finding(outcome.output.strip() or f"nft -c: {outcome.ended}")
