"""Who does each fault of the catalogue in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.processes.faults import balancers, brokers, machines, rolling

if TYPE_CHECKING:
    from simulation.processes.faults.act import Act

__all__ = ["ACTS"]

ACTS: dict[str, type[Act[Any]]] = {
    "broker_kill": brokers.Kill,
    "broker_stop": brokers.Stop,
    "broker_stop_app": brokers.StopApp,
    "broker_hang": brokers.Hang,
    "broker_restart": brokers.Restart,
    "memory_alarm": brokers.Alarm,
    "disk_alarm": brokers.Alarm,
    "host_power_loss": machines.PowerLoss,
    "host_reboot": machines.Reboot,
    "site_power_loss": machines.PowerLoss,
    "link_down": machines.Pull,
    "link_flap": machines.Flap,
    "partition": machines.Cut,
    "packet_loss": machines.Loss,
    "haproxy_kill": balancers.KillHaproxy,
    "haproxy_stop": balancers.StopHaproxy,
    "haproxy_hang": balancers.HangHaproxy,
    "haproxy_cannot_start": balancers.SpoilHaproxy,
    "keepalived_stop": balancers.StopKeepalived,
    "keepalived_kill": balancers.KillKeepalived,
    "keepalived_hang": balancers.HangKeepalived,
    "check_script_fail": balancers.CheckScript,
    "check_script_hang": balancers.CheckScript,
    "rolling_restart": rolling.Rolling,
}
"""The kind of act of each fault, by its name in the catalogue."""
