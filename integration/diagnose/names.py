"""Whether every host resolves every name of the design to the design's address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.identity import HOSTS, names_of
from integration.diagnose.finding import Finding

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.topology import Topology

__all__ = ["of_host"]

# What the resolver says, as every program of the host is told it: name, then its addresses.
_RESOLVE = """\
while IFS= read -r name; do
  printf '%s' "$name"; timeout 10 getent ahosts "$name" | awk '!seen[$1]++ {printf " %s", $1}'; echo
done
"""


def of_host(stack: Stack, host: str) -> Iterator[Finding]:
    """Give the names that *host* resolves to nothing, or to another address than the design's, and its own name."""
    topology = stack.topology
    machine = stack.hosts[host]
    wanted = {name: other for other in topology.hosts for name in names_of(topology, other)}
    said = machine.check("/bin/sh", "-c", _RESOLVE, stdin="".join(f"{name}\n" for name in wanted)).splitlines()
    lines = machine.check("/bin/cat", HOSTS).splitlines()
    told = set()
    for name, _, rest in (line.partition(" ") for line in said):
        found = rest.split()
        right = topology.ip(wanted[name])
        if right not in found or ipaddress.ip_address(found[0]) != ipaddress.ip_address(right):
            told.add(name)
            yield _wrong(host, name, found, right, lines)
    yield from _of_file(topology, host, lines, told)
    kernel = machine.check("/bin/cat", "/proc/sys/kernel/hostname").strip()
    if kernel != topology.short_name(host):
        short = topology.short_name(host)
        yield Finding("name", host, f"host name {kernel}", short, f"hostnamectl set-hostname {short}, then a reboot")


def _of_file(topology: Topology, host: str, lines: list[str], told: set[str]) -> Iterator[Finding]:
    """Give the lines that have a name of the design, unless it was *told* of, at an address that is not its host's.

    Each program picks one of a name's addresses by rules of its own: Erlang takes the first line of the file, others
    prefer an address of their own network. A second one is wrong even where the resolver puts the right one first.
    """
    wanted = {name: other for other in topology.hosts for name in names_of(topology, other)}
    for number, line in enumerate(lines, 1):
        address, *names = line.partition("#")[0].split() or [""]
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            continue
        for name in names:
            if name not in wanted or name in told:
                continue
            settings = topology.hosts[wanted[name]]
            right = {each.ip for each in (settings.address, *settings.addresses)}
            if found not in right:
                words = f"{name} has the address {found} in line {number} of {HOSTS}"
                mend = f"take {name} out of line {number} of {HOSTS} on {host}"
                yield Finding("name", host, words, f"{settings.ip} alone", mend)


def _wrong(host: str, name: str, found: list[str], right: str, lines: list[str]) -> Finding:
    mend = f"put the block of names into {HOSTS} on {host} again, with the design's install.sh"
    if not found:
        words = f"no address for {name}: there is no line for it in {HOSTS}"
        return Finding("name", host, words, right, mend)
    words = f"{name} resolved to {found[0]}"
    if ipaddress.ip_address(found[0]).is_loopback:
        words += ", a loopback address, where no other host finds it"
    place = _line_of(lines, name, found[0])
    if place:
        words += f" (line {place} of {HOSTS})"
        mend = f"take {name} out of line {place} of {HOSTS} on {host}"
    return Finding("name", host, words, right, mend)


def _line_of(lines: list[str], name: str, address: str) -> int | None:
    for number, line in enumerate(lines, 1):
        words = re.split(r"\s+", line.partition("#")[0].strip())
        if words[0] == address and name in words[1:]:
            return number
    return None
