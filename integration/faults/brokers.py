"""Faults of brokers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from integration.errors import FaultError
from integration.faults import daemons, guest
from integration.faults.daemons import BROKER
from integration.faults.plan import Plan
from integration.faults.steps import START_S, Continue, Evaluate, Start

if TYPE_CHECKING:
    from integration.host import Host, Stack
    from rmqha_model.faults import (
        BrokerHang,
        BrokerKill,
        BrokerRestart,
        BrokerStop,
        BrokerStopApp,
        DiskAlarm,
        MemoryAlarm,
    )

__all__ = ["disk_alarm", "hang", "kill", "memory_alarm", "restart", "stop", "stop_app"]

# Each expression is the call that the command of rabbitmqctl makes (rabbitmq_cli, ctl/commands/*_command.ex, the same
# from 3.8 to 4.3): made by `rabbitmqctl eval`, it can be followed by a look at the clock.
_STOP_APP = "rabbit:stop()"
_START_APP = "rabbit:start()"
_WATERMARK = "vm_memory_monitor:get_vm_memory_high_watermark()"
_SET_WATERMARK = "vm_memory_monitor:set_vm_memory_high_watermark({})"
_LOWEST = "{absolute, 1}"
"""A byte: whatever the broker does, it uses more."""
_LIMIT = "rabbit_disk_monitor:get_disk_free_limit()"
_SET_LIMIT = "rabbit_disk_monitor:set_disk_free_limit({})"
_HIGHEST = str(2**60)
"""An exbibyte: no disk has as much."""


def kill(stack: Stack, _: BrokerKill, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: SIGKILL to the Erlang VM."""
    (name,) = hosts
    pids = daemons.broker_vm(stack.hosts[name])
    return Plan(lambda: guest.signal(stack.hosts[name], "KILL", pids), (Start(name, BROKER, if_left=True),))


def stop(stack: Stack, _: BrokerStop, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: systemctl stop."""
    (name,) = hosts
    daemons.broker_vm(stack.hosts[name])
    return Plan(lambda: guest.order(stack.hosts[name], "stop", BROKER), (Start(name, BROKER),))


def stop_app(stack: Stack, _: BrokerStopApp, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: the application stopped, the VM not."""
    (name,) = hosts
    host = stack.hosts[name]
    undo = Evaluate(name, _START_APP, _run_of(host))
    return Plan(lambda: guest.evaluate(host, _STOP_APP, first=True)[1], (undo,))


def hang(stack: Stack, _: BrokerHang, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: SIGSTOP to the Erlang VM."""
    (name,) = hosts
    pids = daemons.broker_vm(stack.hosts[name])
    return Plan(lambda: guest.signal(stack.hosts[name], "STOP", pids), (Continue(name, BROKER, pids),))


def restart(stack: Stack, _: BrokerRestart, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: systemctl restart."""
    (name,) = hosts
    host = stack.hosts[name]
    before = _run_of(host)
    return Plan(
        lambda: guest.order(host, "restart", BROKER),
        (Start(name, BROKER),),
        over=functools.partial(daemons.restarted, host, BROKER, before),
    )


def memory_alarm(stack: Stack, _: MemoryAlarm, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: a memory watermark below what is used."""
    return _set(stack.hosts[hosts[0]], _WATERMARK, _SET_WATERMARK, _LOWEST)


def disk_alarm(stack: Stack, _: DiskAlarm, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: a disk limit above what is free."""
    return _set(stack.hosts[hosts[0]], _LIMIT, _SET_LIMIT, _HIGHEST)


def _set(host: Host, get: str, put: str, wrong: str) -> Plan:
    run = _run_of(host)
    right, _ = guest.evaluate(host, get, timeout_s=START_S)

    def act() -> float:
        told, when = guest.evaluate(host, put.format(wrong))
        if told != "ok":
            raise FaultError(f"{host.name}: {put.format(wrong)}: found {told[:200]}; allowed: ok")
        return when

    return Plan(act, (Evaluate(host.name, put.format(right), run),))


def _run_of(host: Host) -> str:
    """Give which run of the broker this is."""
    daemons.broker_vm(host)
    return guest.unit(host, BROKER).invocation
