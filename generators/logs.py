"""HAProxy's log: how its lines reach rsyslog from inside its chroot, where they are written, and when they go."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from generators.header import header
from generators.quoting import Quoted, rsyslog
from generators.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmqha_model.host import OperatingSystem
    from rmqha_model.topology import Topology

__all__ = ["LOGROTATE", "LOG_FILE", "RSYSLOG", "log_files"]

RSYSLOG = "/etc/rsyslog.d/49-haproxy.conf"
"""The very file that Debian's haproxy package brings: two of them would open one socket twice and write lines twice."""

LOGROTATE = "/etc/logrotate.d/haproxy"
"""The very file that the haproxy packages of Debian and RHEL bring: logrotate refuses a log that is named twice."""

LOG_FILE = "/var/log/haproxy.log"

SYSLOG_PORT = 514
"""Where a log target without a port is (configuration.txt, "log")."""

TELL_RSYSLOG = {
    "debian": "[ ! -x /usr/lib/rsyslog/rsyslog-rotate ] || /usr/lib/rsyslog/rsyslog-rotate",
    "rpm": "/usr/bin/systemctl -s HUP kill rsyslog.service >/dev/null 2>&1 || true",
}
"""How rsyslog is told to open its files anew: as in the packages' own logrotate files."""


def log_files(topology: Topology, os: OperatingSystem) -> Iterator[tuple[str, str]]:
    """Give the rsyslog and logrotate files of a load balancer; none when its log goes elsewhere."""
    inputs = tuple(_inputs(topology))
    if not inputs:
        return
    what = "HAProxy's log: from its sockets to a file of its own. In place of the package's file of this name."
    written = [line for line in inputs if line]
    yield RSYSLOG, render("49-haproxy.conf.j2", header=header(topology, what), inputs=written, file=rsyslog(LOG_FILE))
    what = "HAProxy's log: kept for two weeks. In place of the package's file of this name."
    tell = Quoted(TELL_RSYSLOG[os.family])
    yield LOGROTATE, render("logrotate.j2", header=header(topology, what), file=LOG_FILE, tell=tell)


def _inputs(topology: Topology) -> Iterator[Quoted]:
    """Give what rsyslog has to listen on, one a target on this host; empty where it listens anyway."""
    assert topology.haproxy is not None
    settings = topology.haproxy.global_
    is_loaded = False
    for target in dict.fromkeys(log.target for log in settings.log):
        if target.startswith("/"):
            # HAProxy opens it when it logs, so inside the chroot: configuration.txt, "log".
            socket = rsyslog(f"{settings.chroot or ''}{target}")
            yield Quoted(f'input(type="imuxsock" Socket={socket} CreatePath="on")' if settings.chroot else "")
        elif (place := _loopback(target)) is not None:
            if not is_loaded:
                yield Quoted('module(load="imudp")')
                is_loaded = True
            address, port = place
            yield Quoted(f'input(type="imudp" address={rsyslog(address)} port="{port}")')


def _loopback(target: str) -> tuple[str, int] | None:
    """Give address and port of a log target on this host; ``None`` for another host, ``stdout`` and the like."""
    address, colon, port = target.rpartition(":")
    if not colon or not port.isdecimal():
        address, port = target, str(SYSLOG_PORT)
    if address == "localhost":
        address = "127.0.0.1"
    try:
        return (address, int(port)) if ipaddress.ip_address(address.strip("[]")).is_loopback else None
    except ValueError:
        return None
