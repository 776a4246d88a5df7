"""Faults of load balancers and of the owners of virtual addresses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from generators.haproxy import PATH
from integration.errors import FaultError
from integration.faults import daemons, guest
from integration.faults.daemons import HAPROXY, KEEPALIVED
from integration.faults.plan import Plan
from integration.faults.steps import Continue, Restore, Start
from rmqha_model.faults import (
    CheckScriptFail,
    CheckScriptHang,
    HaproxyCannotStart,
    HaproxyHang,
    HaproxyKill,
    HaproxyStop,
    KeepalivedHang,
    KeepalivedKill,
    KeepalivedStop,
)

if TYPE_CHECKING:
    from integration.host import Host, Stack

__all__ = [
    "check_script",
    "haproxy_cannot_start",
    "haproxy_hang",
    "haproxy_kill",
    "haproxy_stop",
    "keepalived_hang",
    "keepalived_kill",
    "keepalived_stop",
]

_REFUSED = b"no-keyword-of-haproxy added by rmqha: a fault\n"
_FAILS = b"#!/bin/sh\nexit 1\n"
_HANGS = b"#!/bin/sh\nexec sleep infinity\n"
# The child first, or it gives its addresses up in order: the death of its parent is a SIGTERM to it (and a SIGCONT, if
# it was stopped). The parent is stopped meanwhile, or it has another child at once.
_KILL_BOTH = 'kill -s STOP -- "$1"; kill -s KILL -- "$2"; kill -s KILL -- "$1"'


# -- HAProxy ------------------------------------------------------------------------------------------


def haproxy_kill(stack: Stack, _: HaproxyKill, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: SIGKILL to the master and its workers."""
    (name,) = hosts
    pids = daemons.haproxy_all(stack.hosts[name])
    return Plan(lambda: guest.signal(stack.hosts[name], "KILL", pids), (Start(name, HAPROXY, if_left=True),))


def haproxy_stop(stack: Stack, _: HaproxyStop, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: systemctl stop."""
    (name,) = hosts
    daemons.haproxy_all(stack.hosts[name])
    return Plan(lambda: guest.order(stack.hosts[name], "stop", HAPROXY), (Start(name, HAPROXY),))


def haproxy_hang(stack: Stack, _: HaproxyHang, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: SIGSTOP to the master and its workers."""
    (name,) = hosts
    pids = daemons.haproxy_all(stack.hosts[name])
    return Plan(lambda: guest.signal(stack.hosts[name], "STOP", pids), (Continue(name, HAPROXY, pids),))


def haproxy_cannot_start(stack: Stack, _: HaproxyCannotStart, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: a configuration that is refused, then systemctl stop."""
    (name,) = hosts
    host = stack.hosts[name]
    daemons.haproxy_all(host)
    right = guest.read_file(host, PATH)
    wrong = right.content + (b"" if right.content.endswith(b"\n") else b"\n") + _REFUSED

    def act() -> float:
        guest.write_file(host, guest.File(right.path, wrong, right.mode, right.owner))
        return guest.order(host, "stop", HAPROXY)

    keepalived = (Start(name, KEEPALIVED),) if name in stack.topology.vrrp_hosts else ()
    return Plan(act, (Restore.of(name, right), Start(name, HAPROXY), *keepalived))


# -- keepalived ---------------------------------------------------------------------------------------


def keepalived_stop(stack: Stack, _: KeepalivedStop, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: systemctl stop."""
    (name,) = hosts
    daemons.vrrp(stack.hosts[name])
    return Plan(lambda: guest.order(stack.hosts[name], "stop", KEEPALIVED), (Start(name, KEEPALIVED),))


def keepalived_kill(stack: Stack, fault: KeepalivedKill, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: SIGKILL to the parent, to the VRRP child, or to both."""
    (name,) = hosts
    host = stack.hosts[name]
    parent, child = daemons.vrrp(host)

    def act() -> float:
        if fault.process == "both":
            host.check("sh", "-c", _KILL_BOTH, "sh", str(parent), str(child))
            return time.monotonic()
        return guest.signal(host, "KILL", [parent if fault.process == "parent" else child])

    return Plan(act, (Start(name, KEEPALIVED, if_left=True),))


def keepalived_hang(stack: Stack, _: KeepalivedHang, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: SIGSTOP to the parent and the VRRP child."""
    (name,) = hosts
    pids = daemons.vrrp(stack.hosts[name])
    return Plan(lambda: guest.signal(stack.hosts[name], "STOP", pids), (Continue(name, KEEPALIVED, pids),))


# -- check scripts ------------------------------------------------------------------------------------


def check_script(stack: Stack, fault: CheckScriptFail | CheckScriptHang, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: another script in the place of the check script."""
    (name,) = hosts
    host = stack.hosts[name]
    right = _script(stack, fault, host)
    wrong = guest.File(right.path, _FAILS if isinstance(fault, CheckScriptFail) else _HANGS, right.mode, right.owner)

    def act() -> float:
        guest.write_file(host, wrong)
        return time.monotonic()

    return Plan(act, (Restore.of(name, right), Start(name, KEEPALIVED)))


def _script(stack: Stack, fault: CheckScriptFail | CheckScriptHang, host: Host) -> guest.File:
    keepalived = stack.topology.keepalived
    scripts = keepalived.scripts if keepalived else {}
    wanted = fault.script or next(iter(scripts), None)
    if wanted is None or wanted not in scripts:
        found = "no check script" if wanted is None else f"no check script {wanted}"
        allowed = ", ".join(scripts) or "a design with one"
        raise FaultError(f"{fault.name}: found {found} in the design; allowed: {allowed}")
    file = guest.read_file(host, scripts[wanted].path)
    if not file.content.startswith(b"#!"):
        raise FaultError(f"{host.name}: {file.path} is no script but a program, which others may use: not replaced")
    return file
