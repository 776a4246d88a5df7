"""What clients connect to (an address, a load balancer, a broker), and for how long a fault shuts it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rmqha_model.timers import Span, client, kernel
from rmqha_model.timers.span import never
from simulation.budget_addresses import move
from simulation.budget_spans import (
    NOTHING,
    broker_back,
    broker_boot,
    first,
    haproxy_back,
    haproxy_start,
    host_boot,
    later,
    less,
    unknown,
)

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.topology import Topology
    from simulation.budget_addresses import Move
    from simulation.budget_incidents import Incident

__all__ = ["PATIENCE_S", "Door", "Shut", "doors", "gives_up", "shut"]

PATIENCE_S = 2.0
"""How long a fresh connection may take before it has failed: what a scenario's probe waits if it says nothing."""

SYN_AGAIN_S = 1.0
"""When a client's SYN that was lost is sent again: TCP_TIMEOUT_INIT, include/net/tcp.h; within that patience."""

LOOK_S = 0.1
"""Between a client's looks for a confirm that is too late: integration/clients/publish.py."""

CLOSE_S = 2.0
"""How long a client waits for an answer to its close: integration/clients/session.py."""

SENDS_S = 0.05
"""Between messages of a publisher: a scenario's 20 a second."""


@dataclass(frozen=True, slots=True)
class Door:
    """One of the endpoints that a client tries."""

    kind: Literal["address", "balancer", "broker"]
    name: str
    """The instance, or the host."""


@dataclass(frozen=True, slots=True)
class Shut:
    """What a fault does to a door."""

    fails: Span
    """How long fresh connections fail; ends only with the fault where that is never."""
    how: Literal["refuses", "hangs"]
    """Whether they are told at once."""
    publisher_cut: Span
    """How long a publisher that is connected through it hears nothing before it learns that its connection is gone."""
    consumer_cut: Span
    after_undone: Span | None = None
    may_live: bool = False
    """Whether connections may live on: the address may come back to where it was."""


def doors(topology: Topology, what: Client) -> tuple[Door, ...]:
    """Give the endpoints that *what* tries."""
    if isinstance(what.endpoints, tuple):
        ports = {listener.port for listener in topology.haproxy.listeners.values()} if topology.haproxy else set()
        return tuple(
            Door("balancer" if one.host in topology.load_balancers and one.port in ports else "broker", one.host)
            for one in what.endpoints
        )
    way = topology.way_of(what)
    if way == "brokers":
        return tuple(Door("broker", host) for host in topology.brokers)
    if way == "load_balancers":
        return tuple(Door("balancer", host) for host in topology.load_balancers)
    assert topology.keepalived is not None
    chosen = topology.keepalived.instances if what.instances is None else what.instances
    return tuple(Door("address", name) for name in chosen for _ in topology.keepalived.instances[name].ips)


def shut(topology: Topology, incident: Incident, door: Door, what: Client) -> Shut | None:
    """Give what becomes of *door*; ``None`` where nothing does."""
    if door.kind == "address":
        return _address(topology, incident, door.name, what)
    if door.kind == "balancer":
        return _balancer(topology, incident, door.name, what)
    return _broker(topology, incident, door.name, what)


def gives_up(topology: Topology, what: Client, *, publishes: bool) -> Span:
    """How soon a client gives up a peer that says nothing more: by heartbeats, or a publisher for want of a confirm."""
    notices = client.client_notices(topology, what)
    if publishes and what.confirms:
        limit = what.confirm_timeout.s
        words = f"confirm_timeout {limit:g} + its look 0..{LOOK_S:g}"
        notices = first(notices, Span(limit, limit + LOOK_S, words, "clients of this design", "all"))
    return later(notices, unknown(0, CLOSE_S, "it closes, unanswered", "integration/clients/session.py", "pika 1.3"))


# -- addresses ----------------------------------------------------------------------------------------


def _address(topology: Topology, incident: Incident, name: str, what: Client) -> Shut | None:
    found = move(topology, incident, name)
    owner = found.owner if found else _owner(topology, name)
    balancer = incident.balancers.get(owner)
    if balancer in {"killed", "restarted", "stopped", "broken", "frozen"}:
        return _dead_haproxy(topology, found, owner, str(balancer), what)
    if found is None:
        return None
    half = client.next_segment(topology, what)
    fails = less(found.absent, SYN_AGAIN_S, "the SYN that is sent again after") if found.absent.max_s else NOTHING
    if incident.fault == "link_flap" and found.absent.is_bounded:
        # What is sent again may meet the next loss of the carrier.
        fails = replace(fails, max_s=found.absent.max_s, formula=found.absent.formula, uneven_mean_s=None)
    if found.taken.is_never:
        lost = incident.vrrp.get(owner) in {"powerless", "cut", "unplugged"}
        silent = gives_up(topology, what, publishes=True), gives_up(topology, what, publishes=False)
        if lost or found.absent.is_never:
            return Shut(found.taken, "hangs", *silent, after_undone=found.back)
        return None
    if incident.vrrp.get(owner) in {"hung", "apart"} or not found.absent.max_s:
        # All is well until its neighbours follow the new owner's gratuitous ARP; who has a connection is reset when it
        # next speaks.
        return Shut(NOTHING, "hangs", NOTHING, half)
    begin = found.taken if incident.vrrp.get(owner) in {"powerless", "cut", "unplugged"} else found.absent
    idle = _spoken(kernel.resent(begin, min(half.max_s, begin.max_s)), half, together=True)
    lives = incident.vrrp.get(owner) == "child_killed"
    return Shut(fails, "hangs", kernel.resent(begin, SENDS_S), idle, may_live=lives)


def _spoken(cut: Span, half: Span, *, together: bool = False) -> Span:
    """When one that only listens learns of it: with its next heartbeat."""
    high = max(cut.max_s, half.max_s) if together else cut.max_s + half.max_s
    formula = f"{cut.formula}, or its next heartbeat {half.min_s:g}..{half.max_s:g}" + " after that" * (not together)
    return replace(cut, max_s=high, formula=formula, uneven_mean_s=None)


def _owner(topology: Topology, name: str) -> str:
    from rmqha_model.timers import vrrp

    return vrrp.preferred(topology, name)


def _dead_haproxy(topology: Topology, found: Move | None, owner: str, fate: str, what: Client) -> Shut:
    back = haproxy_back(topology, owner, fate)
    hangs = fate == "frozen"
    undone = NOTHING if hangs else haproxy_start()
    if found is None or found.taken.is_never:
        if back is not None:
            return Shut(back, "refuses", NOTHING, NOTHING)
        why = found.taken if found else never("nothing watches HAProxy", "keepalived", "all")
        if not hangs:
            return Shut(why, "refuses", NOTHING, NOTHING, after_undone=undone)
        silent = gives_up(topology, what, publishes=True), gives_up(topology, what, publishes=False)
        return Shut(why, "hangs", *silent, after_undone=undone)
    tail = less(found.absent, SYN_AGAIN_S, "SYN again after") if found.absent.max_s else NOTHING
    fails = later(found.released, tail) if tail.max_s else found.released
    if found.may_not:
        # What ends it otherwise: systemd, or the next run of the script that starts it.
        other = back or _healed(topology, found)
        low, high = min(fails.min_s, other.min_s), max(fails.max_s, other.max_s)
        fails = replace(fails, min_s=low, max_s=high, formula=f"({fails.formula}) or ({other.formula})")
        fails = replace(fails, uneven_mean_s=None)
    if not hangs:
        return Shut(fails, "refuses", NOTHING, NOTHING)
    half = client.next_segment(topology, what)
    silence = kernel.resent(found.absent, SENDS_S) if found.absent.max_s else NOTHING
    idle = _spoken(later(found.released, silence), half)
    return Shut(fails, "hangs", later(found.released, silence), idle)


def _healed(topology: Topology, found: Move) -> Span:
    from rmqha_model.keepalived import SelfHealingScript

    assert topology.keepalived is not None
    rests = [
        script.interval.s - script.wait.s
        for script in topology.keepalived.scripts.values()
        if isinstance(script, SelfHealingScript)
    ]
    rest = max([0.0, *rests])
    start = haproxy_start()
    return Span(start.min_s, rest + start.max_s, f"next run 0..{rest:g} + {start.formula}", found.taken.source, "all")


# -- hosts --------------------------------------------------------------------------------------------


def _balancer(topology: Topology, incident: Incident, host: str, what: Client) -> Shut | None:
    fate = incident.balancers.get(host)
    if fate is None:
        return None
    back = haproxy_back(topology, host, fate)
    if back is not None:
        return Shut(back, "hangs" if fate == "rebooted" else "refuses", NOTHING, NOTHING)
    if fate in {"stopped", "broken"}:
        return Shut(_until_undone(), "refuses", NOTHING, NOTHING, after_undone=haproxy_start())
    silent = gives_up(topology, what, publishes=True), gives_up(topology, what, publishes=False)
    after = later(host_boot(topology, host), haproxy_start()) if fate == "powerless" else NOTHING
    return Shut(_until_undone(), "hangs", *silent, after_undone=after)


def _broker(topology: Topology, incident: Incident, host: str, what: Client) -> Shut | None:
    fate = incident.brokers.get(host)
    if fate is None or fate in {"alarmed", "flapping"}:
        return None
    back = broker_back(topology, host, fate)
    if back is not None:
        return Shut(back, "refuses", NOTHING, NOTHING)
    if fate in {"stopped", "app_stopped"}:
        boots = broker_boot(topology, host, vm=fate == "stopped")
        return Shut(_until_undone(), "refuses", NOTHING, NOTHING, after_undone=boots)
    silent = gives_up(topology, what, publishes=True), gives_up(topology, what, publishes=False)
    boots = later(host_boot(topology, host), broker_boot(topology, host))
    after = boots if fate == "powerless" else NOTHING
    return Shut(_until_undone(), "hangs", *silent, after_undone=after)


def _until_undone() -> Span:
    return Span(math.inf, math.inf, "until undone", "", "")
