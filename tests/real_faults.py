"""What tests of faults on real hosts look at: processes, addresses, alarms and connections."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from integration.errors import LabError
from rmqha_model.faults import AnyFault, Fault

if TYPE_CHECKING:
    from integration.faults import Active

FAULT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(AnyFault)
HEALTHY_S = 300
CONFIG = "/etc/haproxy/haproxy.cfg"


def await_health(lab: Any) -> float:
    """Wait until nothing is wrong; give how long that took."""
    from integration.lab.health import wait_healthy

    began = time.monotonic()
    wait_healthy(lab, lambda _: None, HEALTHY_S)
    for name in lab.topology.vrrp_hosts:
        until(
            lambda host=lab.hosts[name]: vrrp_state(host) in {"MASTER", "BACKUP"}, 20, f"{name} could have the address"
        )
    return time.monotonic() - began


def vrrp_state(host: Any) -> str:
    """Give the state keepalived entered last, as it said itself."""
    told = host.check("journalctl", "--no-pager", "--output=cat", "--unit=keepalived", "--lines=200")
    return ["", *re.findall(r"Entering (\w+) STATE", told)][-1]


class Seen:
    """Who is what, by looking."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab

    def vip_owner(self) -> str | None:
        """The holder of the address."""
        owners = holders(self.lab)
        return owners[0] if owners else None

    def vip_backup(self) -> str | None:
        """The other one."""
        return next((name for name in self.lab.topology.vrrp_hosts if name not in holders(self.lab)), None)

    def leader(self) -> str | None:
        """Nobody looks."""
        return None

    def follower(self) -> str | None:
        """Nobody looks."""
        return None


def holders(lab: Any) -> list[str]:
    """Give the hosts that have the virtual address."""
    (address,) = lab.topology.virtual_ips
    return list(lab.network.owners(lab.topology.vrrp_hosts, address))


def fault(name: str, host: str | None = None, **settings: Any) -> Fault:
    """Give a fault of the catalogue."""
    settings |= {"fault": name, "at": "0s"} | ({"host": host} if host else {})
    found: Fault = FAULT.validate_python(settings)
    return found


def tell(words: str) -> None:
    """Print what was measured: `pytest -rP` shows it."""
    sys.stdout.write(f"{words}\n")


def until(question: Callable[[], Any], within_s: float, what: str) -> float:
    """Ask until the answer is yes, at most so long; give how long that took."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        try:
            if question():
                return time.monotonic() - began
        except LabError:
            pass
        time.sleep(0.05)
    pytest.fail(f"not within {within_s} s: {what}")


def undone(active: Active) -> None:
    """Undo a fault, twice, and tell how long that took."""
    called = time.monotonic()
    active.undo()
    took = time.monotonic() - called
    assert active.over
    assert active.ended is not None
    assert called <= active.ended
    active.undo()
    tell(f"UNDONE {active.fault.name}: order {1000 * (active.ended - called):.0f} ms, all {1000 * took:.0f} ms")


def state_of(host: Any, pid: int) -> str:
    """Give the state of a process of a host as one letter; nothing where it is gone, or is only not buried yet."""
    stat = host.run("cat", f"/proc/{pid}/stat")
    return "" if stat.status else stat.out.rpartition(") ")[2][0].strip("ZX")


def gone(host: Any, *pids: int) -> bool:
    """Whether processes end that have got SIGKILL: on a busy machine a killed one may have to wait for a processor."""
    return until(lambda: not any(state_of(host, pid) for pid in pids), 1, "they end") < 1


def alarms(lab: Any, host: str) -> set[str]:
    """Give the resources of which the cluster says that the broker of *host* has no more."""
    from integration.lab.health import cluster_status

    status = cluster_status(lab, host)
    assert isinstance(status, dict)
    node = lab.topology.node_name(host)
    return {alarm["resource"] for alarm in status["alarms"] if alarm["node"] == node}


def connects(lab: Any, host: str | None, target: str, port: int) -> bool:
    """Whether a connection from *host*, or from the clients' place, to *target* is accepted within a second."""
    program = f"import socket; socket.create_connection(({target!r}, {port}), 1)"
    command = (sys.executable, "-c", program)
    line = lab.host_command(host, *command) if host else lab.client_command(*command)
    return not subprocess.run(line, capture_output=True, check=False).returncode


def carrier(lab: Any, host: str) -> bool:
    """Whether a host has its carrier."""
    return "NO-CARRIER" not in lab.hosts[host].check("ip", "-o", "link", "show", lab.topology.hosts[host].interface)
