"""What the operating system does for the stack: supervision, kernel settings, folders, logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from generators.bundle import Artefact
from generators.header import header
from generators.logs import log_files
from generators.quoting import Quoted, verbatim
from generators.render import render
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.host import OperatingSystem
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["DROP_INS", "SYSCTL", "TMPFILES", "artefacts", "haproxy_files"]

DROP_INS = {
    unit: f"/etc/systemd/system/{unit}.service.d/rmqha.conf" for unit in ("rabbitmq-server", "haproxy", "keepalived")
}
"""Where the drop-in of each unit stands."""
SYSCTL = "/etc/sysctl.d/60-rmqha.conf"
TMPFILES = "/etc/tmpfiles.d/rmqha.conf"

HAPROXY_OWN_FILES = 1024
"""Files HAProxy needs besides two a connection (configuration.txt, "maxconn"): listeners, checks, pollers, logs."""

SHIPPED_FOLDERS = {"debian": {"/run/haproxy", "/var/lib/haproxy"}, "rpm": {"/var/lib/haproxy"}}
"""Folders the haproxy packages bring (Debian 11 to 13; RHEL 8 to 10, which has no /run/haproxy)."""

STANDARD_FOLDERS = {"/run", "/var/run", "/tmp", "/var/tmp", "/var", "/var/lib", "/etc"}  # noqa: S108 - named, not used


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of a drop-in with the reason it stands there."""

    section: str
    name: str
    value: str
    why: str = ""

    @property
    def reason(self) -> tuple[Quoted, ...]:
        """The reason as comment lines."""
        return tuple(verbatim(f"# {line}") for line in self.why.split("\n") if line)


class Roles(NamedTuple):
    """What runs on a host."""

    broker: bool
    balancer: bool
    vrrp: bool


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:  # noqa: ARG001 - every part is called alike
    """Give drop-ins, sysctl, tmpfiles, rsyslog and logrotate files; hosts with the same settings share one text."""
    made: dict[tuple[Roles, str], list[tuple[str, str]]] = {}
    brokers, balancers, vrrp = set(topology.brokers), set(topology.load_balancers), set(topology.vrrp_hosts)
    for host in topology.hosts:
        roles = Roles(host in brokers, host in balancers, host in vrrp)
        own = topology.hosts[host].os
        key = roles, "" if own is None else own.model_dump_json(exclude_unset=True)
        if key not in made:
            made[key] = list(_files(topology, topology.os_of(host), roles))
        for path, text in made[key]:
            yield Artefact(host, path, text)


def _files(topology: Topology, os: OperatingSystem, roles: Roles) -> Iterator[tuple[str, str]]:
    settings = {
        "rabbitmq-server": tuple(_rabbitmq(topology, os)) if roles.broker else (),
        "haproxy": tuple(_haproxy(topology, os)) if roles.balancer else (),
        "keepalived": tuple(_keepalived(os)) if roles.vrrp else (),
    }
    for unit, wanted in settings.items():
        if wanted:
            yield DROP_INS[unit], _drop_in(topology, unit, wanted)
    kernel = tuple(_kernel(topology, os, balancer=roles.balancer))
    if kernel:
        what = "Kernel settings of the stack, read at boot and by: sysctl --system"
        yield SYSCTL, render("sysctl.conf.j2", header=header(topology, what), lines=kernel)
    if roles.balancer:
        folders = tuple(_folders(topology, os))
        if folders:
            what = "Folders HAProxy needs and its package does not bring, read at boot by systemd-tmpfiles."
            yield TMPFILES, render("tmpfiles.conf.j2", header=header(topology, what), folders=folders)
        yield from log_files(topology, os)


def _drop_in(topology: Topology, unit: str, settings: tuple[Setting, ...]) -> str:
    sections: dict[str, list[Setting]] = {}
    for setting in settings:
        sections.setdefault(setting.section, []).append(setting)
    what = f"What the stack asks of systemd for {unit}, besides the unit its package brings."
    return render("drop-in.conf.j2", header=header(topology, what), sections=sections)


def _rabbitmq(topology: Topology, os: OperatingSystem) -> Iterator[Setting]:
    if os.supervise:
        yield Setting("Unit", "Wants", "network-online.target")
        yield Setting("Unit", "After", "network-online.target", "Its peers are asked for as soon as it starts.")
        yield _no_start_limit()
    if os.open_files is not None:
        yield Setting("Service", "LimitNOFILE", str(os.open_files), "Connections, queues and their files on disk.")
    if os.supervise:
        yield Setting(
            "Service",
            "TimeoutStartSec",
            "600",
            "A node waits for its peers' tables for up to 300 s (30 s x 10, mnesia_table_loading_retry_*), and is\n"
            "killed while it waits if this is shorter.",
        )
        yield _stop_limit(topology.versions.rabbitmq)
        yield Setting("Service", "Restart", "on-failure")
        yield Setting("Service", "RestartSec", "10", "As in the unit of Debian and of RabbitMQ's own packages.")


def _stop_limit(release: str) -> Setting:
    # The notification "stopping" is in the source of 3.9.0 and 3.9.1 only (rabbitmq-server#3280, #3289).
    if Version(3, 9, 0) <= Version.parse(release) < Version(3, 9, 2):
        why = (
            "RabbitMQ 3.9.0 and 3.9.1 tell systemd that they are stopping when they pause in a minority or join a\n"
            "cluster. With a limit, the paused node is killed in the end and does not come back (rabbitmq-server#3289)."
        )
        return Setting("Service", "TimeoutStopSec", "infinity", why)
    why = "systemd's 90 s kill a node with much to write; what is cut off there is read again at the next start."
    return Setting("Service", "TimeoutStopSec", "600", why)


def _haproxy(topology: Topology, os: OperatingSystem) -> Iterator[Setting]:
    if os.supervise:
        yield Setting("Unit", "Wants", "network-online.target")
        yield Setting("Unit", "After", "network-online.target", "It binds addresses, and may look up names.")
        yield _no_start_limit()
    if os.open_files is not None:
        why = "Two a connection (client and broker), and some for listeners, checks and logs."
        yield Setting("Service", "LimitNOFILE", str(max(os.open_files, haproxy_files(topology))), why)
    if os.supervise:
        why = "systemd alone restarts it: a second supervisor beside it would run into the start limit."
        yield Setting("Service", "Restart", "always", why)
        why = "Short of what moves the virtual address, and long enough for a bad configuration not to spin."
        yield Setting("Service", "RestartSec", "500ms", why)


def haproxy_files(topology: Topology) -> int:
    """Give how many open files HAProxy needs for the connections it may take."""
    limit = topology.haproxy.global_.maxconn if topology.haproxy else None
    return 2 * (limit or 0) + HAPROXY_OWN_FILES


def _keepalived(os: OperatingSystem) -> Iterator[Setting]:
    if not os.supervise:
        return
    yield Setting("Unit", "Wants", "network-online.target")
    why = "First what serves the virtual address, then who owns it."
    yield Setting("Unit", "After", "network-online.target haproxy.service", why)
    yield _no_start_limit()
    why = (
        "Debian's unit has no Restart: a killed keepalived stays dead, and its addresses stay on the host beside the\n"
        "new owner's until it starts again. `systemctl stop keepalived` is no failure: whoever stops it on purpose, a\n"
        "check script too, finds it stopped."
    )
    yield Setting("Service", "Restart", "on-failure", why)
    yield Setting("Service", "RestartSec", "2")


def _no_start_limit() -> Setting:
    return Setting(
        "Unit",
        "StartLimitIntervalSec",
        "0",
        "Never give up: after systemd's five starts within 10 s the daemon would stay down until somebody comes.",
    )


def _kernel(topology: Topology, os: OperatingSystem, *, balancer: bool) -> Iterator[Quoted]:
    values: dict[str, int | str | None] = {
        "net.ipv4.tcp_retries2": os.tcp_retries2,
        "net.ipv4.tcp_keepalive_time": os.tcp_keepalive_time.whole_s if os.tcp_keepalive_time else None,
        "net.ipv4.tcp_keepalive_intvl": os.tcp_keepalive_interval.whole_s if os.tcp_keepalive_interval else None,
        "net.ipv4.tcp_keepalive_probes": os.tcp_keepalive_probes,
        "net.core.somaxconn": os.somaxconn,
    }
    nonlocal_bind = os.ip_nonlocal_bind
    if nonlocal_bind is None and balancer and topology.binds_virtual_address():
        nonlocal_bind = True
    if nonlocal_bind is not None:
        values["net.ipv4.ip_nonlocal_bind"] = int(nonlocal_bind)
        # Kernels without IPv6 lack the file; sysctl says so and goes on with the others.
        if any(":" in ip for ip in topology.virtual_ips):
            values["net.ipv6.ip_nonlocal_bind"] = int(nonlocal_bind)
    values.update(os.sysctl)
    for name, value in values.items():
        if value is not None:
            yield verbatim(f"{name} = {value}")


def _folders(topology: Topology, os: OperatingSystem) -> Iterator[str]:
    assert topology.haproxy is not None
    settings = topology.haproxy.global_
    wanted = [settings.chroot] if settings.chroot else []
    wanted += [str(PurePosixPath(file).parent) for file in (settings.stats_socket, settings.pidfile) if file]
    for folder in dict.fromkeys(wanted):
        if folder not in SHIPPED_FOLDERS[os.family] and folder not in STANDARD_FOLDERS:
            yield folder
