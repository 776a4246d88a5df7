"""Whether every generated file stands on its host as it was made: bytes, owner, group and mode."""

from __future__ import annotations

import difflib
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators.firewall import NFTABLES
from generators.identity import HOSTS, block_markers
from generators.rabbitmq import COOKIE
from integration.diagnose.finding import Finding

if TYPE_CHECKING:
    from generators.bundle import Artefact
    from integration.host import Stack

__all__ = ["Seen", "installed", "look", "of_artefact", "of_host", "wanted"]

_DIFF_LINES = 8
_FILTERS = {"nftables": "/etc/nftables.d/", "firewalld": "/etc/firewalld/"}
"""Where the rules of each packet filter lie; install.sh puts one of the two kinds on a host."""

# One program for all files of a host: a line of facts for each, in the order asked.
_LOOK = """\
while IFS= read -r path; do
  if [ -f "$path" ]; then
    printf '%s ' "$(stat -L -c '%U %G %a' "$path")"; sha256sum <"$path" | cut -d' ' -f1
  elif [ -e "$path" ]; then echo other; else echo absent; fi
done
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it stands on its host; *state* is ``file``, ``other`` (a folder, a device) or ``absent``."""

    state: str
    owner: str = ""
    group: str = ""
    mode: int = 0
    digest: str = ""


_ABSENT = Seen("absent")


def installed(stack: Stack, host: str) -> tuple[Artefact, ...]:
    """Give what must stand on *host*: its artefacts less what only lies beside them in the output tree."""
    return tuple(artefact for artefact in stack.bundle.of(host) if artefact.path.startswith("/"))


def look(stack: Stack, host: str) -> dict[str, Seen]:
    """Give how each generated file of *host* stands there, by its path."""
    paths = [artefact.path for artefact in installed(stack, host)]
    lines = stack.hosts[host].check("/bin/sh", "-c", _LOOK, stdin="".join(f"{path}\n" for path in paths)).splitlines()
    return {path: _seen(line.split()) for path, line in zip(paths, lines, strict=True)}


def _seen(words: list[str]) -> Seen:
    if len(words) != 4:
        return Seen(words[0] if words else "absent")
    return Seen("file", words[0], words[1], int(words[2], 8), words[3])


def of_host(stack: Stack, host: str) -> Iterator[Finding]:
    """Give what is wrong with the files of *host*."""
    seen = look(stack, host)
    for artefact in wanted(installed(stack, host), seen):
        yield from of_artefact(stack, artefact, seen[artefact.path])
    if seen.get(NFTABLES, _ABSENT).state == "file":
        yield from _rules(stack, host)


def wanted(artefacts: Sequence[Artefact], seen: Mapping[str, Seen]) -> tuple[Artefact, ...]:
    """Give those of *artefacts* that must be there: a design may have rules for two packet filters, a host has one."""
    there = {
        kind for kind, mark in _FILTERS.items() if any(p.startswith(mark) and s != _ABSENT for p, s in seen.items())
    }
    other = [mark for kind, mark in _FILTERS.items() if there and kind not in there]
    return tuple(artefact for artefact in artefacts if not artefact.path.startswith(tuple(other)))


def _rules(stack: Stack, host: str) -> Iterator[Finding]:
    if stack.hosts[host].run("nft", "list", "table", "inet", "rmqha").status:
        found = f"the rules of {NFTABLES} not loaded"
        todo = f"nft -f {NFTABLES} on {host}, and systemctl enable nftables for the next boot"
        yield Finding("file", f"{host}: packet filter", found, "the kernel to have them", todo)


def of_artefact(stack: Stack, artefact: Artefact, seen: Seen) -> Iterator[Finding]:
    """Give what is wrong with one file."""
    assert artefact.host is not None
    where = f"{artefact.host}:{artefact.path}"
    again = f"run the design's install.sh on {artefact.host}"
    if seen.state != "file":
        found = "no file" if seen.state == "absent" else "something that is no file"
        yield Finding("file", where, found, "the generated file", again)
        return
    if (seen.owner, seen.group, seen.mode) != (artefact.owner, artefact.group, artefact.mode):
        yield _rights(artefact, seen, where)
    if artefact.path == HOSTS:
        # Hosts have entries of their own there: only the block is the design's.
        yield from _hosts_block(stack, artefact, where, again)
    elif seen.digest != hashlib.sha256(artefact.content.encode()).hexdigest():
        if artefact.path == COOKIE:
            yield _cookie(artefact.host, where)
        else:
            yield _content(stack, artefact, where, again)


def _rights(artefact: Artefact, seen: Seen, where: str) -> Finding:
    found = f"owner {seen.owner}, group {seen.group}, mode {seen.mode:04o}"
    expected = f"owner {artefact.owner}, group {artefact.group}, mode {artefact.mode:04o}"
    path = shlex.quote(artefact.path)
    mend = f"chown {artefact.owner}:{artefact.group} {path} && chmod {artefact.mode:04o} {path} on {artefact.host}"
    if artefact.path == COOKIE and seen.mode & 0o077:
        found += ", so that others may read the Erlang cookie: the broker does not start with it"
    return Finding("file", where, found, expected, mend)


def _cookie(host: str, where: str) -> Finding:
    return Finding(
        "cookie",
        where,
        "another Erlang cookie than the design's: the other brokers refuse this one, and rabbitmqctl cannot reach it",
        "the same cookie on every broker",
        f"stop rabbitmq-server on {host}, put the design's cookie back with its install.sh, and start it",
    )


def _content(stack: Stack, artefact: Artefact, where: str, again: str) -> Finding:
    assert artefact.host is not None
    expected = "the generated content"
    if artefact.secret:
        return Finding("file", where, "a file changed by hand (it holds secrets, so it is not shown)", expected, again)
    there = stack.hosts[artefact.host].run("/bin/cat", artefact.path).out
    return Finding("file", where, f"a file changed by hand:\n{_difference(artefact.content, there)}", expected, again)


def _difference(made: str, there: str) -> str:
    lines = list(
        difflib.unified_diff(made.splitlines(), there.splitlines(), "generated", "on the host", n=0, lineterm="")
    )
    shown = [line.expandtabs(4)[:160] for line in lines[2 : 2 + _DIFF_LINES]]
    more = [f"... {len(lines) - 2 - _DIFF_LINES} more lines"] if len(lines) - 2 > _DIFF_LINES else []
    return "\n".join(f"    {line}" for line in [*shown, *more]) or "    (line ends differ)"


def _hosts_block(stack: Stack, artefact: Artefact, where: str, again: str) -> Iterator[Finding]:
    assert artefact.host is not None
    begin, end = block_markers(stack.topology)
    made = _between(artefact.content, begin, end) or ""
    there = _between(stack.hosts[artefact.host].check("/bin/cat", HOSTS), begin, end)
    if there is None:
        yield Finding("file", where, f"no block that begins with {begin!r}", "the names of all hosts", again)
    elif there != made:
        found = f"a block of names changed by hand:\n{_difference(made, there)}"
        yield Finding("file", where, found, "the generated block", again)


def _between(text: str, begin: str, end: str) -> str | None:
    lines = text.splitlines()
    if begin not in lines or end not in lines[lines.index(begin) :]:
        return None
    first = lines.index(begin)
    return "\n".join(lines[first : lines.index(end, first) + 1])
