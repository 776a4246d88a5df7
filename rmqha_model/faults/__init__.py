"""The catalogue of faults: what can happen to a design, each as data with its target, its meaning and what undoes it.

A fault exists only when both worlds can do it, the simulated one and the real one; what it means is said in one
sentence, which both follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, get_args

from pydantic import Field

from rmqha_model.faults.balancers import (
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
from rmqha_model.faults.base import CLIENTS, ROLES, Fault, OneHost, Target, TargetKind
from rmqha_model.faults.brokers import (
    BrokerHang,
    BrokerKill,
    BrokerRestart,
    BrokerStop,
    BrokerStopApp,
    DiskAlarm,
    MemoryAlarm,
)
from rmqha_model.faults.changes import RollingRestart
from rmqha_model.faults.machines import (
    HostPowerLoss,
    HostReboot,
    LinkDown,
    LinkFlap,
    PacketLoss,
    Partition,
    SitePowerLoss,
)

__all__ = [
    "CATALOGUE",
    "CLIENTS",
    "ROLES",
    "AnyFault",
    "BrokerHang",
    "BrokerKill",
    "BrokerRestart",
    "BrokerStop",
    "BrokerStopApp",
    "CheckScriptFail",
    "CheckScriptHang",
    "DiskAlarm",
    "Fault",
    "HaproxyCannotStart",
    "HaproxyHang",
    "HaproxyKill",
    "HaproxyStop",
    "HostPowerLoss",
    "HostReboot",
    "KeepalivedHang",
    "KeepalivedKill",
    "KeepalivedStop",
    "LinkDown",
    "LinkFlap",
    "MemoryAlarm",
    "OneHost",
    "PacketLoss",
    "Partition",
    "RollingRestart",
    "SitePowerLoss",
    "Target",
    "TargetKind",
]

AnyFault = Annotated[
    BrokerKill
    | BrokerStop
    | BrokerStopApp
    | BrokerHang
    | BrokerRestart
    | MemoryAlarm
    | DiskAlarm
    | HostPowerLoss
    | HostReboot
    | SitePowerLoss
    | LinkDown
    | LinkFlap
    | Partition
    | PacketLoss
    | HaproxyKill
    | HaproxyStop
    | HaproxyHang
    | HaproxyCannotStart
    | KeepalivedStop
    | KeepalivedKill
    | KeepalivedHang
    | CheckScriptFail
    | CheckScriptHang
    | RollingRestart,
    Field(discriminator="fault"),
]


def _catalogue(kinds: Iterable[type[Fault]]) -> dict[str, type[Fault]]:
    return {get_args(kind.model_fields["fault"].annotation)[0]: kind for kind in kinds}


CATALOGUE: dict[str, type[Fault]] = _catalogue(get_args(get_args(AnyFault)[0]))
"""Every fault by its name."""
