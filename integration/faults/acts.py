"""Who does each fault of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.faults import balancers, brokers, machines, rolling

if TYPE_CHECKING:
    from integration.faults.plan import Actor

__all__ = ["ACTORS"]

ACTORS: dict[str, Actor] = {
    "broker_kill": brokers.kill,
    "broker_stop": brokers.stop,
    "broker_stop_app": brokers.stop_app,
    "broker_hang": brokers.hang,
    "broker_restart": brokers.restart,
    "memory_alarm": brokers.memory_alarm,
    "disk_alarm": brokers.disk_alarm,
    "host_power_loss": machines.power_loss,
    "host_reboot": machines.reboot,
    "site_power_loss": machines.power_loss,
    "link_down": machines.link_down,
    "link_flap": machines.link_flap,
    "partition": machines.partition,
    "packet_loss": machines.packet_loss,
    "haproxy_kill": balancers.haproxy_kill,
    "haproxy_stop": balancers.haproxy_stop,
    "haproxy_hang": balancers.haproxy_hang,
    "haproxy_cannot_start": balancers.haproxy_cannot_start,
    "keepalived_stop": balancers.keepalived_stop,
    "keepalived_kill": balancers.keepalived_kill,
    "keepalived_hang": balancers.keepalived_hang,
    "check_script_fail": balancers.check_script,
    "check_script_hang": balancers.check_script,
    "rolling_restart": rolling.rolling_restart,
}
"""The maker of each fault's plan, by its name in the catalogue."""
