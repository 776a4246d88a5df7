"""Two faults at once: what follows when neither is over before the other begins.

The rule: what only one of them moves stays as it is; verdicts and moves keep their own times. What clients wait for
because of both takes at least as long as the longer one and at
most as long as both, one after the other: a bound only. Where both together take away what each alone leaves (the
majority of a queue, the last load balancer, the heir of an address), it lasts until one of them is undone.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rmqha_model.timers import Span, vrrp
from simulation.budget_doors import doors
from simulation.budget_queues import kinds, members, pauses
from simulation.budget_words import CLIENTS_SEE, Figure, Loss, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmqha_model.clients import Client
    from rmqha_model.topology import Topology
    from simulation.budget_incidents import Incident

__all__ = ["RULE", "pair"]

RULE = (
    "two faults that move the same thing take at least as long as the longer one, and at most as long as both one "
    "after the other: a bound"
)
_BOTH = "the longer of both, to both one after the other"
_GONE = {"killed", "stopped", "app_stopped", "hung", "restarted", "rebooted", "powerless", "cut"}


def pair(topology: Topology, what: Client, one: tuple[Incident, Row], other: tuple[Incident, Row]) -> Row:
    """Give what follows from both."""
    (first, mine), (second, theirs) = one, other
    figures: dict[tuple[str, str, str, str], Figure] = {figure.key: figure for figure in mine.figures}
    for figure in theirs.figures:
        before = figures.get(figure.key)
        figures[figure.key] = figure if before is None else _both(before, figure)
    for figure in _together(topology, what, first, second):
        if figure.measure != "outage":  # It holds for everybody, wherever connected.
            of = figure.measure, figure.subject
            figures = {key: each for key, each in figures.items() if (each.measure, each.subject) != of}
        figures[figure.key] = figure
    for kind in kinds(topology):
        # "Elsewhere" of one fault may be where the other one strikes.
        for measure in ("confirm gap", "consumer gap"):
            if (measure, kind, "all", "fault") in figures:
                figures.pop((measure, kind, "connected elsewhere", "fault"), None)
    losses = tuple(_lost(a, b) for a, b in zip(mine.losses, theirs.losses, strict=True))
    out = tuple(dict.fromkeys((*mine.leaves_out, *theirs.leaves_out)))
    return Row(mine.faults + theirs.faults, tuple(figures.values()), losses, out, in_use=mine.in_use)


def _both(one: Figure, other: Figure) -> Figure:
    if not other.happens:
        return one
    if not one.happens:
        return other
    a, b = one.span, other.span
    if one.measure not in CLIENTS_SEE:
        # Each has its own: a server's verdict, an address's move.
        span = Span(
            min(a.min_s, b.min_s), max(a.max_s, b.max_s), f"({a.formula}) or ({b.formula})", a.source, a.versions
        )
        return replace(one if a.max_s >= b.max_s else other, span=a if a == b else span)
    if a.is_never or b.is_never:
        span = a if a.is_never else b
        return replace(one if a.is_never else other, span=span)
    formula = f"({a.formula}) and ({b.formula})"
    mean = max(a.mean_s, b.mean_s)
    span = Span(max(a.min_s, b.min_s), a.max_s + b.max_s, formula, a.source, a.versions, mean)
    shares = ", ".join(dict.fromkeys(each for each in (one.share, other.share) if each))
    after = one.after_undone or other.after_undone
    return replace(one, span=span, share=shares, after_undone=after, may_not=one.may_not and other.may_not, bound=_BOTH)


def _lost(one: Loss, other: Loss) -> Loss:
    telling = [each for each in (one, other) if each.lost] or [one, other]
    words = "; ".join(dict.fromkeys(each.words for each in telling))
    return Loss(one.kind, one.lost or other.lost, words)


def _together(topology: Topology, what: Client, one: Incident, other: Incident) -> Iterator[Figure]:
    """Give what two take away together that each alone leaves."""
    hosts = _lost_brokers(topology, one, other)
    size = members(topology)
    if hosts > 1 and not pauses(topology, 1) and pauses(topology, hosts):
        for kind in kinds(topology):
            yield from _nothing(kind, "the brokers that are left are no majority, and pause")
    elif hosts > 1 and size - hosts < size // 2 + 1 <= size - 1:
        yield from _nothing("quorum", "its members that are left are no majority")
    if topology.keepalived:
        for name in topology.keepalived.instances:
            owner = vrrp.preferred(topology, name)
            heirs = set(topology.keepalived.members(name)) - {owner}
            hit = [one.vrrp.keys() | one.balancers.keys(), other.vrrp.keys() | other.balancers.keys()]
            if (owner in hit[0] and hit[1] >= heirs) or (owner in hit[1] and hit[0] >= heirs):
                yield from _no_door(topology, what, f"nobody is left for {name}")
    elif topology.load_balancers and set(topology.load_balancers) <= one.balancers.keys() | other.balancers.keys():
        yield from _no_door(topology, what, "no load balancer is left")


def _lost_brokers(topology: Topology, one: Incident, other: Incident) -> int:
    """Count brokers that are gone; faults of two roles hit two brokers, if there are as many."""
    a = [fate for fate in one.brokers.values() if fate in _GONE]
    b = [fate for fate in other.brokers.values() if fate in _GONE]
    same = one.leads and other.leads
    return min(len(topology.brokers), max(len(a), len(b)) if same else len(a) + len(b))


def _nothing(kind: str, why: str) -> Iterator[Figure]:
    forever = Span(math.inf, math.inf, why, "", "")
    yield Figure("confirm gap", kind, "all", forever)
    yield Figure("consumer gap", kind, "all", forever)


def _no_door(topology: Topology, what: Client, why: str) -> Iterator[Figure]:
    if all(door.kind == "broker" for door in doors(topology, what)):
        return
    yield Figure("outage", "fresh connections", "", Span(math.inf, math.inf, why, "", ""), share="all")
