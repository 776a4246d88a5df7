"""Why a stack is not well: looks at a design's hosts from the bottom up and says what is wrong in words.

A layer is only blamed where the one below it is well: a broker without power is not called stopped as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from integration.diagnose import addresses, balancers, brokers, definitions, files, names, queues, units
from integration.diagnose.asking import each
from integration.diagnose.finding import Finding, listed, ordered
from integration.errors import LabError

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["Finding", "ailments", "diagnose", "listed"]

Look: TypeAlias = Callable[["Stack", str], Iterable[Finding]]


def diagnose(stack: Stack) -> list[Finding]:
    """Give everything that is not as the design says, causes before what follows from them: see :func:`ordered`."""
    on, found = _powered(stack)
    for look in (files.of_host, names.of_host, units.of_host):
        found += _on_each(stack, look, on)
    found += _guarded("cluster", lambda: brokers.of_cluster(stack))
    if not any(finding.topic in {"node", "cookie", "cluster"} for finding in found):
        found += _guarded("cluster", lambda: definitions.of_cluster(stack))
        found += _guarded("cluster", lambda: queues.of_cluster(stack))
    found += _balancing(stack, on)
    return ordered(found)


def ailments(stack: Stack) -> list[Finding]:
    """Give what keeps a stack from being healthy now; quick enough to be asked again and again.

    Files and definitions are not compared, as nothing that a fault does changes them. The order is that of
    :func:`diagnose`.
    """
    on, found = _powered(stack)
    found += _on_each(stack, units.of_host, on)
    if not found:
        found += _guarded("cluster", lambda: brokers.of_cluster(stack))
    if not found:
        found += _guarded("cluster", lambda: queues.of_cluster(stack))
    found += _on_each(stack, balancers.of_servers, [host for host in stack.topology.load_balancers if host in on])
    found += _guarded("virtual addresses", lambda: addresses.of_owners(stack))
    return ordered(found)


def _powered(stack: Stack) -> tuple[list[str], list[Finding]]:
    on = [host for host in stack.topology.hosts if stack.hosts[host].running]
    off = [host for host in stack.topology.hosts if host not in on]
    return on, [Finding("power", host, "no power", "a host that runs", f"start {host}") for host in off]


def _balancing(stack: Stack, on: list[str]) -> list[Finding]:
    topology = stack.topology
    found: list[Finding] = []
    for host in (host for host in topology.load_balancers if host in on):
        if units.look(stack.hosts[host], ["haproxy"])["haproxy"].runs:
            for look in (balancers.of_config, balancers.of_page, balancers.of_servers):
                found += _guarded(host, lambda look=look, host=host: look(stack, host))  # type: ignore[misc]
    for host in (host for host in topology.vrrp_hosts if host in on):
        if units.look(stack.hosts[host], ["keepalived"])["keepalived"].runs:
            for look in (addresses.of_config, addresses.of_scripts):
                found += _guarded(host, lambda look=look, host=host: look(stack, host))  # type: ignore[misc]
    return found + _guarded("virtual addresses", lambda: addresses.of_owners(stack))


def _on_each(stack: Stack, look: Look, hosts: Iterable[str]) -> list[Finding]:
    parts = each(lambda host: _guarded(host, lambda: look(stack, host)), hosts)
    return [finding for part in parts for finding in part]


def _guarded(where: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Look, and where even that fails, say so: a host may go off meanwhile."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except (LabError, ValueError) as error:
        # Cut off, or answers cut short, by a fault that goes on.
        found.append(Finding("power", where, f"that it cannot be looked at: {error}", "an answer", "look at that host"))
    return found
