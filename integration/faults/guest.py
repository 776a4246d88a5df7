"""What faults ask of the hosts: their processes, units and files, and the time in their Erlang VM."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from integration.errors import FaultError

if TYPE_CHECKING:
    from integration.host import Host

__all__ = [
    "File",
    "Process",
    "Unit",
    "below",
    "evaluate",
    "listening",
    "order",
    "processes",
    "read_file",
    "signal",
    "unit",
    "write_file",
]

_ASKED = "ActiveState,SubState,MainPID,InvocationID,ActiveEnterTimestampMonotonic"
_LEFT = "ActiveExitTimestampMonotonic"
_BEGINS = {"stop": _LEFT, "restart": _LEFT, "start": "InactiveExitTimestampMonotonic"}
"""When systemd began to, in microseconds of CLOCK_MONOTONIC (org.freedesktop.systemd1(5))."""
_PROCESSES = 'systemctl show --property MainPID --value -- "$1"; cat /proc/[0-9]*/stat 2>/dev/null; true'
_SIGNAL = 'signal=$1; shift; kill -s "$signal" -- "$@"'
_READ = 'path=$(readlink -e -- "$1") && stat -c "%a %u %g" -- "$path" && echo "$path" && base64 -w 0 -- "$path"'
# The new file is whole and has its mode before it has the name: whoever reads meanwhile reads the old one.
_WRITE = """set -e
umask 077
base64 -d >"$1.rmqha"
chown -- "$2" "$1.rmqha"
chmod -- "$3" "$1.rmqha"
sync -- "$1.rmqha"
mv -f -- "$1.rmqha" "$1"
"""
_NOW = "{_, Now_} = lists:keyfind(time, 1, erlang:system_info(os_monotonic_time_source))"
_STAMP = re.compile(r"^\{rmqha,(\d+),(.*)\}$", re.DOTALL)
_LISTENS = "0A"
"""TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h of Linux)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a host, by the number it has there."""

    pid: int
    comm: str
    parent: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of systemd: its state, and which of its runs this is."""

    active: str
    sub: str
    main_pid: int
    invocation: str
    since_us: int
    """Since when it is active, on the CLOCK_MONOTONIC of the host."""

    @property
    def dead(self) -> bool:
        """Whether it does not run and systemd will not start it by itself."""
        return self.active in {"inactive", "failed"}


@dataclass(frozen=True, slots=True)
class File:
    """A file of a host, to the byte."""

    path: str
    content: bytes
    mode: str
    owner: str
    """User and group, as numbers with a colon between."""


# -- units and processes ------------------------------------------------------------------------------


def unit(host: Host, name: str) -> Unit:
    """Give the state of the unit *name*."""
    told = host.check("systemctl", "show", "--property", _ASKED, "--", name)
    said = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    return Unit(
        said.get("ActiveState", ""),
        said.get("SubState", ""),
        int(said.get("MainPID") or 0),
        said.get("InvocationID", ""),
        int(said.get("ActiveEnterTimestampMonotonic") or 0),
    )


def order(host: Host, verb: str, name: str) -> float:
    """Have systemd *verb* a unit, and give the time.monotonic() at which it began to; it is not waited for."""
    before = time.monotonic()
    host.check("systemctl", "--no-block", verb, name)
    after = time.monotonic()
    # systemd writes down when; of a host with another clock, or if it has not begun yet, it is when it had the order.
    told = host.run("systemctl", "show", "--property", _BEGINS[verb], "--value", "--", name).out.strip()
    when = int(told) / 1e6 if told.isdigit() else 0
    return when if before <= when <= after else after


def processes(host: Host, name: str) -> tuple[int, tuple[Process, ...]]:
    """Give the main process of the unit *name*, 0 if it has none, and all processes of the host."""
    first, *stats = host.check("sh", "-c", _PROCESSES, "sh", name).splitlines()
    return int(first or 0), tuple(found for line in stats if (found := _process(line)))


def below(main: int, everybody: Sequence[Process]) -> tuple[Process, ...]:
    """Give the process *main* and all its descendants, parents before their children."""
    family = [process for process in everybody if process.pid == main]
    for parent in family:
        family += [process for process in everybody if process.parent == parent.pid]
    return tuple(family)


def _process(stat: str) -> Process | None:
    # proc(5): pid (comm) state ppid ...; a comm may itself hold blanks and parentheses.
    pid, opening, rest = stat.partition(" (")
    comm, closing, fields = rest.rpartition(") ")
    return Process(int(pid), comm, int(fields.split()[1])) if opening and closing else None


def signal(host: Host, name: str, pids: Sequence[int]) -> float:
    """Send the signal *name* to processes, and give the time.monotonic() at which all had it."""
    host.check("sh", "-c", _SIGNAL, "sh", name, *map(str, pids))
    return time.monotonic()


def listening(host: Host) -> frozenset[int]:
    """Give the TCP ports on which something listens."""
    lines = host.check("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true").splitlines()
    fields = (line.split() for line in lines)
    return frozenset(int(each[1].rpartition(":")[2], 16) for each in fields if len(each) > 3 and each[3] == _LISTENS)


# -- files --------------------------------------------------------------------------------------------


def read_file(host: Host, path: str) -> File:
    """Give the file at *path*; of a link, what it points to.

    Raises:
        FaultError: there is none.
    """
    done = host.run("sh", "-c", _READ, "sh", path)
    lines = done.out.split("\n")
    if done.status or len(lines) < 2:
        raise FaultError(f"{host.name}: {path}: cannot be read: {done.err.strip() or 'no such file'}")
    mode, user, group = lines[0].split()
    return File(lines[1], base64.b64decode("".join(lines[2:])), mode, f"{user}:{group}")


def write_file(host: Host, file: File) -> None:
    """Put *file* in its place, at once and whole."""
    content = base64.b64encode(file.content).decode()
    host.check("sh", "-c", _WRITE, "sh", file.path, file.owner, file.mode, stdin=content)


# -- the Erlang VM ------------------------------------------------------------------------------------


def evaluate(host: Host, expression: str, *, first: bool = False, timeout_s: float = 90) -> tuple[str, float]:
    """Evaluate an Erlang *expression* in the broker; give its value, and the time.monotonic() just after it.

    With *first*, just before it. rabbitmqctl takes a second or two to start and to end, so the VM itself tells the
    time: its clock is the machine's CLOCK_MONOTONIC. Of a host with another clock it is this program's time at the end.
    """
    steps = [_NOW, f"Value_ = ({expression})"] if first else [f"Value_ = ({expression})", _NOW]
    before = time.monotonic()
    told = host.check("rabbitmqctl", "-q", "eval", ", ".join((*steps, "{rmqha, Now_, Value_}.")), timeout_s=timeout_s)
    after = time.monotonic()
    match = _STAMP.match(told.strip())
    if not match:
        raise FaultError(f"{host.name}: rabbitmqctl eval: found {told.strip()[:200]!r}; allowed: a time and a value")
    stamp = int(match[1]) / 1e9
    return match[2], stamp if before <= stamp <= after else after
