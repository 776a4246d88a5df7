"""Faults of a broker."""

from __future__ import annotations

from typing import Literal

from rmqha_model.faults.base import OneHost

__all__ = [
    "BrokerHang",
    "BrokerKill",
    "BrokerRestart",
    "BrokerStop",
    "BrokerStopApp",
    "DiskAlarm",
    "MemoryAlarm",
]


class BrokerKill(OneHost):
    """SIGKILL to a broker's Erlang VM."""

    target = "broker"
    meaning = "The broker's Erlang VM gets SIGKILL, and systemd does what its unit says."
    undo = "A broker that systemd left dead is started."
    fault: Literal["broker_kill"]


class BrokerStop(OneHost):
    """An orderly stop of a broker's service."""

    target = "broker"
    meaning = "systemctl stop rabbitmq-server: the broker closes its connections and leaves in order."
    undo = "systemctl start rabbitmq-server."
    fault: Literal["broker_stop"]


class BrokerStopApp(OneHost):
    """The RabbitMQ application stopped in a VM that goes on."""

    target = "broker"
    meaning = "rabbitmqctl stop_app: listeners close, the Erlang VM goes on and is still known to its peers."
    undo = "rabbitmqctl start_app."
    fault: Literal["broker_stop_app"]


class BrokerHang(OneHost):
    """A broker that does nothing and keeps its sockets."""

    target = "broker"
    meaning = "The broker's Erlang VM gets SIGSTOP: its kernel goes on accepting and acknowledging, it answers nothing."
    undo = "SIGCONT."
    fault: Literal["broker_hang"]


class BrokerRestart(OneHost):
    """A restart of a broker's service."""

    target = "broker"
    meaning = "systemctl restart rabbitmq-server."
    undo = ""
    fault: Literal["broker_restart"]


class MemoryAlarm(OneHost):
    """A broker that has no memory left by its own account."""

    target = "broker"
    meaning = "The broker's memory watermark is set below what it uses: the cluster blocks all publishers."
    undo = "The watermark is set back to what it was."
    fault: Literal["memory_alarm"]


class DiskAlarm(OneHost):
    """A broker that has no disk left by its own account."""

    target = "broker"
    meaning = "The broker's disk limit is set above what is free: the cluster blocks all publishers."
    undo = "The limit is set back to what it was."
    fault: Literal["disk_alarm"]
