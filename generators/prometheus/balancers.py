"""Alerts on the load balancers and on what they think of the brokers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.prometheus.rule import Example, Rule, Watched, any_of, whole
from generators.prometheus.scrape import HAPROXY
from generators.quoting import promql
from rmqha_model.timers import Span, balancer, vrrp
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["moved", "rules"]

STATES = Version(2, 4, 0)
"""From here a state is a label (state="UP") and the value 0 or 1; before it was a number, 0 for DOWN (2.2.9)."""

NEARLY_ALL = 0.8
"""Which share of a limit is near it: enough to act before it is reached."""


def rules(watched: Watched) -> Iterator[Rule]:
    """Give the alerts on load balancers whose metrics are read."""
    if HAPROXY not in watched:
        return
    yield _down(watched)
    if watched.count(HAPROXY) > 1:
        yield _all_down(watched)
    if names := [name for name, _ in balancer.proxies(watched.topology)]:
        yield _server_down(watched, names)
    if names := [name for name, _ in balancer.amqp_listeners(watched.topology)]:
        yield _no_server(watched, names)
        yield _frontend(watched, names)
    yield _process(watched)


def moved(topology: Topology) -> Span | None:
    """How soon every virtual address has left a load balancer that died; ``None`` without any that moves."""
    spans = [
        span
        for instance in (topology.keepalived.instances if topology.keepalived else ())
        for host in (topology.keepalived.members(instance) if topology.keepalived else ())
        for span in (vrrp.haproxy_failover(topology, instance, host), vrrp.takeover_silent(topology, instance, host))
        if span.is_bounded
    ]
    return max(spans, key=lambda span: span.max_s, default=None)


def _state(watched: Watched, kind: str, state: str, names: list[str]) -> tuple[str, str, str]:
    """Give the expression that is true for proxies or servers in *state*, its metric, and its extra label."""
    metric = f"haproxy_{kind}_status"
    chosen = f"proxy=~{any_of(names)}"
    if Version.parse(watched.topology.versions.haproxy) >= STATES:
        return f"{metric}{watched.select(HAPROXY, chosen, f'state={promql(state)}')} == 1", metric, state
    return f"{metric}{watched.select(HAPROXY, chosen)} == 0", metric, ""


def _down(watched: Watched) -> Rule:
    span = moved(watched.topology)
    hold = whole((span.max_s if span else 0) + watched.interval_s)
    if span:
        then = f"Its virtual addresses have moved by now: {span} ({span.formula})."
    else:
        then = "No virtual address moves for it." if watched.topology.keepalived else "Clients use the others."
    return Rule(
        "HAProxyDown",
        f"up{watched.select(HAPROXY)} == 0",
        hold,
        "warning" if watched.count(HAPROXY) > 1 else "critical",
        "HAProxy on {{ $labels.host }} gives no metrics",
        f"For {hold} s. {then} Connections through it are cut; until it is back the next fault has no reserve.",
        titles.BALANCER_DOWN,
        "up: Prometheus's own",
        Example({watched.series("up", HAPROXY): "0xN"}, watched.labels(HAPROXY)),
    )


def _all_down(watched: Watched) -> Rule:
    return Rule(
        "HAProxyAllDown",
        f"(count(up{watched.select(HAPROXY)} == 1) or vector(0)) == 0",
        watched.scrapes(2),
        "critical",
        f"No load balancer of {watched.topology.name} gives metrics",
        "Nobody gets to the brokers through them. The brokers themselves may be well.",
        titles.ALL_BALANCERS_DOWN,
        "up: Prometheus's own",
        Example({watched.series("up", HAPROXY): "0xN"}),
    )


def _server_down(watched: Watched, names: list[str]) -> Rule:
    expr, metric, state = _state(watched, "server", "DOWN", names)
    topology = watched.topology
    spans = [(name, balancer.back_up(topology, listener)) for name, listener in balancer.proxies(topology)]
    back = "; ".join(f"{name} {span} ({span.formula})" for name, span in spans)
    extra = {"proxy": names[0], "server": topology.brokers[0]}
    labels = extra | ({"state": state} if state else {})
    return Rule(
        "HAProxyServerDown",
        expr,
        watched.scrapes(1),
        "warning",
        "HAProxy on {{ $labels.host }} sends nobody to {{ $labels.server }} ({{ $labels.proxy }})",
        f"Its health checks fail. It is back after its first good answer within: {back}. If the broker is well, look "
        "at the path from this load balancer to it.",
        titles.SERVER_DOWN,
        f"{metric}, by state from 2.4 on (2.2.9, 2.6.12, 3.0.11, 3.2.26)",
        Example(
            {watched.series(metric, HAPROXY, **labels): "1xN" if state else "0xN"}, watched.labels(HAPROXY) | labels
        ),
    )


def _no_server(watched: Watched, names: list[str]) -> Rule:
    expr, metric, state = _state(watched, "backend", "DOWN", names)
    labels = {"proxy": names[0]} | ({"state": state} if state else {})
    return Rule(
        "HAProxyNoServer",
        expr,
        0,
        "critical",
        "HAProxy on {{ $labels.host }} has no broker left for {{ $labels.proxy }}",
        "Clients connect and are closed at once, without a byte. Moving the virtual address helps only if the other "
        "load balancer still reaches a broker.",
        titles.NO_SERVER,
        f"{metric}, by state from 2.4 on (2.2.9, 2.6.12, 3.0.11, 3.2.26)",
        Example(
            {watched.series(metric, HAPROXY, **labels): "1xN" if state else "0xN"}, watched.labels(HAPROXY) | labels
        ),
    )


def _frontend(watched: Watched, names: list[str]) -> Rule:
    select = watched.select(HAPROXY, f"proxy=~{any_of(names)}")
    limits = "; ".join(f"{name} {limit}" for name, limit in _limits(watched.topology))
    expected = sum(client.connections for client in watched.topology.clients.values())
    label = {"proxy": names[0]}
    return Rule(
        "HAProxyListenerNearMaxconn",
        f"haproxy_frontend_current_sessions{select} > {NEARLY_ALL} * haproxy_frontend_limit_sessions{select}",
        60,
        "warning",
        "{{ $labels.proxy }} of HAProxy on {{ $labels.host }} is near its limit of connections",
        f"More than {NEARLY_ALL:.0%} of maxconn ({limits}) for 60 s; the design's clients have {expected} "
        "connections. At the limit new ones wait unanswered in the kernel's backlog until they time out.",
        titles.CONNECTION_LIMIT,
        "haproxy_frontend_current_sessions, haproxy_frontend_limit_sessions (2.2.9, 2.6.12, 3.0.11, 3.2.26)",
        Example(
            {
                watched.series("haproxy_frontend_current_sessions", HAPROXY, **label): "9xN",
                watched.series("haproxy_frontend_limit_sessions", HAPROXY, **label): "10xN",
            },
            watched.labels(HAPROXY) | label,
        ),
    )


def _limits(topology: Topology) -> Iterator[tuple[str, str]]:
    assert topology.haproxy is not None
    for name, listener in balancer.amqp_listeners(topology):
        limit = listener.maxconn or topology.haproxy.defaults.maxconn or topology.haproxy.global_.maxconn
        yield name, str(limit or "of the open files")


def _process(watched: Watched) -> Rule:
    select = watched.select(HAPROXY)
    limit = watched.topology.haproxy.global_.maxconn if watched.topology.haproxy else None
    return Rule(
        "HAProxyNearMaxconn",
        f"haproxy_process_current_connections{select} > {NEARLY_ALL} * haproxy_process_max_connections{select}",
        60,
        "warning",
        "HAProxy on {{ $labels.host }} is near its limit of connections",
        f"More than {NEARLY_ALL:.0%} of the process's maxconn ({limit or 'from its open files'}) for 60 s, all "
        "listeners together. At the limit no listener accepts any more, that for metrics too.",
        titles.CONNECTION_LIMIT,
        "haproxy_process_current_connections, haproxy_process_max_connections (2.2.9, 2.6.12, 3.0.11, 3.2.26)",
        Example(
            {
                watched.series("haproxy_process_current_connections", HAPROXY): "9xN",
                watched.series("haproxy_process_max_connections", HAPROXY): "10xN",
            },
            watched.labels(HAPROXY),
        ),
    )
