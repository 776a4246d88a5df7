"""Whether a timeline is as its scenario expects, bound by bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.events import (
    Alarm,
    Attempt,
    BrokerState,
    Connection,
    FaultBegan,
    FaultUndone,
    HostState,
    Peers,
    VipHeld,
)
from rmqha_model.faults import CATALOGUE
from rmqha_model.ledger import ledger
from rmqha_model.measures import confirm_gaps, consumer_gaps, detections, outages, ownership

if TYPE_CHECKING:
    from rmqha_model.expect import Expect
    from rmqha_model.timeline import Timeline

__all__ = ["Judgement", "judge", "unhealthy"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One bound of a scenario's ``expect``, for one client, address or load balancer, and what was found."""

    bound: str
    subject: str
    allowed: str
    found: str
    ok: bool

    def __str__(self) -> str:
        about = f" of {self.subject}" if self.subject else ""
        return f"{self.bound}{about}: found {self.found}; allowed: {self.allowed}"


def judge(timeline: Timeline) -> tuple[Judgement, ...]:
    """Judge a timeline by its scenario's bounds; what was not observed is judged as not kept, and says so."""
    expect = timeline.head.scenario.expect
    found = [*_of_connections(timeline, expect), *_of_flows(timeline, expect), *_of_messages(timeline, expect)]
    judged = {judgement.bound for judgement in found}
    missing = [bound for bound, asked in expect if asked is not None and bound not in judged]
    return (*found, *(Judgement(bound, "", "to be seen", "nothing of it", ok=False) for bound in missing))


def _of_connections(timeline: Timeline, expect: Expect) -> Iterator[Judgement]:
    found = outages(timeline)
    for name in timeline.head.scenario.workload.probes.keys() - found.keys():
        for bound in ("outage_below", "failed_share_below"):
            if getattr(expect, bound) is not None:
                yield Judgement(bound, name, "to be seen", "no attempt", ok=False)
    for name, outage in found.items():
        if expect.outage_below:
            length, over = (outage.length_s, outage.over) if outage else (0.0, True)
            yield _below("outage_below", name, length, expect.outage_below.s, over=over)
        if expect.failed_share_below:
            share = outage.share if outage else 0.0
            allowed = expect.failed_share_below
            yield Judgement("failed_share_below", name, f"below {allowed:.0%}", f"{share:.0%}", share < allowed)
    for address, owners in ownership(timeline).items():
        if expect.vip_absent_below:
            yield _below("vip_absent_below", address, owners.absent_s, expect.vip_absent_below.s)
        if expect.vip_owners_max:
            most = owners.owners_max
            for_s = f" for {owners.shared_s:.3f} s" if most > 1 else ""
            allowed_owners = f"at most {expect.vip_owners_max}"
            yield Judgement("vip_owners_max", address, allowed_owners, f"{most}{for_s}", most <= expect.vip_owners_max)


def _of_flows(timeline: Timeline, expect: Expect) -> Iterator[Judgement]:
    flows = (
        ("confirm_gap_below", expect.confirm_gap_below, confirm_gaps),
        ("consumer_gap_below", expect.consumer_gap_below, consumer_gaps),
    )
    for bound, allowed, gaps in flows:
        if allowed:
            for name, gap in gaps(timeline).items():
                yield _below(bound, name, gap.length_s, allowed.s, over=gap.over or gap.length_s < allowed.s)
    if expect.detection_below:
        for found in detections(timeline):
            subject = f"{found.server} by {found.host}"
            if found.down_after_s is None:
                allowed_text = f"below {expect.detection_below}"
                yield Judgement("detection_below", subject, allowed_text, "never", ok=False)
            else:
                yield _below("detection_below", subject, found.down_after_s, expect.detection_below.s)


def _of_messages(timeline: Timeline, expect: Expect) -> Iterator[Judgement]:
    total = ledger(timeline)
    for bound, most, found in (
        ("lost_max", expect.lost_max, total.lost),
        ("duplicated_max", expect.duplicated_max, total.duplicated),
        ("unknown_max", expect.unknown_max, total.unknown),
    ):
        if most is not None and total.attempted:
            yield Judgement(bound, "", f"at most {most}", f"{found} of {total.attempted}", found <= most)
    if expect.healthy_at_end is not None and timeline.only(BrokerState):
        faulty = unhealthy(timeline)
        found_text = "; ".join(faulty) or "healthy"
        allowed_text = "healthy" if expect.healthy_at_end else "not healthy"
        yield Judgement("healthy_at_end", "", allowed_text, found_text, bool(faulty) is not expect.healthy_at_end)


def _below(bound: str, subject: str, found_s: float, allowed_s: float, *, over: bool = True) -> Judgement:
    still = "" if over else ", and not over at the end"
    ok = found_s < allowed_s and over
    return Judgement(bound, subject, f"below {allowed_s:g} s", f"{found_s:.3f} s{still}", ok)


def unhealthy(timeline: Timeline) -> tuple[str, ...]:
    """Say what was not well when watching ended; nothing, where everything that was observed is as it was at first."""
    return (*_faults_left(timeline), *_hosts_left(timeline), *_owners_left(timeline), *_clients_left(timeline))


def _faults_left(timeline: Timeline) -> Iterator[str]:
    undone = {event.index for event in timeline.only(FaultUndone)}
    for event in timeline.only(FaultBegan):
        if event.index not in undone and CATALOGUE[event.fault].undo:
            yield f"{event.fault} of {', '.join(event.hosts)} was not undone"


def _hosts_left(timeline: Timeline) -> Iterator[str]:
    hosts = {event.host: event.on for event in timeline.only(HostState)}
    yield from (f"{host} has no power" for host, on in hosts.items() if not on)
    brokers = {event.host: event.up for event in timeline.only(BrokerState)}
    yield from (f"the broker on {host} does not listen" for host, up in brokers.items() if not up)
    peers = {event.host: event for event in timeline.only(Peers)}
    for host, event in peers.items():
        if missing := sorted(set(brokers or peers) - set(event.running)):
            yield f"{host} misses {', '.join(missing)}"
        if event.partitioned:
            yield f"{host} is partitioned from {', '.join(event.partitioned)}"
    alarms = {(event.host, event.resource): event.on for event in timeline.only(Alarm)}
    yield from (f"{resource} alarm on {host}" for (host, resource), on in alarms.items() if on)


def _owners_left(timeline: Timeline) -> Iterator[str]:
    held: dict[str, set[str]] = {}
    for event in timeline.only(VipHeld):
        holders = held.setdefault(event.address, set())
        (holders.add if event.held else holders.discard)(event.host)
    off = {event.host: not event.on for event in timeline.only(HostState)}
    for address, holders in held.items():
        owners = sorted(host for host in holders if not off.get(host))
        if len(owners) != 1:
            yield f"{address} is on {', '.join(owners) if owners else 'no host'}"


def _clients_left(timeline: Timeline) -> Iterator[str]:
    """Say which clients were still cut off when they ended their work."""
    attempts = {event.client: event for event in timeline.only(Attempt) if event.t + event.took_s <= timeline.end_s}
    for client, attempt in attempts.items():
        if attempt.outcome != "ok":
            yield f"{client} gets no fresh connection: {attempt.outcome} at {attempt.endpoint}"
    states = {event.client: event.state for event in timeline.only(Connection) if event.t <= timeline.end_s}
    for client, state in states.items():
        if state in {"lost", "failed"}:
            yield f"{client} has no connection"
        elif state == "blocked":
            yield f"{client} is blocked"
