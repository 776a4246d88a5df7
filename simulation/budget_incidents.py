"""What a single fault does to the brokers, load balancers and keepaliveds of a design, for every fault and target.

Hosts that play the same parts are one target: a fault of any of them has the same figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmqha_model.faults import CATALOGUE
from rmqha_model.timers import vrrp

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["BalancerFate", "BrokerFate", "Incident", "VrrpFate", "incidents"]

BrokerFate: TypeAlias = Literal[
    "killed", "stopped", "app_stopped", "hung", "restarted", "rebooted", "powerless", "cut", "alarmed", "flapping"
]
BalancerFate: TypeAlias = Literal["killed", "stopped", "restarted", "broken", "frozen", "rebooted", "powerless", "cut"]
VrrpFate: TypeAlias = Literal[
    "stopped", "restarted", "parent_killed", "child_killed", "killed", "hung", "script_fails", "script_hangs",
    "rebooted", "powerless", "unplugged", "cut", "apart",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault of the catalogue at a target, and what becomes of which daemon, by host."""

    fault: str
    target: str
    hosts: frozenset[str]
    leads: bool = False
    """Whether a broker that it hits leads the queue that clients use."""
    brokers: dict[str, BrokerFate] = field(default_factory=dict)
    balancers: dict[str, BalancerFate] = field(default_factory=dict)
    vrrp: dict[str, VrrpFate] = field(default_factory=dict)
    steps: int = 1
    """How many hosts it comes to, one after the other."""
    leaves_out: tuple[str, ...] = ()


def incidents(topology: Topology) -> tuple[Incident, ...]:
    """Give every fault of the catalogue with every target that the design has for it."""
    found = [*_of_brokers(topology), *_of_hosts(topology), *_of_balancers(topology), *_of_vrrp(topology)]
    found += _of_all(topology)
    order = list(CATALOGUE)
    return tuple(sorted(found, key=lambda one: order.index(one.fault)))


_BROKER_FAULTS: dict[str, BrokerFate] = {
    "broker_kill": "killed",
    "broker_stop": "stopped",
    "broker_stop_app": "app_stopped",
    "broker_hang": "hung",
    "broker_restart": "restarted",
}
_BALANCER_FAULTS: dict[str, BalancerFate] = {
    "haproxy_kill": "killed",
    "haproxy_stop": "stopped",
    "haproxy_hang": "frozen",
    "haproxy_cannot_start": "broken",
}
_VRRP_FAULTS: tuple[tuple[str, str, VrrpFate], ...] = (
    ("keepalived_stop", "", "stopped"),
    ("keepalived_kill", "both", "killed"),
    ("keepalived_kill", "parent", "parent_killed"),
    ("keepalived_kill", "child", "child_killed"),
    ("keepalived_hang", "", "hung"),
    ("check_script_fail", "", "script_fails"),
    ("check_script_hang", "", "script_hangs"),
)
_HOST_FAULTS: dict[str, tuple[BrokerFate, BalancerFate, VrrpFate]] = {
    "host_power_loss": ("powerless", "powerless", "powerless"),
    "host_reboot": ("rebooted", "rebooted", "rebooted"),
    "link_down": ("cut", "cut", "unplugged"),
    "link_flap": ("flapping", "cut", "unplugged"),
    "partition": ("cut", "cut", "cut"),
}
_NOT_DECIDED = {
    "link_flap": "whether silences of a second are noticed by anything, which their number and phases decide",
    "packet_loss": "all of it: each packet's own toss decides; simulate it",
}


def _of_brokers(topology: Topology) -> Iterator[Incident]:
    first = topology.brokers[0]
    for fault, fate in _BROKER_FAULTS.items():
        for leads in (True, False) if len(topology.brokers) > 1 else (True,):
            target = "@leader" if leads else "@follower"
            yield Incident(fault, target, frozenset({first}), leads, brokers={first: fate})
    for fault in ("memory_alarm", "disk_alarm"):
        yield Incident(fault, "any broker", frozenset({first}), brokers={first: "alarmed"})


def _parts(topology: Topology, host: str) -> tuple[bool, bool, tuple[str, ...]]:
    """Give what *host* is: a broker, a load balancer, and its place in each VRRP instance."""
    places = []
    for name in topology.keepalived.instances if topology.keepalived else ():
        owner = vrrp.preferred(topology, name)
        heir = vrrp.successor(topology, name, owner)
        members = topology.keepalived.members(name) if topology.keepalived else {}
        places.append("owner" if host == owner else "backup" if host == heir else "member" if host in members else "")
    return host in topology.brokers, host in topology.load_balancers, tuple(places)


def _kinds_of_hosts(topology: Topology) -> dict[tuple[bool, bool, tuple[str, ...]], str]:
    """Give one host of each kind there is."""
    found: dict[tuple[bool, bool, tuple[str, ...]], str] = {}
    for host in topology.hosts:
        parts = _parts(topology, host)
        if parts[0] or parts[1] or any(parts[2]):
            found.setdefault(parts, host)
    return found


def _role(topology: Topology, host: str, *, leads: bool | None) -> str:
    is_broker, is_balancer, places = _parts(topology, host)
    words = []
    if places and places[0] in {"owner", "backup"}:
        words.append(f"@vip_{places[0]}")
    elif is_balancer or any(places):
        words.append(host)
    if is_broker and leads is not None:
        words.append("@leader" if leads else "@follower")
    return " = ".join(words)


def _of_hosts(topology: Topology) -> Iterator[Incident]:
    for (is_broker, is_balancer, places), host in _kinds_of_hosts(topology).items():
        several = len(topology.brokers) > 1
        for leads in ((True, False) if several else (True,)) if is_broker else (None,):
            role = _role(topology, host, leads=leads)
            for fault, (broker, balancer, address) in _HOST_FAULTS.items():
                if fault == "partition" and len(topology.hosts) < 2:
                    continue
                yield Incident(
                    fault,
                    f"{role} from all others" if fault == "partition" else role,
                    frozenset({host}),
                    bool(leads),
                    brokers={host: broker} if is_broker else {},
                    balancers={host: balancer} if is_balancer else {},
                    vrrp={host: address} if any(places) else {},
                    leaves_out=(_NOT_DECIDED[fault],) if fault in _NOT_DECIDED else (),
                )
            yield Incident("packet_loss", role, frozenset({host}), leaves_out=(_NOT_DECIDED["packet_loss"],))


def _of_balancers(topology: Topology) -> Iterator[Incident]:
    hosts = {_parts(topology, host)[2]: host for host in reversed(topology.load_balancers)}
    for host in reversed(hosts.values()):
        for fault, fate in _BALANCER_FAULTS.items():
            yield Incident(fault, _role(topology, host, leads=None), frozenset({host}), balancers={host: fate})


def _of_vrrp(topology: Topology) -> Iterator[Incident]:
    if topology.keepalived is None:
        return
    hosts = {_parts(topology, host)[2]: host for host in reversed(topology.vrrp_hosts)}
    for host in reversed(hosts.values()):
        role = _role(topology, host, leads=None)
        for fault, process, fate in _VRRP_FAULTS:
            if fault.startswith("check_script") and not topology.keepalived.scripts:
                continue
            yield Incident(fault, f"{role} {process}".strip(), frozenset({host}), vrrp={host: fate})
    if len(topology.vrrp_hosts) > 1:
        name = next(iter(topology.keepalived.instances))
        owner = vrrp.preferred(topology, name)
        between = "@vip_owner from @vip_backup"
        both = {_parts(topology, host)[0] for host in topology.vrrp_hosts}
        out = ("what a cut between their brokers does to queues: see partition of one from all others",)
        hosts_ = frozenset(topology.vrrp_hosts)
        yield Incident("partition", between, hosts_, vrrp={owner: "apart"}, leaves_out=out if True in both else ())


def _of_all(topology: Topology) -> Iterator[Incident]:
    yield Incident(
        "site_power_loss",
        "all",
        frozenset(topology.hosts),
        leads=True,
        brokers=dict.fromkeys(topology.brokers, "powerless"),
        balancers=dict.fromkeys(topology.load_balancers, "powerless"),
        vrrp=dict.fromkeys(topology.vrrp_hosts, "powerless"),
    )
    out = ("how the steps meet: a client that returns to a host whose turn comes next is cut again",)
    first = topology.brokers[0]
    yield Incident(
        "rolling_restart", "brokers", frozenset({first}), leads=True, brokers={first: "restarted"},
        steps=len(topology.brokers), leaves_out=out,
    )  # fmt: skip
    if topology.load_balancers:
        owner = _owner(topology) or topology.load_balancers[0]
        yield Incident(
            "rolling_restart", "haproxy", frozenset({owner}), balancers={owner: "restarted"},
            steps=len(topology.load_balancers), leaves_out=out,
        )  # fmt: skip
    if topology.keepalived:
        owner = _owner(topology) or topology.vrrp_hosts[0]
        yield Incident(
            "rolling_restart", "keepalived", frozenset({owner}), vrrp={owner: "restarted"},
            steps=len(topology.vrrp_hosts), leaves_out=out,
        )  # fmt: skip


def _owner(topology: Topology) -> str | None:
    names = list(topology.keepalived.instances) if topology.keepalived else []
    return vrrp.preferred(topology, names[0]) if names else None
