"""The daemons of a design on a host: their units, their processes, and whether they serve."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from integration.errors import FaultError, LabError
from integration.faults import guest

if TYPE_CHECKING:
    from integration.host import Host, Stack

__all__ = ["BROKER", "HAPROXY", "KEEPALIVED", "broker_vm", "comes_true", "haproxy_all", "ports", "restarted", "vrrp"]

BROKER = "rabbitmq-server.service"
HAPROXY = "haproxy.service"
KEEPALIVED = "keepalived.service"

_BROKER_COMM = "beam.smp"
_FIND_VRRP = (
    'for pid in "$@"; do for fd in /proc/$pid/fd/*; do echo "$pid $(readlink $fd)"; done; done; '
    "cat /proc/net/raw /proc/net/raw6 2>/dev/null; true"
)
_VRRP_PROTOCOL = "0070"
"""IP protocol 112 (RFC 9568, 5.1.1.4), in hexadecimal as the kernel shows it in the place of a port."""
_PAUSE_S = 0.1


def broker_vm(host: Host) -> tuple[int, ...]:
    """Give the processes of the broker's Erlang VM; epmd, which other programs may use too, is none of them.

    Raises:
        FaultError: there is none.
    """
    main, everybody = guest.processes(host, BROKER)
    found = [process.pid for process in guest.below(main, everybody) if process.comm == _BROKER_COMM]
    return _some(host, found, f"no {_BROKER_COMM} of {BROKER}")


def haproxy_all(host: Host) -> tuple[int, ...]:
    """Give the processes of HAProxy: its master and all its workers.

    Raises:
        FaultError: there is none.
    """
    main, everybody = guest.processes(host, HAPROXY)
    found = [process.pid for process in guest.below(main, everybody) if process.comm == "haproxy"]
    return _some(host, found, f"no haproxy of {HAPROXY}")


def vrrp(host: Host) -> tuple[int, int]:
    """Give keepalived's parent process and its VRRP child.

    Raises:
        FaultError: there are none.
    """
    main, everybody = guest.processes(host, KEEPALIVED)
    # A script that is about to be run is a child of the child, and still has its name; it is not looked at.
    children = [process.pid for process in everybody if process.parent == main]
    _some(host, children if main else [], f"no keepalived of {KEEPALIVED} with a child")
    if len(children) > 1:
        children = _of_vrrp(host, children)
        _some(host, children, f"no child of {KEEPALIVED} that has a socket of VRRP")
    return main, children[0]


def _of_vrrp(host: Host, pids: list[int]) -> list[int]:
    """Give those of *pids* that hold a raw socket of VRRP."""
    held: dict[str, int] = {}
    sockets: set[str] = set()
    for line in host.check("sh", "-c", _FIND_VRRP, "sh", *map(str, pids)).splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[1].startswith("socket:["):
            held[fields[1].removeprefix("socket:[").removesuffix("]")] = int(fields[0])
        elif len(fields) > 9 and fields[1].endswith(f":{_VRRP_PROTOCOL}"):
            sockets.add(fields[9])
    return sorted({held[inode] for inode in sockets & set(held)})


def _some(host: Host, found: list[int], otherwise: str) -> tuple[int, ...]:
    if not found:
        raise FaultError(f"{host.name}: found {otherwise}; allowed: a daemon that runs")
    return tuple(found)


# -- serving ------------------------------------------------------------------------------------------


def ports(stack: Stack) -> frozenset[int]:
    """Give the ports on which the design's HAProxy listens."""
    haproxy = stack.topology.haproxy
    return frozenset(listener.port for listener in haproxy.listeners.values()) if haproxy else frozenset()


def restarted(host: Host, unit: str, before: str, timeout_s: float) -> float:
    """Wait until *unit* is active in another run than *before*, and give when it became so.

    Raises:
        FaultError: it is not after *timeout_s*.
    """
    asked = time.monotonic()
    state: guest.Unit | None = None

    def again() -> bool:
        nonlocal state
        state = guest.unit(host, unit)
        return state.active == "active" and state.invocation != before

    if not comes_true(again, asked + timeout_s):
        assert state is not None
        raise FaultError(f"{host.name}: {unit} is {state.active} ({state.sub}), {timeout_s:.0f} s after its restart")
    now = time.monotonic()
    # systemd has written down when; a host with a clock of its own has written down something else.
    when = state.since_us / 1e6 if state else now
    return when if now - 3600 < when <= now else now


def comes_true(question: Callable[[], bool], until: float) -> bool:
    """Ask until the answer is yes, or it is *until*; say whether it was. A host that cannot be asked says no."""
    while True:
        try:
            if question():
                return True
        except LabError:
            if time.monotonic() > until:
                raise
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE_S)
