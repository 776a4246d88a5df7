"""Keepalived: who owns each virtual address, and what makes it move."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rmqha_model.names import (
    AbsolutePath,
    HostName,
    InterfaceAddress,
    InterfaceName,
    Label,
    Line,
    Named,
    UnixName,
    VrrpName,
)
from rmqha_model.part import Part, refuse
from rmqha_model.secrets import Secret
from rmqha_model.units import Duration

__all__ = [
    "Authentication",
    "CommandScript",
    "Garp",
    "Keepalived",
    "KeepalivedGlobal",
    "Member",
    "Notify",
    "ObserveScript",
    "SelfHealingScript",
    "TrackInterface",
    "TrackProcess",
    "TrackScript",
    "VirtualAddress",
    "VrrpInstance",
]

Priority = Annotated[int, Field(ge=1, le=255, strict=True)]
TrackWeight = Annotated[int, Field(ge=-254, le=254, strict=True)]
WholeSeconds = Annotated[int, Field(ge=0, le=86_400, strict=True)]

_USER_AND_GROUP = Named(
    r"[a-z_][a-z0-9_-]{0,31}( [a-z_][a-z0-9_-]{0,31})?", "a Unix user, or a user and a group with a blank between", 65
)
_ARGUMENT = Named(r"[A-Za-z0-9._:/=+@-]+", "at most 200 letters, digits and . _ : / = + @ -", 200)
_PROCESS = Named(r"[A-Za-z0-9._-]+", "a process's name: at most 15 letters, digits and . _ -", 15)
_LABEL = Named(r"[A-Za-z0-9._:-]+", "an address label: at most 15 letters, digits and . _ : -", 15)


class _Script(Part):
    """What keepalived runs to judge its host, and what follows."""

    interval: Duration = Field(
        Duration(2_000), description="From the start of one run to the start of the next; whole seconds."
    )
    timeout: Duration | None = Field(
        Duration(2_000), description="After this the run counts as failed; left out, it is the interval. Whole seconds."
    )
    rise: Annotated[int, Field(ge=1, le=1000)] | None = Field(2, description="Good runs in a row that end a failure.")
    fall: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        2, description="Bad runs in a row that are a failure: one slow run must not move the VIP."
    )
    weight: TrackWeight | None = Field(
        None,
        description="What it does to the priority: above 0 is added while it succeeds, below 0 taken while it "
        "fails. Left "
        "out or 0, a failure puts the instance in FAULT, which gives up the VIP at once.",
    )
    user: Annotated[str, _USER_AND_GROUP] | None = Field(
        None, description="User, and group after a blank, that it runs as; left out, the global script_user."
    )
    init_fail: bool = Field(False, description="Count as failed until the first run has succeeded.")

    @model_validator(mode="after")
    def _whole_seconds(self) -> Any:
        for name in ("interval", "timeout"):
            value = getattr(self, name)
            if value is not None and (value.ms % 1000 or not value.ms):
                raise refuse(f"found {value}", "whole seconds, from 1s", "keepalived reads no fractions here", at=name)
        return self


class ObserveScript(_Script):
    """Asks the local HAProxy, bounded in time, whether it serves; changes nothing."""

    kind: Literal["observe"] = Field(
        "observe", description="Ask HAProxy, change nothing: a check that acts hides faults."
    )
    path: AbsolutePath = Field("/etc/keepalived/check_haproxy.sh", description="Where the script is put.")


class SelfHealingScript(_Script):
    """The article's: starts HAProxy when there is none, waits, and stops keepalived when that did not help."""

    kind: Literal["self_healing"] = Field(description="Start HAProxy when it is gone, as the article's script does.")
    path: AbsolutePath = Field("/etc/keepalived/haproxy_check.sh", description="Where the script is put.")
    wait: Duration = Field(Duration(3_000), description="Pause between starting HAProxy and looking again.")
    interval: Duration = Field(Duration(5_000), description="As for every script; 5s, as the article has it.")
    timeout: Duration | None = Field(None, description="As for every script; left out, as the article has it.")
    rise: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="As timeout; keepalived's own is 1.")
    fall: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="As timeout; keepalived's own is 1.")


class CommandScript(_Script):
    """A program of the user's own."""

    kind: Literal["command"] = Field(description="Run a program that is on the host already.")
    path: AbsolutePath = Field(description="The program; it must be on the host already.")
    arguments: tuple[Annotated[str, _ARGUMENT], ...] = Field((), description="What it is called with.")


TrackScript = Annotated[ObserveScript | SelfHealingScript | CommandScript, Field(discriminator="kind")]


class TrackProcess(Part):
    """A process that must run; seen by the kernel's process events, without polling."""

    process: Annotated[str, _PROCESS] = Field("haproxy", description="Its name.")
    quorum: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="How many of them must run.")
    delay: WholeSeconds | None = Field(None, description="Seconds a change must last to count.")
    weight: TrackWeight | None = Field(None, description="As for scripts; left out or 0, a failure is FAULT.")


class TrackInterface(Part):
    """A further interface that must be up; the instance's own is tracked anyway."""

    interface: InterfaceName = Field(description="Its name, on every host of keepalived.")
    weight: TrackWeight | None = Field(None, description="As for scripts; left out or 0, a failure is FAULT.")


class VirtualAddress(Part):
    """An address that moves."""

    short = "address"

    address: InterfaceAddress = Field(
        description="With its prefix length; /32 when clients need not see it as on-link."
    )
    interface: InterfaceName | None = Field(None, description="Interface it is put on; left out, the instance's.")
    label: Annotated[str, _LABEL] | None = Field(None, description="IPv4 label.")


class Member(Part):
    """A host's part in an instance."""

    short = "priority"

    priority: Priority = Field(description="Who is preferred; each member its own, or start-up order decides.")
    state: Literal["BACKUP", "MASTER"] = Field(
        "BACKUP",
        description="State at start. BACKUP everywhere: MASTER saves no time below priority 255 and switches "
        "nopreempt off.",
    )
    interface: InterfaceName | None = Field(None, description="Interface for adverts; left out, the host's.")


class Authentication(Part):
    """VRRP's own authentication. It travels in clear and went out of the standard in 2004: a label, no protection."""

    type: Literal["PASS", "AH"] = Field(
        "PASS",
        description="PASS sends the password in every advert; AH signs it, and keepalived's manual advises against it.",
    )
    password: Secret = Field(description="Where it comes from; 8 characters at most.")


class Garp(Part):
    """Gratuitous ARP: how neighbours learn that the address has moved. Seconds, as keepalived counts here."""

    master_delay: WholeSeconds | None = Field(None, description="Second round after so many seconds (keepalived: 5).")
    master_repeat: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Packets a round (keepalived: 5)."
    )
    master_refresh: WholeSeconds | None = Field(
        60, description="Repeat every so many seconds: after a split brain a switch may keep the wrong port for ever."
    )
    master_refresh_repeat: Annotated[int, Field(ge=1, le=100)] | None = Field(None, description="Packets each time.")
    lower_prio_delay: WholeSeconds | None = Field(None, description="Second round after a lower priority was heard.")
    lower_prio_repeat: Annotated[int, Field(ge=0, le=100)] | None = Field(None, description="Packets of that round.")

    def lines(self) -> tuple[tuple[str, int], ...]:
        """Give keepalived's keyword and value of everything that is set."""
        return tuple(
            (f"garp_{name}", value) for name in type(self).model_fields if (value := getattr(self, name)) is not None
        )


class Notify(Part):
    """Programs that are told of changes of state; they must be on the host already."""

    master: AbsolutePath | None = Field(None, description="Told when this host takes the addresses.")
    backup: AbsolutePath | None = Field(None, description="Told when it stands by.")
    fault: AbsolutePath | None = Field(None, description="Told when a check or an interface failed.")
    stop: AbsolutePath | None = Field(None, description="Told when keepalived ends.")
    any: AbsolutePath | None = Field(None, description="Told of every change.")

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Give keepalived's keyword and path of everything that is set."""
        names = {"any": "notify"} | {name: f"notify_{name}" for name in ("master", "backup", "fault", "stop")}
        return tuple((keyword, path) for name, keyword in names.items() if (path := getattr(self, name)))


class VrrpInstance(Part):
    """A set of virtual addresses that one member owns at a time."""

    virtual_router_id: Annotated[int, Field(ge=1, le=255, strict=True)] = Field(
        description="Number of the instance; unique among everything that speaks VRRP on the segment."
    )
    virtual_addresses: Annotated[tuple[VirtualAddress, ...], Field(min_length=1)] = Field(
        description="The addresses clients connect to."
    )
    members: dict[HostName, Member] = Field(
        {}, description="Host to priority; left out, all hosts of keepalived: 150, 140, 130 and so on in their order."
    )
    unicast: bool = Field(
        True, description="Send adverts to the other members only: multicast is dropped by many clouds and switches."
    )
    unicast_source: Literal["host", "none"] = Field("host", description="Name the source address of adverts, or not.")
    version: Literal[2, 3] | None = Field(None, description="VRRP version; left out, the global one.")
    advert_int: Duration = Field(
        Duration(1_000), description="Between adverts. Version 2 counts whole seconds, version 3 hundredths."
    )
    preempt: bool = Field(
        False,
        description="Whether a better member takes the address back when it returns. Each move cuts all "
        "connections, so "
        "not by itself.",
    )
    preempt_delay: Duration | None = Field(None, description="With preempt: how long after it returned. Whole seconds.")
    authentication: Authentication | None = Field(
        None, description="VRRP's own, in version 2 only. None: unicast peers and the firewall say who may speak."
    )
    track_scripts: tuple[VrrpName, ...] | None = Field(None, description="Scripts by name; left out, all.")
    track_processes: tuple[VrrpName, ...] | None = Field(None, description="Processes by name; left out, all.")
    track_interfaces: tuple[TrackInterface, ...] = Field(
        (), description="Further interfaces that must be up; none by default, as the instance's own is tracked anyway."
    )
    garp: Garp = Field(
        Garp(), description="Gratuitous ARP; by default repeated each minute, for switches that missed the first."
    )
    notify: Notify = Field(Notify(), description="Programs that are told of changes; none by default.")
    down_timer_adverts: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Missed adverts until takeover (3; keepalived 2.2.3 and newer)."
    )
    extra: tuple[Line, ...] = Field((), description="Further lines of the instance, as they are.")

    @model_validator(mode="after")
    def _times_fit(self) -> VrrpInstance:
        if self.preempt_delay is not None and not self.preempt:
            raise refuse("found preempt_delay without preempt", "it with `preempt: true` only", at="preempt_delay")
        if self.preempt_delay is not None and (self.preempt_delay.ms % 1000 or self.preempt_delay.ms > 1_000_000):
            raise refuse(f"found {self.preempt_delay}", "whole seconds, at most 1000s", at="preempt_delay")
        families = {virtual.address.version for virtual in self.virtual_addresses}
        if len(families) > 1:
            raise refuse(
                "found IPv4 and IPv6 addresses in one instance",
                "one family an instance",
                "split it in two",
                at="virtual_addresses",
            )
        return self

    @property
    def ips(self) -> tuple[str, ...]:
        """The virtual addresses without their prefix lengths."""
        return tuple(str(virtual.address.ip) for virtual in self.virtual_addresses)


class KeepalivedGlobal(Part):
    """The global_defs section."""

    router_ids: dict[HostName, Label] = Field({}, description="A label for logs, by host; left out, the host's name.")
    version: Literal[2, 3] | None = Field(None, description="VRRP version; left out, keepalived's: 2, and 3 for IPv6.")
    script_security: bool = Field(True, description="Refuse scripts that others than root could change.")
    script_user: UnixName | None = Field("root", description="User scripts run as where they say nothing themselves.")
    startup_delay: Duration | None = Field(None, description="Wait before VRRP begins at start. Whole seconds.")
    extra: tuple[Line, ...] = Field((), description="Further lines of the section, as they are.")


class Keepalived(Part):
    """The owners of the virtual addresses."""

    hosts: Annotated[tuple[HostName, ...], Field(min_length=1)] = Field(description="Where it runs.")
    global_: KeepalivedGlobal = Field(
        KeepalivedGlobal(), alias="global", description="What holds for the whole daemon."
    )
    scripts: dict[VrrpName, TrackScript] = Field(
        {"check_haproxy": ObserveScript()}, description="What judges a host, by name."
    )
    processes: dict[VrrpName, TrackProcess] = Field({}, description="Processes that must run, by name.")
    instances: Annotated[dict[VrrpName, VrrpInstance], Field(min_length=1)] = Field(description="Instances by name.")

    def members(self, instance: str) -> dict[str, Member]:
        """Give who takes part in *instance*; 150, 140, ... in the order of the hosts where the design says nothing."""
        stated = self.instances[instance].members
        return dict(stated) or {
            host: Member(priority=max(150 - 10 * place, 1)) for place, host in enumerate(self.hosts)
        }
