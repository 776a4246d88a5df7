"""What clients see: fresh connections that fail, publishers without confirms, consumers without deliveries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rmqha_model.haproxy import AmqpListener, AmqpsListener
from rmqha_model.timers import Span, balancer, client
from simulation.budget_addresses import move
from simulation.budget_detection import down
from simulation.budget_doors import PATIENCE_S, Door, Shut, doors, gives_up, shut
from simulation.budget_queues import NO_STALL, kinds, stall
from simulation.budget_spans import NOTHING, broker_back, first, later, longest
from simulation.budget_words import Figure

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.topology import Topology
    from simulation.budget_incidents import Incident
    from simulation.budget_queues import Stall
    from simulation.budget_words import Measure

__all__ = ["Seen", "seen"]

SETS_UP_S = (0.0, 0.1)
"""From a connection that is open to the first confirm or delivery on it: round trips, measured in the lab."""

EVEN = frozenset({"roundrobin", "static-rr"})
"""Algorithms that send a dead server its share of connections whatever happens to them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What clients see of an incident, and whether it cuts connections."""

    figures: tuple[Figure, ...]
    cuts: bool


@dataclass(frozen=True, slots=True)
class _Dead:
    """A dead broker behind load balancers that do not know it yet."""

    until: Span
    """When they do, or it is back."""
    meets: Span
    """What a connection that is given to it costs."""
    through: bool
    hangs: bool
    """Whether it is accepted and hears nothing."""
    bound: str = ""


@dataclass(frozen=True, slots=True)
class _Cut:
    """Connections that are lost, and until when they cannot be made anew."""

    who: str
    publisher: Span
    consumer: Span
    closed: Span = NOTHING
    tries: float = 0.0
    """How long an attempt may take that begins before that."""
    vain: float = 0.0
    """How long attempts may take that meet what hangs before one that works."""
    may_live: bool = False
    since: Literal["fault", "undone"] = "fault"
    after_undone: Span | None = None
    bound: str = ""


def seen(topology: Topology, incident: Incident, what: Client) -> Seen:
    """Give what *what* sees."""
    all_doors = doors(topology, what)
    closed = {door: found for door in all_doors if (found := shut(topology, incident, door, what)) is not None}
    dead = _behind(topology, incident, what, all_doors)
    cuts = [*_by_door(what, all_doors, closed, dead)]
    if not any(cut.who == "all" for cut in cuts):
        cuts += _by_broker(topology, incident, what, dead)
    cuts += _by_failback(topology, incident, what, all_doors)
    figures = [*_outage(topology, what, all_doors, closed, None if _all_brokers(topology, incident) else dead)]
    if _all_brokers(topology, incident):
        # Doors open before brokers are back.
        after = stall(topology, incident, "quorum").after_undone
        figures = [replace(one, after_undone=after) for one in figures]
    for kind in kinds(topology):
        still = stall(topology, incident, kind)
        again = "rebooted" in incident.brokers.values()
        figures += _gaps(what, kind, still, cuts, one_after_the_other=again)
    return Seen(tuple(figures), bool(cuts))


def _all_brokers(topology: Topology, incident: Incident) -> bool:
    fates = set(incident.brokers.values())
    return len(incident.brokers) == len(topology.brokers) and not {"alarmed", "flapping"} & fates


# -- fresh connections --------------------------------------------------------------------------------


def _listener(topology: Topology, what: Client) -> balancer.Proxy | None:
    if topology.haproxy is None:
        return None
    try:
        found = topology.haproxy.listeners[topology.listener_of(what)]
    except KeyError:
        return None
    return found if isinstance(found, AmqpListener | AmqpsListener) else None


def _behind(topology: Topology, incident: Incident, what: Client, all_doors: tuple[Door, ...]) -> _Dead | None:
    listener = _listener(topology, what)
    host, fate = next(iter(incident.brokers.items()), ("", None))
    if listener is None or fate in {None, "alarmed", "flapping"} or all(door.kind == "broker" for door in all_doors):
        return None
    if listener.servers and host not in listener.servers:
        return None
    until, _, bound = down(topology, incident, host, listener)
    back = broker_back(topology, host, str(fate))
    if back is not None:
        until = first(until, back)
    if fate == "hung":
        return _Dead(until, NOTHING, through=False, hangs=True, bound=bound)
    is_silent = fate in {"powerless", "cut"}
    meets, through = balancer.first_attempt(topology, listener, is_silent=is_silent)
    return _Dead(until, meets, through, hangs=False, bound=bound)


def _outage(
    topology: Topology, what: Client, all_doors: tuple[Door, ...], closed: dict[Door, Shut], dead: _Dead | None
) -> Iterator[Figure]:
    spans: list[Span] = []
    shares: list[str] = []
    after: Span | None = None
    bound = ""
    open_doors = len(all_doors) - len(closed)
    hanging = [one for one in closed.values() if one.how == "hangs"]
    if closed and not open_doors:
        found = first(*(one.fails for one in closed.values()))
        afters = [one.after_undone for one in closed.values() if one.after_undone is not None]
        if found.max_s:
            spans.append(found)
            shares.append("all")
            after = afters[0] if afters and found.is_never else None
    elif hanging and (found := longest(*(one.fails for one in hanging))).max_s:
        # Who tries another endpoint first never meets it; who meets it has no patience left for the others.
        spans.append(found)
        shares.append(f"{len(hanging)} of {len(all_doors)}")
        after = next((one.after_undone for one in hanging if one.after_undone is not None), None)
    listener = _listener(topology, what)
    if dead and listener and (dead.hangs or not dead.through or dead.meets.max_s >= PATIENCE_S):
        servers = len(listener.servers or topology.brokers)
        even = listener.balance in EVEN
        span = dead.until if even else replace(dead.until, min_s=0.0, formula=f"0..({dead.until.formula})")
        if not even and math.isinf(dead.until.max_s):
            span = replace(span, max_s=math.inf)
        spans.append(replace(span, uneven_mean_s=None) if not even else span)
        shares.append(f"1 of {servers}" if even else f"what {listener.balance} gives it")
        bound = dead.bound or ("" if even else f"{listener.balance} need not choose it")
        after = after or (NOTHING if dead.until.is_never else None)
    if spans:
        share = ", then ".join(shares)
        yield Figure("outage", "fresh connections", "", longest(*spans), share=share, after_undone=after, bound=bound)


# -- connections that are lost ------------------------------------------------------------------------


def _by_door(what: Client, all_doors: tuple[Door, ...], closed: dict[Door, Shut], dead: _Dead | None) -> Iterator[_Cut]:
    """Give those who are connected through a door that is shut; all that a fault shuts are shut alike."""
    if not closed:
        return
    patience = what.reconnect.connect_timeout.s
    hanging = sum(one.how == "hangs" and one.fails.max_s > 0 for one in closed.values())
    one = next(iter(closed.values()))
    if len(all_doors) > len(closed):
        # In a random order: it may try each that hangs before one that works.
        # One that is accepted and not answered has twice the time.
        twice = 2 if next(iter(closed)).kind == "broker" else 1
        vain = hanging * twice * patience
        yield _Cut("connected to it", one.publisher_cut, one.consumer_cut, vain=vain, may_live=one.may_live)
        return
    fails = first(*(each.fails for each in closed.values()))
    tries = patience if hanging else 0.0
    after, lives = one.after_undone, one.may_live
    cut = _Cut("all", one.publisher_cut, one.consumer_cut, fails, tries, after_undone=after, may_live=lives)
    yield cut if dead is None else _given_to(cut, what, dead)


def _by_failback(topology: Topology, incident: Incident, what: Client, all_doors: tuple[Door, ...]) -> Iterator[_Cut]:
    """Give those whose address moves back: they are reset when they next speak, a consumer with its heartbeat."""
    moves = [move(topology, incident, door.name) for door in all_doors if door.kind == "address"]
    if any(found and found.back.is_bounded and found.taken.min_s < math.inf for found in moves):
        half = client.next_segment(topology, what)
        yield _Cut("when the address moves back", NOTHING, half, since="undone")


def _by_broker(topology: Topology, incident: Incident, what: Client, dead: _Dead | None) -> Iterator[_Cut]:
    """Give those who are connected through load balancers that are well, to a broker that is not."""
    fate = next(iter(incident.brokers.values()), None)
    listener = _listener(topology, what)
    if dead is None or fate is None or listener is None or len(incident.brokers) == len(topology.brokers):
        return
    publisher = consumer = NOTHING
    if fate in {"hung", "powerless", "cut"}:
        publisher, consumer = (gives_up(topology, what, publishes=each) for each in (True, False))
        if listener.server.on_marked_down is not None:
            publisher, consumer = first(dead.until, publisher), first(dead.until, consumer)
    cut = _Cut("connected to it", publisher, consumer)
    yield cut if _known_before(dead, publisher) else _given_to(cut, what, dead)


def _given_to(cut: _Cut, what: Client, dead: _Dead) -> _Cut:
    """Take in that a new connection may be given to a broker that is dead while its load balancer does not know it."""
    if dead.through:
        return replace(cut, vain=cut.vain + dead.meets.max_s, bound=dead.bound)
    costs = 2 * what.reconnect.connect_timeout.s if dead.hangs else dead.meets.max_s
    until = replace(dead.until, min_s=0.0, uneven_mean_s=None)
    return replace(
        cut,
        closed=longest(cut.closed, until),
        tries=max(cut.tries, costs),
        after_undone=cut.after_undone or (NOTHING if until.max_s == math.inf else None),
        bound="a client may be given the dead broker again and again" if costs else dead.bound,
    )


def _known_before(dead: _Dead, cut: Span) -> bool:
    return dead.until.max_s <= cut.min_s or cut.formula == dead.until.formula


def _again(what: Client, cut: Span, lost: _Cut) -> Span:
    """Give when a client that lost its connection at *cut* works again."""
    pause = client.reconnect(what)
    works = Span(*SETS_UP_S, f"set-up {SETS_UP_S[0]:g}..{SETS_UP_S[1]:g}", "measured in the lab", "pika 1.3")
    base = later(cut, pause)
    if lost.may_live:
        base = replace(base, min_s=cut.min_s, formula=f"{base.formula}; the connection may live on", uneven_mean_s=None)
    if lost.vain:
        formula = f"{base.formula} + an attempt in vain 0..{lost.vain:g}"
        base = replace(base, max_s=base.max_s + lost.vain, formula=formula, uneven_mean_s=None)
    if lost.closed.max_s <= base.min_s:
        return later(base, works)
    low, high = max(base.min_s, lost.closed.min_s), max(base.max_s, lost.closed.max_s + lost.tries + pause.max_s)
    formula = f"({base.formula}), and again after each attempt in vain until ({lost.closed.formula})"
    mean = max(base.mean_s, lost.closed.mean_s + pause.mean_s)
    return later(Span(low, high, formula, base.source, base.versions, mean), works)


def _gaps(what: Client, kind: str, still: Stall, cuts: list[_Cut], *, one_after_the_other: bool) -> Iterator[Figure]:
    """Give the gaps of a publisher and of a consumer, by where they are connected.

    *one_after_the_other*: daemons of the host do not stop together, so what clients wait for may come in turn.
    """
    everybody = any(cut.who == "all" for cut in cuts)
    if not everybody:
        who = "connected elsewhere" if any(cut.since == "fault" for cut in cuts) else "all"
        for measure, span in _both(still.publish, still.consume):
            yield Figure(measure, kind, who, span, after_undone=_after(span, still), bound=still.bound)
    for who in dict.fromkeys(cut.who for cut in cuts):
        mine = [cut for cut in cuts if cut.who == who]
        bounds = "; ".join(dict.fromkeys(each for each in (*(cut.bound for cut in mine), still.bound) if each))
        undone = [cut.after_undone for cut in mine if cut.after_undone is not None]
        since = mine[0].since
        stands = still if since == "fault" else NO_STALL
        publish = longest(stands.publish, *(_again(what, cut.publisher, cut) for cut in mine))
        consume = longest(stands.consume, *(_again(what, cut.consumer, cut) for cut in mine))
        if one_after_the_other and stands.publish.is_bounded:
            bounds = bounds or "the host's daemons stop one after the other"
            publish = replace(publish, max_s=publish.max_s + stands.publish.max_s)
        for measure, span in _both(publish, consume):
            after = _after(stands.publish if measure == "confirm gap" else stands.consume, stands)
            if after is None and not span.is_bounded:
                after = later(undone[0] if undone else NOTHING, client.reconnect(what))
            yield Figure(measure, kind, who, span, since, after_undone=after, bound=bounds)


def _both(publish: Span, consume: Span) -> tuple[tuple[Measure, Span], ...]:
    return ("confirm gap", publish), ("consumer gap", consume)


def _after(span: Span, still: Stall) -> Span | None:
    return None if span.is_bounded else still.after_undone
