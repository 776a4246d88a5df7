"""Virtual addresses: who shares them, and whether they can hear each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rmqha_model.consistency.words import missing, repeated, unknown
from rmqha_model.errors import Path, Problem

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["virtual_addresses"]

OWNER = 255
"""Priority of the router that owns the address (RFC 5798 5.2.4)."""


def virtual_addresses(topology: Topology) -> Iterator[Problem]:
    """Every instance has members that can speak to each other, and addresses of its own."""
    keepalived = topology.keepalived
    if keepalived is None:
        return
    yield from missing(("keepalived", "hosts"), "host", keepalived.hosts, topology.hosts)
    yield from repeated(("keepalived", "hosts"), keepalived.hosts)
    for host in keepalived.global_.router_ids:
        if host not in keepalived.hosts:
            path = ("keepalived", "global", "router_ids", host)
            yield unknown(path, "host", host, keepalived.hosts, "`keepalived.hosts`")
    yield from _check_scripts(topology)
    owned = {
        str(a.ip): f"host {name}" for name, host in topology.hosts.items() for a in (host.address, *host.addresses)
    }
    routers: dict[tuple[int, int], str] = {}
    for name, instance in keepalived.instances.items():
        at: Path = ("keepalived", "instances", name)
        for index, virtual in enumerate(instance.virtual_addresses):
            other = owned.setdefault(str(virtual.address.ip), f"instance {name}")
            if other != f"instance {name}" or str(virtual.address.ip) in instance.ips[:index]:
                yield Problem(
                    (*at, "virtual_addresses", index),
                    f"found {virtual.address.ip}, which {other} has",
                    "an address of its own",
                )
        family = instance.virtual_addresses[0].address.version
        first = routers.setdefault((instance.virtual_router_id, family), name)
        if first != name:
            yield Problem(
                (*at, "virtual_router_id"),
                f"found {instance.virtual_router_id}, which instance {first} has",
                "one of its own",
                "instances of one number take each other's adverts for theirs",
            )
        yield from _members(topology, at, name)
        yield from _vrrp(topology, at, name)
        yield from missing((*at, "track_scripts"), "script", instance.track_scripts or (), keepalived.scripts)
        yield from missing((*at, "track_processes"), "process", instance.track_processes or (), keepalived.processes)


def _check_scripts(topology: Topology) -> Iterator[Problem]:
    keepalived, haproxy = topology.keepalived, topology.haproxy
    assert keepalived is not None
    paths: dict[str, str] = {}
    for name, script in keepalived.scripts.items():
        at: Path = ("keepalived", "scripts", name)
        if script.kind == "command":
            continue
        first = paths.setdefault(script.path, name)
        if first != name:
            yield Problem((*at, "path"), f"found {script.path}, which script {first} has", "a path of its own")
        known = [host for host in keepalived.hosts if host in topology.hosts]
        bare = [host for host in known if haproxy is None or host not in haproxy.hosts]
        if bare:
            yield Problem(
                (*at, "kind"),
                f"found a check of HAProxy, which host {bare[0]} does not run",
                "kind command, or `keepalived.scripts: {}` for none",
            )
        elif script.kind == "observe" and haproxy is not None and haproxy.global_.stats_socket is None:
            yield Problem(
                (*at, "kind"),
                "found observe without the socket it asks",
                "another kind, or `haproxy.global.stats_socket`",
            )


def _members(topology: Topology, at: Path, name: str) -> Iterator[Problem]:
    keepalived = topology.keepalived
    assert keepalived is not None
    instance = keepalived.instances[name]
    for host in instance.members:
        if host not in keepalived.hosts:
            yield unknown((*at, "members", host), "host", host, keepalived.hosts, "`keepalived.hosts`")
    members = keepalived.members(name)
    if not instance.unicast:
        return
    if len(members) < 2:
        yield Problem(
            (*at, "unicast"), f"found {len(members)} member, with nobody to send to", "two or more, or `unicast: false`"
        )
    family = instance.virtual_addresses[0].address.version
    known = [host for host in members if host in topology.hosts]
    for host in [host for host in known if topology.hosts[host].ip.version != family][:1]:
        yield Problem(
            (*at, "unicast"),
            f"found IPv{family} virtual addresses and host {host} at {topology.ip(host)}",
            "hosts whose `address` is of the same family, or `unicast: false`",
        )


def _vrrp(topology: Topology, at: Path, name: str) -> Iterator[Problem]:
    keepalived = topology.keepalived
    assert keepalived is not None
    instance = keepalived.instances[name]
    is_v6 = instance.virtual_addresses[0].address.version == 6
    version = instance.version or (3 if is_v6 else keepalived.global_.version or 2)
    advert = instance.advert_int
    for host, member in keepalived.members(name).items():
        if member.priority == OWNER and not instance.preempt:
            # "nopreempt is incompatible with priority 255. resetting nopreempt" of keepalived 2.2.7.
            yield Problem(
                (*at, "members", host),
                "found priority 255, the address owner's, which always preempts, and no preempt",
                "a priority up to 254, or `preempt: true`",
            )
        if member.state == "MASTER" and not instance.preempt:
            # "nopreempt will not work with initial state MASTER - clearing" of keepalived 2.2.7.
            yield Problem(
                (*at, "members", host, "state"),
                "found state MASTER, with which keepalived preempts whatever it is told, and no preempt",
                "state BACKUP, or `preempt: true`",
            )
    if is_v6 and instance.version == 2:
        yield Problem((*at, "version"), "found VRRP version 2 with IPv6 addresses", "3 (RFC 5798)")
    elif version == 2 and (advert.ms % 1000 or not 1_000 <= advert.ms <= 255_000):
        yield Problem(
            (*at, "advert_int"), f"found {advert} with VRRP version 2", "whole seconds from 1s to 255s", "or version: 3"
        )
    elif version == 3 and (advert.ms % 10 or not 10 <= advert.ms <= 40_950):
        yield Problem(
            (*at, "advert_int"), f"found {advert} with VRRP version 3", "multiples of 10ms from 10ms to 40950ms"
        )
    if version == 3 and instance.authentication:
        yield Problem(
            (*at, "authentication"), "found authentication with VRRP version 3, which has none", "no `authentication`"
        )
