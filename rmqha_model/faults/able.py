"""Which hosts of a design a fault can happen to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model.faults.changes import RollingRestart

if TYPE_CHECKING:
    from rmqha_model.faults.base import Fault
    from rmqha_model.topology import Topology

__all__ = ["able"]


def able(fault: Fault, topology: Topology) -> tuple[str, ...]:
    """Give every host that *fault* can happen to, in the design's order: those with the daemon that it is about."""
    if isinstance(fault, RollingRestart):
        return {
            "brokers": topology.brokers,
            "haproxy": topology.load_balancers,
            "keepalived": topology.vrrp_hosts,
        }[fault.layer]
    return {
        "broker": topology.brokers,
        "load_balancer": topology.load_balancers,
        "vrrp": topology.vrrp_hosts,
        "host": tuple(topology.hosts),
    }[fault.target]
