"""Restarts of one daemon after the other, each when the one before it serves again."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from integration.errors import FaultError
from integration.faults import daemons, guest
from integration.faults.plan import Plan
from integration.faults.play import Play
from integration.faults.steps import START_S, Start

if TYPE_CHECKING:
    from integration.host import Host, Stack
    from rmqha_model.faults import RollingRestart

__all__ = ["rolling_restart"]

_UNITS = {"brokers": daemons.BROKER, "haproxy": daemons.HAPROXY, "keepalived": daemons.KEEPALIVED}
_CRITICAL_S = 60
"""How long a broker that some queue's majority needs is waited for; a queue with one replica always needs it."""


def rolling_restart(stack: Stack, fault: RollingRestart, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: systemctl restart, host after host."""
    unit = _UNITS[fault.layer]
    for name in hosts:
        state = guest.unit(stack.hosts[name], unit)
        if state.active != "active":
            raise FaultError(f"{name}: {unit} is {state.active} ({state.sub}); allowed: a daemon that runs")
    first = guest.unit(stack.hosts[hosts[0]], unit).invocation
    play = Play(lambda stopped: _restart_all(stack, fault, hosts, first, stopped))

    def act() -> float:
        return play.start(lambda: guest.order(stack.hosts[hosts[0]], "restart", unit))

    return Plan(act, tuple(Start(name, unit) for name in hosts), play.stop, play.over)


def _restart_all(
    stack: Stack, fault: RollingRestart, hosts: tuple[str, ...], before: str, stopped: threading.Event
) -> None:
    """See the first restart through, ordered when the daemon there was the run *before*, then do all others."""
    unit = _UNITS[fault.layer]
    for name, following in zip(hosts, (*hosts[1:], None), strict=True):
        daemons.restarted(stack.hosts[name], unit, before, START_S)
        _serves(stack, fault, stack.hosts[name])
        if following is None:
            return
        host = stack.hosts[following]
        if fault.layer == "brokers":
            daemons.comes_true(functools.partial(_can_be_spared, host), time.monotonic() + _CRITICAL_S)
        if stopped.wait(fault.pause.s):
            return
        before = guest.unit(host, unit).invocation
        guest.order(host, "restart", unit)


def _serves(stack: Stack, fault: RollingRestart, host: Host) -> None:
    """Wait until the daemon of *host* serves as it did.

    Raises:
        FaultError: it does not in time.
    """
    serves: Callable[[], bool]
    if fault.layer == "brokers":
        serves, what = functools.partial(_broker_serves, stack, host), "a member of a whole cluster"
    elif fault.layer == "haproxy":
        ports = daemons.ports(stack)
        serves, what = lambda: ports <= guest.listening(host), f"listening on {', '.join(map(str, sorted(ports)))}"
    else:
        serves, what = lambda: bool(daemons.vrrp(host)), "running with its VRRP child"
    if not daemons.comes_true(serves, time.monotonic() + START_S):
        raise FaultError(f"{host.name}: {_UNITS[fault.layer]} was restarted and is not {what} {START_S} s later")


def _broker_serves(stack: Stack, host: Host) -> bool:
    """Whether the broker has started and knows every broker that runs."""
    if host.run("rabbitmqctl", "-q", "await_startup", timeout_s=START_S).status:
        return False
    told = json.loads(host.check("rabbitmqctl", "-q", "cluster_status", "--formatter", "json"))
    others = (name for name in stack.topology.brokers if stack.hosts[name].running)
    expected = {stack.topology.node_name(name) for name in others if _runs(stack.hosts[name])}
    return expected <= set(told["running_nodes"])


def _runs(host: Host) -> bool:
    return guest.unit(host, daemons.BROKER).active == "active"


def _can_be_spared(host: Host) -> bool:
    """Whether every quorum queue has its majority without the broker of *host* (rabbitmq-diagnostics(8))."""
    return not host.run("rabbitmq-diagnostics", "-q", "check_if_node_is_quorum_critical").status
