"""The catalogue of faults: what can happen to a design, each as data with its target, its meaning and what undoes it.

A fault exists only when both worlds can do it, the simulated one and the real one; what it means is said in one
sentence, which both follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, model_validator

from rmqha_model.names import HostName, Named, VrrpName
from rmqha_model.part import Part, refuse
from rmqha_model.units import Duration

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

ROLES: dict[str, str] = {
    "@vip_owner": "the host that holds the first virtual address when the fault begins",
    "@vip_backup": "the host that would take the first virtual address over",
    "@leader": "the broker that leads the workload's first queue when the fault begins",
    "@follower": "the first broker of the design that does not lead the workload's first queue",
}
"""Hosts that are not known before a scenario runs, by what they are at the fault's instant."""

CLIENTS = "@clients"
"""The place where the clients are, as one side of a partition."""

TargetKind: TypeAlias = Literal["broker", "load_balancer", "vrrp", "host"]

_HOST = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
Target = Annotated[
    str, Named(rf"{_HOST}|{'|'.join(map(re.escape, ROLES))}", f"a host of the design, or one of {', '.join(ROLES)}")
]
Side = Annotated[
    str,
    Named(
        rf"{_HOST}|{'|'.join(map(re.escape, [*ROLES, CLIENTS]))}",
        f"a host of the design, or one of {', '.join([*ROLES, CLIENTS])}",
    ),
]


class Fault(Part):
    """Something that happens to a design at an instant, and in most cases ends."""

    target: ClassVar[TargetKind]
    """What kind of host it can happen to."""
    meaning: ClassVar[str]
    """What happens, in one sentence that both worlds follow."""
    undo: ClassVar[str]
    """What ends it, in one sentence; empty where it ends by itself."""

    at: Duration = Field(description="When it begins, after the start of the scenario.")
    lasts: Duration | None = Field(
        None, alias="for", description="When it is undone, after it began; left out, at the end of the scenario."
    )

    @property
    def name(self) -> str:
        """Its name in the catalogue: ``broker_kill``."""
        return str(getattr(self, "fault"))  # noqa: B009 - each fault has its own literal

    @property
    def targets(self) -> tuple[str, ...]:
        """Hosts and roles that it names."""
        return ()

    @model_validator(mode="after")
    def _undone_only_if_it_can_be(self) -> Fault:
        if self.lasts is not None and not self.undo:
            raise refuse("found a duration of a fault that ends by itself", "no `for`", at="for")
        return self


class OneHost(Fault):
    """A fault of one host or of a daemon on it."""

    host: Target = Field(description="Where it happens.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The host or role it names."""
        return (self.host,)


# -- brokers ------------------------------------------------------------------------------------------


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


# -- hosts --------------------------------------------------------------------------------------------


class HostPowerLoss(OneHost):
    """A host that is gone at once."""

    target = "host"
    meaning = "The host loses its power: every process ends at once, nothing is flushed, no packet is sent."
    undo = "Power returns and the host boots."
    fault: Literal["host_power_loss"]


class HostReboot(OneHost):
    """An orderly reboot."""

    target = "host"
    meaning = "systemctl reboot: services stop in order, and the host boots again."
    undo = ""
    fault: Literal["host_reboot"]


class SitePowerLoss(Fault):
    """The loss of all hosts, or of a list of them, in one instant, and their cold start."""

    target = "host"
    meaning = "All hosts, or those of a list, lose their power in the same instant."
    undo = "Power returns to all of them in the same instant and they boot; with a stagger, one after the other."
    fault: Literal["site_power_loss"]
    hosts: Annotated[tuple[Target, ...], Field(min_length=1)] | None = Field(
        None, description="Which hosts; left out, all of the design."
    )
    stagger: Duration = Field(Duration(0), description="Wait between one host's return of power and the next one's.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The hosts and roles it lists."""
        return self.hosts or ()


# -- network ------------------------------------------------------------------------------------------


class LinkDown(OneHost):
    """A pulled cable."""

    target = "host"
    meaning = "The host's link loses its carrier: the host itself sees it, nobody else is told."
    undo = "The carrier returns."
    fault: Literal["link_down"]


class LinkFlap(OneHost):
    """A cable that is loose."""

    target = "host"
    meaning = "The host's link loses its carrier and gets it back, several times."
    undo = ""
    fault: Literal["link_flap"]
    times: Annotated[int, Field(ge=1, le=100)] = Field(3, description="How often.")
    down: Duration = Field(Duration(1_000), description="How long without carrier each time.")
    up: Duration = Field(Duration(1_000), description="How long with carrier before the next time.")


class Partition(Fault):
    """Packets that are dropped between two sets of hosts, silently."""

    target = "host"
    meaning = "Every packet between the first and the second set of hosts is dropped, and nobody is told."
    undo = "Packets pass again."
    fault: Literal["partition"]
    between: tuple[
        Annotated[tuple[Side, ...], Field(min_length=1)], Annotated[tuple[Side, ...], Field(min_length=1)]
    ] = Field(description=f"Two lists of hosts, in which {CLIENTS} stands for the place where the clients are.")
    one_way: bool = Field(False, description="Only packets from the first set to the second are dropped.")

    @property
    def targets(self) -> tuple[str, ...]:
        """Every host and role on either side."""
        return tuple(name for side in self.between for name in side if name != CLIENTS)

    @model_validator(mode="after")
    def _sides_are_apart(self) -> Partition:
        both = set(self.between[0]) & set(self.between[1])
        if both:
            raise refuse(f"found {', '.join(sorted(both))} on both sides", "each on one side", at="between")
        return self


class PacketLoss(OneHost):
    """A bad cable."""

    target = "host"
    meaning = "A random share of the packets to and from the host is dropped, each by its own toss."
    undo = "All packets pass again."
    fault: Literal["packet_loss"]
    share: Annotated[float, Field(gt=0, le=1)] = Field(0.1, description="Share of the packets that are lost, 0 to 1.")


# -- load balancers -----------------------------------------------------------------------------------


class HaproxyKill(OneHost):
    """SIGKILL to all processes of HAProxy."""

    target = "load_balancer"
    meaning = "HAProxy's master and worker get SIGKILL, and systemd does what its unit says."
    undo = "An HAProxy that systemd left dead is started."
    fault: Literal["haproxy_kill"]


class HaproxyStop(OneHost):
    """An orderly stop of HAProxy's service."""

    target = "load_balancer"
    meaning = "systemctl stop haproxy."
    undo = "systemctl start haproxy."
    fault: Literal["haproxy_stop"]


class HaproxyHang(OneHost):
    """An HAProxy that does nothing and keeps its sockets."""

    target = "load_balancer"
    meaning = "HAProxy's processes get SIGSTOP: connections are accepted by the kernel and answered by nobody."
    undo = "SIGCONT."
    fault: Literal["haproxy_hang"]


class HaproxyCannotStart(OneHost):
    """An HAProxy that is stopped and whose configuration is invalid."""

    target = "load_balancer"
    meaning = "A line that HAProxy refuses is added to its configuration, and then HAProxy is stopped."
    undo = "The configuration is put back as it was, and HAProxy and keepalived are started if they do not run."
    fault: Literal["haproxy_cannot_start"]


# -- VRRP ---------------------------------------------------------------------------------------------


class KeepalivedStop(OneHost):
    """An orderly stop of keepalived's service."""

    target = "vrrp"
    meaning = "systemctl stop keepalived: it sends priority 0 and removes its addresses."
    undo = "systemctl start keepalived."
    fault: Literal["keepalived_stop"]


class KeepalivedKill(OneHost):
    """SIGKILL to keepalived's parent process, its VRRP child, or both."""

    target = "vrrp"
    meaning = "The processes of keepalived that are named get SIGKILL; with both, its addresses are left on the host."
    undo = "A keepalived that is dead is started."
    fault: Literal["keepalived_kill"]
    process: Literal["parent", "child", "both"] = Field("both", description="Which of its processes.")


class KeepalivedHang(OneHost):
    """A keepalived that says nothing and keeps its addresses."""

    target = "vrrp"
    meaning = "keepalived's parent and VRRP child get SIGSTOP: no advert is sent, its addresses stay."
    undo = "SIGCONT."
    fault: Literal["keepalived_hang"]


class _OfScript(OneHost):
    target = "vrrp"
    script: VrrpName | None = Field(None, description="Which script; left out, the first one of the design.")


class CheckScriptFail(_OfScript):
    """A check script that fails though what it checks is well."""

    meaning = "The check script is replaced by one that ends at once with exit status 1."
    undo = "The script is put back as it was, and keepalived is started if it does not run."
    fault: Literal["check_script_fail"]


class CheckScriptHang(_OfScript):
    """A check script that does not end."""

    meaning = "The check script is replaced by one that sleeps until somebody ends it."
    undo = "The script is put back as it was, and keepalived is started if it does not run."
    fault: Literal["check_script_hang"]


# -- changes ------------------------------------------------------------------------------------------


class RollingRestart(Fault):
    """One daemon after the other restarted, as in an upgrade or a change of settings."""

    target = "host"
    meaning = "Every daemon of a layer is restarted, host after host, each when the one before it serves again."
    undo = ""
    fault: Literal["rolling_restart"]
    layer: Literal["brokers", "haproxy", "keepalived"] = Field(description="Which daemons.")
    hosts: Annotated[tuple[HostName, ...], Field(min_length=1)] | None = Field(
        None, description="Which hosts, in which order; left out, all that run it, in the design's order."
    )
    pause: Duration = Field(Duration(5_000), description="Wait between one that serves again and the next.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The hosts it lists."""
        return self.hosts or ()


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
