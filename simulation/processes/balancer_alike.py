"""How attempts of a probe end that meet nothing worth a closer look, while nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulation.machines.wire import UNREACHABLE_US, us

if TYPE_CHECKING:
    from rmqha_model.events import Outcome
    from simulation.machines.balance import Balance
    from simulation.processes.balancer_endpoints import Endpoint
    from simulation.processes.balancer_trial import Prober, Sight
    from simulation.processes.balancers import LoadBalancers

__all__ = ["Alike", "alike", "next_server", "nowhere", "through"]


class Alike(NamedTuple):
    """What all of them get, after how many microseconds, and whose turns they pass by."""

    outcome: Outcome
    took: int
    balance: Balance | None = None


def nowhere(prober: Prober, sight: Sight) -> Alike | None:
    """Give how attempts fail whose only endpoint is not there, if that is how they end."""
    port, limit = sight.port, prober.limit
    if port.kind == "answering" or (port.accepts and sight.share > 0):
        return None
    if port.kind == "refused" and us(port.connect_s) < limit:
        return Alike("refused", us(port.connect_s))
    if port.kind == "unroutable" and limit > UNREACHABLE_US:
        return Alike("unreachable", UNREACHABLE_US)
    return Alike("timeout", limit)


def alike(owner: LoadBalancers, prober: Prober, endpoint: Endpoint, sight: Sight, *, alone: bool) -> Alike | None:
    """Give how attempts end at an endpoint that answers, if all that may be met there does so alike."""
    if not _speaks(endpoint, sight):
        return None
    port = sight.port
    if sight.met is None:
        took = us(port.connect_s) + us(port.answer_s) + (us(port.handshake_s) if prober.tls else 0)
        return Alike("ok", took) if took < prober.limit else None
    balance = sight.met.worker.proxies[endpoint.proxy].balance
    names = balance.takers()
    if not names:
        return Alike("reset", us(port.connect_s)) if alone else None
    first, *others = {through(owner, endpoint, sight, name) for name in names}
    return Alike("ok", first, balance) if first is not None and first < prober.limit and not others else None


def next_server(prober: Prober, endpoint: Endpoint, sight: Sight) -> str | None:
    """Take the turn of an attempt at an endpoint whose servers are not all alike; ``None`` where none is to be had."""
    if sight.met is None or not _speaks(endpoint, sight):
        return None
    return sight.met.worker.proxies[endpoint.proxy].balance.pick(source=prober.source)


def through(owner: LoadBalancers, endpoint: Endpoint, sight: Sight, server: str) -> int | None:
    """Give how many microseconds an attempt takes that is given to a server; ``None`` unless that is known."""
    assert sight.met is not None
    worker = sight.met.worker
    proxy = worker.proxies[endpoint.proxy]
    target = proxy.targets[server]
    if target.kind != "answering" or owner.loss(worker.host, server) > 0:
        return None
    took = us(sight.port.connect_s) + us(target.connect_s) + us(target.answer_s)
    return took + (us(target.handshake_s) if proxy.plan.connect.tls else 0)


def _speaks(endpoint: Endpoint, sight: Sight) -> bool:
    """Whether somebody answers at once, to all who come."""
    if sight.port.kind != "answering" or sight.share > 0:
        return False
    if sight.met is None:
        return True
    members = sight.met.worker.proxies[endpoint.proxy].balance.members
    return not any(member.maxconn for member in members.values())
