"""A run as a story: one line for each thing that changed, with its time and what that time is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rmqha_model.events import (
    Alarm,
    AnyEvent,
    Attempt,
    BrokerState,
    Confirmed,
    Connection,
    Delivered,
    Event,
    FaultBegan,
    FaultUndone,
    HaproxyState,
    HostState,
    Nacked,
    Peers,
    Published,
    QueueLeader,
    Returned,
    ServerState,
    Unknown,
    VipHeld,
    VrrpState,
)

if TYPE_CHECKING:
    from rmqha_model.timeline import Timeline
    from simulation.machines.clocks import Reason
    from simulation.processes.world import Stall

__all__ = ["because", "story"]

_FLOWS = (Published, Confirmed, Nacked, Returned, Unknown, Delivered)
"""What is too many for a line each; a pause in it is told instead."""

_PAUSE_S = 1.0
"""A longer pause between two confirms, or two deliveries, is told."""


_SPELL_S = 10.0
"""Failures of fresh connections that are further apart are two spells."""


def story(
    timeline: Timeline, reasons: dict[int, Reason] | None = None, stalls: Iterable[Stall] = ()
) -> Iterator[tuple[float, str]]:
    """Give instant and words of each change from the first fault on.

    *reasons* are by the index of the event; *stalls* are told only of a prediction, as nobody sees them.
    """
    begin = timeline.first_fault_s or 0.0
    pauses = sorted([*_pauses(timeline, begin), *_attempts(timeline, begin), *_stalls(stalls)])
    for index, event in enumerate(timeline.events):
        if event.t < begin or isinstance(event, (*_FLOWS, Attempt)):
            continue
        words = _words(event)
        if not words:
            continue
        while pauses and pauses[0][0] < event.t:
            yield pauses.pop(0)
        why = because((reasons or {}).get(index, ()))
        yield event.t, f"{words}: {why}" if why else words
    yield from pauses


def because(reason: Reason) -> str:
    """Give what a time is made of, in words: ``wait for the next check 2.40 s + 2 x inter 10.00 s``."""
    return " + ".join(f"{words} {seconds:.2f} s" for words, seconds in reason if seconds >= 0.005)


def _words(event: AnyEvent | Event) -> str:  # noqa: PLR0911 - a line for each kind
    match event:
        case FaultBegan():
            return f"{event.fault} begins on {', '.join(event.hosts)}"
        case FaultUndone():
            return f"{event.fault} of {', '.join(event.hosts)} is undone"
        case HostState():
            return f"{event.host} {'has power' if event.on else 'has lost its power'}"
        case HaproxyState():
            return f"haproxy@{event.host} {'listens' if event.up else 'no longer listens'}"
        case ServerState():
            return _server(event)
        case VrrpState():
            return f"keepalived@{event.host}: {event.instance} is {event.state}"
        case VipHeld():
            return f"{event.address} {'is on' if event.held else 'leaves'} {event.host}"
        case BrokerState():
            return f"broker@{event.host} {'listens' if event.up else 'no longer listens'}"
        case Peers():
            cut = f", partitioned from {', '.join(event.partitioned)}" if event.partitioned else ""
            return f"broker@{event.host} sees {', '.join(event.running)} running{cut}"
        case Alarm():
            return f"broker@{event.host}: {event.resource} alarm {'raised' if event.on else 'cleared'}"
        case QueueLeader():
            step = f", in step: {', '.join(event.in_step)}" if event.in_step else ""
            return f"queue {event.queue} is led by {event.leader or 'nobody'}{step}"
        case Connection():
            why = f" ({event.reason})" if event.reason else ""
            return f"client {event.client} {event.state} at {event.endpoint}{why}"
        case _:
            return ""


def _server(event: ServerState) -> str:
    """``haproxy@rabbit1 marks rabbit2 DOWN (3/3)``, or a check that brought it nearer to that."""
    most = event.rise + event.fall - 1
    if event.up:
        missed = most - event.health
        said = "UP" if not missed else f"going down ({missed}/{event.fall})"
    else:
        said = "DOWN" if not event.health else f"going up ({event.health}/{event.rise})"
    code = f" {event.check}" if event.check else ""
    return f"haproxy@{event.host} has {event.proxy}/{event.server} {said}{code}"


def _stalls(stalls: Iterable[Stall]) -> Iterator[tuple[float, str]]:
    for stall in stalls:
        if stall.end - stall.begin > _PAUSE_S:
            yield stall.begin, f"queue {stall.queue} confirms nothing any more"
            if stall.end < math.inf:
                yield stall.end, f"queue {stall.queue} confirms again, after {stall.end - stall.begin:.2f} s"


def _pauses(timeline: Timeline, begin: float) -> Iterator[tuple[float, str]]:
    """Tell each pause of confirms and of deliveries at its end."""
    flows = (("confirms", timeline.only(Confirmed)), ("deliveries", timeline.only(Delivered)))
    for words, events in flows:
        last: dict[str, float] = {}
        for event in events:
            before = last.get(event.client, event.t)
            last[event.client] = event.t
            if event.t >= begin and event.t - before > _PAUSE_S:
                yield event.t, f"client {event.client} has {words} again, after {event.t - before:.2f} s without"


def _attempts(timeline: Timeline, begin: float) -> Iterator[tuple[float, str]]:
    """Tell when a probe's fresh connections begin to fail, and when they have ceased to."""
    tried: dict[str, list[Attempt]] = {}
    for attempt in timeline.only(Attempt):
        if attempt.t >= begin:
            tried.setdefault(attempt.client, []).append(attempt)
    for client, attempts in tried.items():
        failed = [number for number, attempt in enumerate(attempts) if attempt.outcome != "ok"]
        for first, last in _episodes(attempts, failed):
            spell = attempts[first : last + 1]
            bad = [attempt for attempt in spell if attempt.outcome != "ok"]
            how = ", ".join(dict.fromkeys(attempt.outcome for attempt in bad))
            yield spell[0].t, f"probe {client}: fresh connections begin to fail ({how})"
            if last + 1 < len(attempts):
                share = f"{len(bad)} of {len(spell)} failed"
                yield attempts[last + 1].t, f"probe {client}: fresh connections succeed again; {share}"


def _episodes(attempts: list[Attempt], failed: list[int]) -> Iterator[tuple[int, int]]:
    """Give first and last failure of each spell, between which no long time passed without one."""
    spell: list[int] = []
    for number in failed:
        if spell and attempts[number].t - attempts[spell[-1]].t > _SPELL_S:
            yield spell[0], spell[-1]
            spell = []
        spell.append(number)
    if spell:
        yield spell[0], spell[-1]
