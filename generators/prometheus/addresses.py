"""Alerts on virtual addresses and on hosts, from what their neighbours tell: keepalived has no metrics."""

from __future__ import annotations

from collections.abc import Iterator

from generators import titles
from generators.prometheus.balancers import moved
from generators.prometheus.rule import Example, Rule, Watched, any_of, whole
from generators.prometheus.scrape import HOSTS, VIRTUAL
from generators.quoting import promql

__all__ = ["rules"]

OWNED = "node_network_address_info"
SEEN = f"{OWNED}, with --collector.netdev.address-info (node_exporter 1.5.0)"

LOOK_BACK_S = 900
"""How long a move stays an alert: long enough to be seen, and to group with what caused it."""


def rules(watched: Watched) -> Iterator[Rule]:
    """Give the alerts on virtual addresses and hosts that something tells of."""
    if VIRTUAL in watched:
        yield _unreachable(watched)
        yield _moved(watched)
    if HOSTS in watched:
        for address in watched.topology.virtual_ips:
            yield _no_owner(watched, address)
        if watched.topology.virtual_ips:
            yield _two_owners(watched)
        yield _host_down(watched)


def _settled(watched: Watched) -> tuple[int, str]:
    """Give how long a move may take until it is no move any more, and the words for it."""
    span = moved(watched.topology)
    if span is None:
        return watched.scrapes(2), "Nobody takes it over."
    return whole(span.max_s + watched.interval_s), f"A move takes {span} ({span.formula})."


def _unreachable(watched: Watched) -> Rule:
    hold, how_long = _settled(watched)
    return Rule(
        "VirtualAddressUnreachable",
        f"up{watched.select(VIRTUAL)} == 0",
        hold,
        "critical",
        "Nothing answers at the virtual address {{ $labels.address }}",
        f"For {hold} s. {how_long} Nobody owns it, or the HAProxy of its owner does not answer: clients that know "
        "only this address are out.",
        titles.NO_OWNER,
        "up: Prometheus's own",
        Example({watched.series("up", VIRTUAL): "0xN"}, watched.labels(VIRTUAL)),
    )


def _moved(watched: Watched) -> Rule:
    metric = "haproxy_process_start_time_seconds"
    return Rule(
        "VirtualAddressServedByAnother",
        f"changes({metric}{watched.select(VIRTUAL)}[{LOOK_BACK_S}s]) > 0",
        0,
        "info",
        "Another HAProxy answers at {{ $labels.address }} than before",
        "The address has moved, or HAProxy was restarted or reloaded. Except for a reload, every connection through "
        "it was cut.",
        titles.OWNER_CHANGED,
        f"{metric}, differs by process (2.2.9, 2.6.12, 3.0.11, 3.2.26)",
        Example({watched.series(metric, VIRTUAL): "1 1 2xN"}, watched.labels(VIRTUAL), warm_up=2),
    )


def _no_owner(watched: Watched, address: str) -> Rule:
    hold, how_long = _settled(watched)
    present = [other for other in watched.topology.virtual_ips if other != address] or ["192.0.2.1"]
    every = f"{OWNED}{watched.select(HOSTS)}"
    owners = f"{OWNED}{watched.select(HOSTS, f'address={promql(address)}')}"
    return Rule(
        "VirtualAddressWithoutOwner",
        # Where node_exporter does not tell addresses, there is nothing to count, and this says nothing.
        f"count({every}) > 0 unless on () count({owners})",
        hold,
        "critical",
        f"No host has the virtual address {address}",
        f"For {hold} s. {how_long}",
        titles.NO_OWNER,
        SEEN,
        Example({watched.series(OWNED, HOSTS, address=other): "1xN" for other in present}),
        {"address": address},
    )


def _two_owners(watched: Watched) -> Rule:
    hold, _ = _settled(watched)
    virtual = watched.topology.virtual_ips
    select = watched.select(HOSTS, f"address=~{any_of(virtual)}")
    number = min(1, watched.count(HOSTS) - 1)
    return Rule(
        "VirtualAddressWithTwoOwners",
        f"count by (address) ({OWNED}{select}) > 1",
        hold,
        "critical",
        "More than one host has the virtual address {{ $labels.address }}",
        f"For {hold} s. Adverts do not reach the other side, or a keepalived died and left the address behind. "
        "Clients end at one or the other by chance.",
        titles.TWO_OWNERS,
        SEEN,
        Example(
            {
                watched.series(OWNED, HOSTS, 0, address=virtual[0], device="a"): "1xN",
                watched.series(OWNED, HOSTS, number, address=virtual[0], device="b"): "1xN",
            },
            {"address": virtual[0]},
        ),
    )


def _host_down(watched: Watched) -> Rule:
    return Rule(
        "HostDown",
        f"up{watched.select(HOSTS)} == 0",
        watched.scrapes(2),
        "warning",
        "Host {{ $labels.host }} ({{ $labels.role }}) gives no metrics",
        "Its node_exporter does not answer: the host is down or cut off, if its other targets are gone too.",
        titles.HOST_DOWN,
        "up: Prometheus's own",
        Example({watched.series("up", HOSTS): "0xN"}, watched.labels(HOSTS)),
    )
