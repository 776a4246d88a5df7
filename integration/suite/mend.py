"""Health between two tests: waited for, and where it does not come by itself, brought about by restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from integration.diagnose import Finding, ailments, listed, units
from integration.errors import LabError, Unhealthy

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["Settled", "excuse", "recovers", "settle", "wait_healthy"]

_PAUSE_S = 1.0
_PATIENCE_S = 90.0
"""How long health may take by itself: a broker that boots waits 10 s to be restarted and 10 to 20 s to be up."""
_REPAIR_S = 150.0


class Settled:
    """How a stack came to be healthy: after how long, what was wrong last, and what had to be restarted."""

    def __init__(self, took_s: float, ailing: list[Finding], repairs: list[str]) -> None:
        self.took_s = took_s
        self.ailing = ailing
        self.repairs = repairs

    @property
    def by_itself(self) -> bool:
        """Whether nobody had to restart anything."""
        return not self.repairs


def wait_healthy(stack: Stack, limit_s: float) -> tuple[float, list[Finding]]:
    """Wait until nothing ails, *limit_s* at most; give how long it took, and what ails still."""
    began = time.monotonic()
    while True:
        found = ailments(stack)
        took = time.monotonic() - began
        if not found or took > limit_s:
            return took, found
        time.sleep(_PAUSE_S)


def settle(
    stack: Stack, *, patience_s: float = _PATIENCE_S, on_step: Callable[[str], None] = lambda _: None
) -> Settled:
    """Wait for health; where it does not come, restart what is broken.

    Raises:
        Unhealthy: that did not help either; the text says what is wrong.
    """
    took, ailing = wait_healthy(stack, patience_s)
    if not ailing:
        return Settled(took, [], [])
    on_step(f"not healthy after {took:.0f} s, so it is repaired: {ailing[0]}")
    repairs = repair(stack, ailing)
    more, still = wait_healthy(stack, _REPAIR_S)
    if still:
        raise Unhealthy(
            f"not healthy after {took + more:.0f} s and {', '.join(repairs) or 'nothing to restart'}:\n{listed(still)}"
        )
    return Settled(took + more, ailing, repairs)


def repair(stack: Stack, findings: list[Finding]) -> list[str]:
    """Restart what *findings* are about, as somebody on call would; give what was done."""
    done: list[str] = []
    stack.heal()
    topics = {finding.topic for finding in findings}
    off = [host for host in stack.topology.hosts if not stack.hosts[host].running]
    if off:
        stack.power_on(off)
        done.append(f"power on {', '.join(off)}")
        return done
    for host in stack.topology.hosts:
        wanted = units.look(stack.hosts[host], units.units_of(stack, host))
        for name, unit in wanted.items():
            if not unit.runs:
                done += _restart(stack, host, name)
    if topics & {"cluster", "node", "cookie", "queue"} and not done:
        done += _brokers(stack, findings)
    if "address" in topics:
        for host in stack.topology.vrrp_hosts:
            done += _restart(stack, host, "keepalived")
    if "balancer" in topics and not done:
        for host in stack.topology.load_balancers:
            done += _restart(stack, host, "haproxy")
    return done


def _brokers(stack: Stack, findings: list[Finding]) -> list[str]:
    """Restart every broker that complains or is complained of, but for one that is left to join."""
    named = [host for host in stack.topology.brokers if any(f.where.startswith(host) for f in findings)]
    if len(named) == len(stack.topology.brokers):
        # All of them say so, as in a partition: one stays, the others come back to it.
        named = named[1:]
    return [step for host in named for step in _restart(stack, host, "rabbitmq-server")]


def _restart(stack: Stack, host: str, unit: str) -> list[str]:
    machine = stack.hosts[host]
    try:
        machine.run("systemctl", "reset-failed", f"{unit}.service")
        done = machine.run("systemctl", "restart", f"{unit}.service", timeout_s=300)
    except LabError as error:
        return [f"restart {unit} on {host} (failed: {error})"]
    return [f"restart {unit} on {host}{'' if done.status == 0 else ' (failed)'}"]


def recovers(stack: Stack) -> bool:
    """Whether the brokers end a partition by themselves."""
    handling = stack.topology.partition_handling()
    return handling is None or handling.strategy != "ignore"


def excuse(stack: Stack, findings: list[Finding]) -> str:
    """Say why it was to be expected that a stack is not healthy: by its design, or by its release; else nothing."""
    if any(units.HANG in finding.found for finding in findings):
        return f"{units.HANG}: known of RabbitMQ before 3.10.9 with Erlang 25.1 and newer, such as Debian 12's"
    if not recovers(stack) and findings and all(finding.topic in {"cluster", "queue"} for finding in findings):
        return (
            "partition_handling is `ignore`: after a partition the brokers stay apart until somebody restarts one side"
        )
    return ""
