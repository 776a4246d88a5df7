"""Hosts: names, addresses, failure domains, and the operating-system settings that decide how failures are seen."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import Field

from rmqha_model.names import InterfaceAddress, InterfaceName, Label, Line, Named, Text
from rmqha_model.part import Part
from rmqha_model.units import Duration

__all__ = ["FailureDomain", "Host", "OperatingSystem"]

SysctlName = Annotated[str, Named(r"[a-z][a-z0-9_.-]*", "a sysctl's name, such as net.ipv4.tcp_fin_timeout", 128)]


class FailureDomain(Part):
    """What a host shares with others and can lose together with them."""

    zone: Label | None = Field(None, description="Data centre or availability zone.")
    rack: Label | None = Field(None, description="Rack, with its top-of-rack switch.")
    power: Label | None = Field(None, description="Power feed.")
    hypervisor: Label | None = Field(None, description="Physical machine under a virtual one.")

    def items(self) -> tuple[tuple[str, str], ...]:
        """Give the (kind, name) pairs that are known, widest first."""
        return tuple((kind, name) for kind in ("zone", "power", "rack", "hypervisor") if (name := getattr(self, kind)))


class OperatingSystem(Part):
    """Kernel and service-manager settings; every default is one that makes a failure visible sooner.

    ``null`` leaves a setting as the system has it.
    """

    family: Literal["debian", "rpm"] = Field("debian", description="Which package manager the install scripts use.")
    tcp_retries2: Annotated[int, Field(ge=3, le=15)] | None = Field(
        6,
        description="net.ipv4.tcp_retries2. The kernel's 15 keeps a socket to a vanished peer for about 15 "
        "minutes; 6 gives "
        "it up after about 25 s (0.2 s doubled six times), which is what Kolla-Ansible's HA guide advises.",
    )
    tcp_keepalive_time: Duration | None = Field(
        Duration(60_000),
        description="net.ipv4.tcp_keepalive_time. The kernel's 2 h is longer than any proxy timeout in this stack.",
    )
    tcp_keepalive_interval: Duration | None = Field(Duration(10_000), description="net.ipv4.tcp_keepalive_intvl.")
    tcp_keepalive_probes: Annotated[int, Field(ge=1, le=127)] | None = Field(
        6, description="net.ipv4.tcp_keepalive_probes."
    )
    ip_nonlocal_bind: bool | None = Field(
        None,
        description="net.ipv4.ip_nonlocal_bind. Left out, it is set where a listener binds the VIP: without it HAProxy "
        "does not start on the host that does not own the VIP.",
    )
    somaxconn: Annotated[int, Field(ge=128, le=65535)] | None = Field(
        4096, description="net.core.somaxconn: how many connections may wait while all clients reconnect at once."
    )
    open_files: Annotated[int, Field(ge=1024, le=1_048_576)] | None = Field(
        65536,
        description="LimitNOFILE of RabbitMQ and HAProxy. RabbitMQ's production checklist asks for 50000 or more.",
    )
    supervise: bool = Field(
        True,
        description="systemd drop-ins: restart a daemon that died, and let RabbitMQ wait for its peers. Debian's "
        "unit leaves "
        "a killed keepalived dead.",
    )
    sysctl: dict[SysctlName, int | Line] = Field({}, description="Further kernel settings, name to value.")


class Host(Part):
    """A machine, real or virtual."""

    short = "address"

    address: InterfaceAddress = Field(
        description="The address other hosts and HAProxy use, with its prefix length, such as 172.16.2.84/24."
    )
    interface: InterfaceName = Field("eth0", description="The interface that holds the address.")
    addresses: tuple[InterfaceAddress, ...] = Field(
        (), description="Further addresses on the same interface, of either family."
    )
    domain: FailureDomain = Field(FailureDomain(), description="What this host can be lost together with.")
    os: OperatingSystem | None = Field(
        None, description="Settings of this host; what is not said is taken from the design's `os`."
    )
    description: Text = Field("", description="A word about it, for people.")

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The address without its prefix length."""
        return self.address.ip
