"""How soon load balancers mark a broker DOWN, and UP again, for each fate of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from rmqha_model.timers import Span, balancer
from rmqha_model.timers.span import never
from simulation.budget_spans import NOTHING, broker_back, broker_boot, closes, host_boot, later, unknown
from simulation.budget_words import Figure
from simulation.machines.partition import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmqha_model.topology import Topology
    from simulation.budget_incidents import Incident

__all__ = ["detection", "down", "rejoins", "watchers"]

PING_CYCLE_S = 8.0
"""net_setuptime 7 s, and a second until the next attempt: simulation.machines.reconnecting."""


def detection(topology: Topology, incident: Incident) -> Iterator[Figure]:
    """Give, for each listener, when the load balancers that can notice mark the broker DOWN, and UP again."""
    host = next(iter(incident.brokers), None)
    who = watchers(topology, incident)
    if host is None or not who or incident.brokers[host] in {"alarmed", "flapping"}:
        return
    for name, listener in balancer.proxies(topology):
        if listener.servers and host not in listener.servers:
            continue
        span, may_not, bound = down(topology, incident, host, listener)
        yield Figure("down", name, who, span, may_not=may_not, bound=bound)
        if span.min_s < math.inf:
            since, span = _up(topology, incident, host, listener)
            yield Figure("up", name, who, span, since=since)


def watchers(topology: Topology, incident: Incident) -> str:
    """Say which load balancers can notice; nothing where none can."""
    seeing = [host for host in topology.load_balancers if host not in incident.balancers]
    if not seeing:
        return ""
    return "each load balancer" if len(seeing) == len(topology.load_balancers) else ", ".join(seeing)


def _is_neighbour(topology: Topology, host: str) -> bool:
    """Tell whether load balancers ask for its address themselves, as they stand in its network."""
    network = topology.hosts[host].address.network
    return any(topology.hosts[other].address.network == network for other in topology.load_balancers)


def down(topology: Topology, incident: Incident, host: str, listener: balancer.Proxy) -> tuple[Span, bool, str]:
    """Give when *listener* marks *host* DOWN, whether it need not come to that, and why this is a bound only."""
    fate = incident.brokers[host]
    bound = ""
    if fate == "hung":
        return balancer.frozen(topology, listener), False, ""
    if fate in {"powerless", "cut"}:
        # A packet filter drops what a neighbour is sent, and lets it be found all the same.
        near = incident.fault != "partition" and _is_neighbour(topology, host)
        return balancer.silent(topology, listener, neighbour=near), False, ""
    span = balancer.refused(topology, listener)
    if fate != "killed":
        span = later(closes(topology, host, fate), span)
    if fate == "rebooted":
        silent = later(closes(topology, host, fate), balancer.silent(topology, listener))
        bound = "checks are refused while it stops and meet silence while it boots"
        span = replace(span, max_s=max(span.max_s, silent.max_s), uneven_mean_s=None)
    back = broker_back(topology, host, fate)
    if back is None or not span.is_bounded or span.max_s <= back.min_s:
        return span, False, bound
    if span.min_s >= back.max_s:
        return never(f"it is back before ({back.formula})", span.source, span.versions), False, bound
    capped = replace(span, max_s=min(span.max_s, back.max_s), formula=f"{span.formula}, unless back before")
    return capped, True, bound


def _up(
    topology: Topology, incident: Incident, host: str, listener: balancer.Proxy
) -> tuple[Literal["fault", "undone"], Span]:
    """Give when it is UP again: since the fault where it comes back by itself, else since that was undone."""
    fate = incident.brokers[host]
    after = balancer.back_up(topology, listener, was_silent=fate == "cut")
    if fate in {"restarted", "rebooted"}:
        return "undone", after  # It is over when the broker serves again.
    back = broker_back(topology, host, fate)
    if back is not None:
        return "fault", later(back, after)
    returns = {
        "stopped": broker_boot(topology, host),
        "app_stopped": broker_boot(topology, host, vm=False),
        "powerless": later(host_boot(topology, host), broker_boot(topology, host)),
    }.get(fate, NOTHING)
    span = later(returns, after)
    pause = rejoins(topology, host, fate)
    if pause is not None:
        words = f"{span.formula}; if the others had called it down before: + ({pause.formula})"
        span = replace(span, max_s=span.max_s + pause.max_s, formula=words, uneven_mean_s=span.mean_s)
    return "undone", span


def rejoins(topology: Topology, host: str, fate: str) -> Span | None:
    """Give how long a broker does not serve that finds itself in a minority once it is heard again; ``None``: it does.

    One that was cut off has paused already, and has to meet the others first; one that was frozen finds its links
    closed, and pauses then.
    """
    strategy = Strategy.from_design(topology)
    if fate not in {"hung", "cut"} or (strategy.may_serve(frozenset({host})) and not strategy.heals):
        return None
    tries = PING_CYCLE_S if fate == "cut" else 1.0
    meets = unknown(0, tries, "attempts to reach the others", "otp dist_util.erl setup_timer; rabbit_node_monitor.erl")
    looks = unknown(0, 1, "its look for them", "rabbit_node_monitor.erl RABBIT_DOWN_PING_INTERVAL")
    closed = closes(topology, host, "paused") if fate == "hung" else NOTHING
    return later(later(closed, later(meets, looks)), broker_boot(topology, host, vm=False))
