"""What one HAProxy is told by the design: its listeners for AMQP, how each checks, connects and ends sessions."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.haproxy import AmqpListener, AmqpsListener, HttpCheck, ManagementListener
from rmqha_model.versions.version import Version
from simulation.machines import balancer, check_settings, connect_settings, session_settings

if TYPE_CHECKING:
    from rmqha_model.scenario import Scenario
    from rmqha_model.topology import Topology
    from simulation.machines.balancer import BalancerSettings
    from simulation.machines.check_settings import CheckSettings
    from simulation.machines.connect_settings import ConnectSettings
    from simulation.machines.session_settings import SessionSettings

__all__ = ["HostPlan", "ProxyPlan", "not_modelled", "plans"]

SPREAD_AT_START = (2, 8, 0)
"""Commit b93758cec, 2.8-dev12: `spread-checks` moves first checks too."""

RTO_S = 0.21
"""A balancer's own retransmission timeout on a local network, as its clients' was measured
(:data:`simulation.machines.session.CLIENT_RTO_S`)."""


@dataclass(frozen=True, slots=True)
class ProxyPlan:
    """A listener for AMQP."""

    name: str
    servers: tuple[str, ...]
    check: CheckSettings | None
    connect: ConnectSettings
    session: SessionSettings


@dataclass(frozen=True, slots=True)
class HostPlan:
    """HAProxy on one host."""

    process: BalancerSettings
    proxies: dict[str, ProxyPlan]
    checked: tuple[tuple[str, str], ...]
    """Proxy and server of each check in the order of the configuration, those of other listeners among them."""
    checks: tuple[CheckSettings, ...]
    spread_at_start: bool


def plans(topology: Topology) -> dict[str, HostPlan]:
    """Give what each of the design's HAProxies is told."""
    return _kept(topology.digest, _Design(topology)) if topology.haproxy else {}


class _Design:
    """A design that counts as equal to any other: what is kept is kept by its digest."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Design)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=64)
def _kept(_: str, design: _Design) -> dict[str, HostPlan]:
    return {host: _plan(design.topology, host) for host in design.topology.load_balancers}


def _plan(topology: Topology, host: str) -> HostPlan:
    assert topology.haproxy is not None
    proxies: dict[str, ProxyPlan] = {}
    checked: list[tuple[str, str]] = []
    checks: list[CheckSettings] = []
    for name, listener in topology.haproxy.listeners.items():
        if not isinstance(listener, AmqpListener | AmqpsListener | ManagementListener):
            continue
        check = check_settings.from_design(topology, name)
        servers = tuple(listener.servers or topology.brokers)
        if check is not None:
            checked += [(name, server) for server in servers]
            checks += [check] * len(servers)
        if not isinstance(listener, ManagementListener):
            proxies[name] = ProxyPlan(
                name,
                servers,
                check,
                connect_settings.from_design(topology, name),
                session_settings.from_design(topology, name, host, rto_s=RTO_S),
            )
    return HostPlan(
        balancer.from_design(topology, host),
        proxies,
        tuple(checked),
        tuple(checks),
        Version.parse(topology.versions.haproxy) >= SPREAD_AT_START,
    )


def not_modelled(topology: Topology, scenario: Scenario) -> Iterator[str]:
    """Say what is left out of what the design's HAProxys do in a scenario."""
    faults = {fault.name for fault in scenario.faults} if topology.haproxy else set()
    if "broker_hang" in faults:
        yield "the queue of connections that a frozen broker has not accepted never fills"
    if "packet_loss" in faults:
        yield "packet loss touches fresh connections only: health checks and sessions do not notice it"
    for name, listener in (topology.haproxy.listeners if topology.haproxy else {}).items():
        if isinstance(listener, ManagementListener):
            yield f"HAProxy's listener {name}: its servers are neither checked nor told of"
        if not isinstance(listener, AmqpListener | AmqpsListener):
            continue
        if isinstance(listener.check, HttpCheck):
            yield f"HAProxy's listener {name}: the management API it checks is taken to be there as AMQP is"
        limits = [listener.server.maxconn, *(server.maxconn for server in listener.servers.values())]
        if any(limits):
            yield f"HAProxy's listener {name}: a connection beyond maxconn of its servers is refused; none waits"
        if listener.server.on_marked_up:
            yield f"HAProxy's listener {name}: on_marked_up"
