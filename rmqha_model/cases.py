"""The faults that a design can suffer, each as a scenario: clients at work, a fault, its end, and what comes after."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rmqha_model.errors import RmqhaError, did_you_mean
from rmqha_model.faults import CATALOGUE, CLIENTS
from rmqha_model.scenario import Scenario
from rmqha_model.timers import balancer, vrrp
from rmqha_model.usual import workload

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["REPRESENTATIVE", "Case", "cases", "chosen"]

_BEFORE_S = 6
"""Before the fault: long enough to see a steady flow, and for every HAProxy to have checked every server."""
_AFTER_S = 8
"""After its end: clients that wait up to 5 s return; the runner goes on watching until brokers are back."""
_COLD_START_S = 40
"""After the power has returned to all: what clients see ends when enough brokers have booted."""
_SHORTEST_S, _LONGEST_S = 8, 40
"""How long a fault lasts: until it is detected and a little more, between these."""

REPRESENTATIVE = (
    "broker_kill-leader",
    "broker_hang-leader",
    "partition-broker",
    "host_power_loss-vip_owner",
    "haproxy_hang-vip_owner",
    "keepalived_stop-vip_owner",
    "keepalived_kill-both",
    "memory_alarm-follower",
)
"""One or two of each layer: what dies, what hangs, what is cut off, what moves, what blocks."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault under a name, and the scenario in which it happens."""

    name: str
    scenario: Scenario

    @property
    def fault(self) -> str:
        """The fault's name in the catalogue."""
        return self.scenario.faults[0].name


def cases(topology: Topology) -> tuple[Case, ...]:
    """Give a case, or several, of every fault of the catalogue that *topology* can suffer."""
    found = []
    for name, fault in _faults(topology):
        scenario = _scenario(topology, name, fault)
        if scenario is not None:
            found.append(Case(name, scenario))
    return tuple(found)


def chosen(topology: Topology, words: Sequence[str]) -> tuple[Case, ...]:
    """Give the cases that *words* mean: ``none``, ``representative``, ``all``, names of faults or of cases.

    Raises:
        RmqhaError: a word means no case, is empty, or there is none.
    """
    known = cases(topology)
    if not words or "" in words:
        faults = ", ".join(dict.fromkeys(case.fault for case in known))
        found = "an empty word" if words else "no word"
        allowed = "none, representative, all, or names of faults with commas between"
        raise RmqhaError(f"--faults: found {found}; allowed: {allowed}; this design can suffer {faults}")
    wanted: set[str] = set()
    for word in words:
        if word == "none":
            continue
        if word in {"representative", "all"}:
            wanted |= {case.name for case in known if word == "all" or case.name in REPRESENTATIVE}
            continue
        meant = {case.name for case in known if word in {case.name, case.fault}}
        if not meant:
            names = [*CATALOGUE, *(case.name for case in known), "representative", "all", "none"]
            hint = did_you_mean(word, names)
            why = "the design cannot suffer it" if word in CATALOGUE else hint or f"one of {', '.join(names)}"
            raise RmqhaError(f"--faults: found {word!r}: {why}")
        wanted |= meant
    return tuple(case for case in known if case.name in wanted)


# -- faults ---------------------------------------------------------------------------------------------


def _faults(topology: Topology) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each fault as data, without its time, under the name of its case."""
    silent, refused = _silent_s(topology), _refused_s(topology)
    several = len(topology.brokers) > 1
    for who in ("leader", "follower") if several else ("leader",):
        yield from _of_broker(f"@{who}", who, silent, refused)
    yield "host_power_loss-leader", {"fault": "host_power_loss", "host": "@leader", "for": silent}
    yield "link_down-leader", {"fault": "link_down", "host": "@leader", "for": silent}
    yield "packet_loss-leader", {"fault": "packet_loss", "host": "@leader", "share": 0.1, "for": 15}
    yield from _of_network(topology, silent)
    if topology.load_balancers:
        owner = "@vip_owner" if _owner_balances(topology) else topology.load_balancers[0]
        yield from _of_balancer(topology, owner, owner.removeprefix("@"))
    if topology.keepalived:
        yield from _of_vrrp(topology)
    yield "site_power_loss-all", {"fault": "site_power_loss", "for": 5}
    for layer in ("brokers", "haproxy", "keepalived"):
        yield f"rolling_restart-{layer}", {"fault": "rolling_restart", "layer": layer, "pause": 3}


def _of_broker(host: str, who: str, silent: int, refused: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for fault, lasts in (
        ("broker_kill", refused),
        ("broker_stop", refused),
        ("broker_stop_app", refused),
        ("broker_hang", silent),
        ("broker_restart", None),
    ):
        yield f"{fault}-{who}", {"fault": fault, "host": host} | ({"for": lasts} if lasts else {})
    if who == "follower":
        for fault in ("memory_alarm", "disk_alarm"):
            yield f"{fault}-{who}", {"fault": fault, "host": host, "for": 10}


def _of_network(topology: Topology, silent: int) -> Iterator[tuple[str, dict[str, Any]]]:
    hosts = list(topology.hosts)
    # One that is a broker and nothing else, where there is one: what a cut owner of the VIP does is another case.
    alone = next((host for host in topology.brokers if host not in topology.vrrp_hosts), topology.brokers[-1])
    others = [host for host in hosts if host != alone]
    rest = [*others, CLIENTS]
    yield "partition-broker", {"fault": "partition", "between": [[alone], rest], "for": silent}
    if others:
        cut = {"fault": "partition", "between": [[alone], others], "one_way": True, "for": silent}
        yield "partition-one_way", cut
    balancers = [host for host in topology.load_balancers if host not in topology.brokers]
    if balancers:
        between = [balancers[:1], list(topology.brokers)]
        yield "partition-balancer", {"fault": "partition", "between": between, "for": silent}
    yield "link_flap-broker", {"fault": "link_flap", "host": alone, "times": 3, "down": 1, "up": 1}


def _of_balancer(topology: Topology, owner: str, who: str) -> Iterator[tuple[str, dict[str, Any]]]:
    moved = _moved_s(topology)
    for fault in ("haproxy_kill", "haproxy_stop", "haproxy_hang", "haproxy_cannot_start"):
        yield f"{fault}-{who}", {"fault": fault, "host": owner, "for": moved}


def _of_vrrp(topology: Topology) -> Iterator[tuple[str, dict[str, Any]]]:
    assert topology.keepalived is not None
    moved = _moved_s(topology)
    owner = {"host": "@vip_owner", "for": moved}
    yield "keepalived_stop-vip_owner", {"fault": "keepalived_stop", **owner}
    for process in ("parent", "child", "both"):
        yield f"keepalived_kill-{process}", {"fault": "keepalived_kill", "process": process, **owner}
    yield "keepalived_hang-vip_owner", {"fault": "keepalived_hang", **owner}
    if topology.keepalived.scripts:
        yield "check_script_fail-vip_owner", {"fault": "check_script_fail", **owner}
        yield "check_script_hang-vip_owner", {"fault": "check_script_hang", **owner}
    if len(topology.vrrp_hosts) > 1:
        between = [["@vip_owner"], ["@vip_backup"]]
        yield "partition-vrrp", {"fault": "partition", "between": between, "for": moved}
    yield "host_power_loss-vip_owner", {"fault": "host_power_loss", **owner}
    yield "host_reboot-vip_owner", {"fault": "host_reboot", "host": "@vip_owner"}
    yield "link_down-vip_owner", {"fault": "link_down", **owner}


def _owner_balances(topology: Topology) -> bool:
    return bool(topology.vrrp_hosts) and set(topology.vrrp_hosts) <= set(topology.load_balancers)


# -- times ----------------------------------------------------------------------------------------------


def _bounded(seconds: Iterable[float]) -> int:
    finite = [each for each in seconds if math.isfinite(each)]
    return max(_SHORTEST_S, min(_LONGEST_S, math.ceil(max(finite, default=_SHORTEST_S)) + 3))


def _refused_s(topology: Topology) -> int:
    return _bounded(balancer.refused(topology, each).max_s for _, each in balancer.amqp_listeners(topology))


def _silent_s(topology: Topology) -> int:
    # Ten seconds at least: that long RabbitMQ's own failure detector may take (Aten, 5 s x 2).
    return _bounded([10, *(balancer.silent(topology, each).max_s for _, each in balancer.amqp_listeners(topology))])


def _moved_s(topology: Topology) -> int:
    keepalived = topology.keepalived
    if keepalived is None:
        return _SHORTEST_S + 2
    name = next(iter(keepalived.instances))
    owner = vrrp.preferred(topology, name)
    spans = [
        vrrp.takeover_silent(topology, name, owner),
        vrrp.haproxy_failover(topology, name, owner),
        vrrp.haproxy_failover(topology, name, owner, frozen=True),
    ]
    return _bounded(span.max_s for span in spans)


# -- scenarios ------------------------------------------------------------------------------------------


def _scenario(topology: Topology, name: str, fault: dict[str, Any]) -> Scenario | None:
    """Make the scenario of *fault*; nothing where the design cannot suffer it."""
    lasts = fault.get("for")
    after = _AFTER_S if fault["fault"] != "site_power_loss" else _COLD_START_S
    timed = {key: f"{value}s" if key in {"for", "pause", "down", "up"} else value for key, value in fault.items()}
    scenario = Scenario.model_validate(
        {
            "name": name,
            "workload": workload(topology),
            "faults": [{"at": f"{_BEFORE_S}s", **timed}],
            "duration": f"{_BEFORE_S + (lasts or _own_length_s(topology, fault)) + after}s",
        }
    )
    return None if scenario.problems(topology) else scenario


def _own_length_s(topology: Topology, fault: dict[str, Any]) -> int:
    """Give about how long a fault takes that ends by itself; the runner waits for its end anyway."""
    match fault["fault"]:
        case "rolling_restart":
            hosts = {"brokers": topology.brokers, "haproxy": topology.load_balancers}.get(
                fault["layer"], topology.vrrp_hosts
            )
            return len(hosts) * (18 if fault["layer"] == "brokers" else 6)
        case "link_flap":
            return int(fault["times"] * (fault["down"] + fault["up"]))
        case _:
            return 20
