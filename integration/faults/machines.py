"""Faults of hosts and of the network between them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from integration.faults.plan import Plan
from integration.faults.play import Play
from integration.faults.steps import Boot, Heal, Link, PowerOn, boot_of
from rmqha_model.faults import HostPowerLoss, HostReboot, LinkDown, LinkFlap, PacketLoss, Partition, SitePowerLoss

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["link_down", "link_flap", "packet_loss", "partition", "power_loss", "reboot"]


def power_loss(stack: Stack, fault: HostPowerLoss | SitePowerLoss, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: no power, on all hosts in one instant."""

    def act() -> float:
        # The cables are out some 10 ms after this; the call returns when everything has ended, which takes far longer.
        before = time.monotonic()
        stack.power_off(hosts)
        return before

    stagger_s = fault.stagger.s if isinstance(fault, SitePowerLoss) else 0
    return Plan(act, (PowerOn(hosts, stagger_s),))


def reboot(stack: Stack, _: HostReboot, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: systemctl reboot."""
    (name,) = hosts
    host = stack.hosts[name]
    boots = Boot(name, boot_of(host))
    play = Play(lambda _: boots.order(stack))

    def first() -> float:
        host.check("systemctl", "reboot")
        return time.monotonic()

    return Plan(lambda: play.start(first), (boots,), play.stop, play.over)


# -- links --------------------------------------------------------------------------------------------


def link_down(stack: Stack, _: LinkDown, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: no carrier."""
    (name,) = hosts
    return Plan(lambda: _pull(stack, name), (Link(name),))


def link_flap(stack: Stack, fault: LinkFlap, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: no carrier, several times."""
    (name,) = hosts
    play = Play(lambda stopped: _flap(stack, name, fault, stopped))
    return Plan(
        lambda: play.start(lambda: _pull(stack, name)), (Link(name),), play.stop_then(Link(name), stack), play.over
    )


def _pull(stack: Stack, name: str) -> float:
    stack.link(name, up=False)
    return time.monotonic()


def _flap(stack: Stack, name: str, fault: LinkFlap, stopped: threading.Event) -> None:
    """Put the cable back, which has been pulled just now, and pull it again, as often as the fault says."""
    due = time.monotonic()
    for left in reversed(range(fault.times)):
        due += fault.down.s
        stopped.wait(max(0, due - time.monotonic()))
        if stopped.is_set():
            return
        stack.link(name, up=True)
        if left:
            due += fault.up.s
            stopped.wait(max(0, due - time.monotonic()))
            if stopped.is_set():
                return
            _pull(stack, name)


# -- packets ------------------------------------------------------------------------------------------


def partition(stack: Stack, fault: Partition, _: tuple[str, ...]) -> Plan:
    """Give the plan of it: no packets between two sets of hosts."""
    first, second = fault.between

    def enter(within: contextlib.ExitStack) -> None:
        within.enter_context(stack.cut(first, second))
        if not fault.one_way:
            within.enter_context(stack.cut(second, first))

    return _entered(enter)


def packet_loss(stack: Stack, fault: PacketLoss, hosts: tuple[str, ...]) -> Plan:
    """Give the plan of it: some packets lost."""
    return _entered(lambda within: within.enter_context(stack.lose(hosts[0], fault.share)))


def _entered(enter: Callable[[contextlib.ExitStack], object]) -> Plan:
    """Give the plan of a fault that is a context of the stack."""
    within = contextlib.ExitStack()

    def act() -> float:
        with contextlib.ExitStack() as entering:
            enter(entering)
            when = time.monotonic()
            within.push(entering.pop_all())
        return when

    def release() -> float:
        within.close()
        return time.monotonic()

    return Plan(act, (Heal(),), release)
