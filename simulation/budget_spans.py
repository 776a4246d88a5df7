"""Spans of what happens together, and the spans of daemons that start, stop and come back by themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rmqha_model.timers import Span, number
from rmqha_model.timers.span import joined
from simulation.machines.balancer import from_design as balancer_settings
from simulation.machines.keepalived import keepalived_from_design
from simulation.machines.node_settings import BrokerSettings
from simulation.processes.hosts import ANSWERS_S, BOOT_S, SHUTDOWN_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rmqha_model.topology import Topology
    from simulation.machines.node_settings import Took

__all__ = [
    "NOTHING",
    "broker_back",
    "broker_boot",
    "closes",
    "first",
    "haproxy_back",
    "haproxy_start",
    "host_boot",
    "keepalived_back",
    "keepalived_start",
    "later",
    "less",
    "longest",
    "quits",
    "unknown",
]

NOTHING = Span(0, 0, "", "", "")

HAPROXY_START_S = (0.05, 0.5)
"""From exec to listening: what was measured on Debian 12, simulation.machines.balancer."""

MEASURED = "measured in the lab; simulation.machines"
BROKERS = "measured in the lab; simulation.machines.node_settings"
HOSTS = "measured in the lab; simulation.processes.hosts"
VERSIONS = "RabbitMQ 3.10, HAProxy 2.6, keepalived 2.2 of Debian 12"


def longest(*spans: Span) -> Span:
    """Give what takes until all of *spans* are over that begin together."""
    rest = [span for span in spans if not any(span is not other and _covers(other, span) for other in spans)]
    rest = rest or [spans[0]]
    if len(rest) == 1:
        return rest[0]
    formula = "the longest of: " + ", ".join(dict.fromkeys(f"({span.formula})" for span in rest))
    return _together(rest, max, formula)


def first(*spans: Span) -> Span:
    """Give what takes until the first of *spans* is over."""
    rest = [span for span in spans if not any(span is not other and _covers(span, other) for other in spans)]
    rest = rest or [spans[0]]
    if len(rest) == 1:
        return rest[0]
    formula = "the first of: " + ", ".join(dict.fromkeys(f"({span.formula})" for span in rest))
    return _together(rest, min, formula)


def _covers(longer: Span, shorter: Span) -> bool:
    """Tell whether one is never over before the other is."""
    return longer.min_s >= shorter.max_s


def _together(spans: Sequence[Span], pick: Callable[[Iterable[float]], float], formula: str) -> Span:
    source = versions = ""
    for span in spans:
        source, versions = joined(source, span.source), joined(versions, span.versions)
    return Span(
        pick(span.min_s for span in spans),
        pick(span.max_s for span in spans),
        formula,
        source,
        versions,
        pick(span.mean_s for span in spans),
    )


def later(one: Span, other: Span) -> Span:
    """Give one after the other, without words for what takes no time."""
    if not other.max_s and not other.formula:
        return one
    return other if not one.max_s and not one.formula else one + other


def less(span: Span, seconds: float, why: str) -> Span:
    """Give what is left of *span* after the first *seconds*, which do not count."""
    if not math.isfinite(span.min_s):
        return span
    low, high = max(span.min_s - seconds, 0.0), max(span.max_s - seconds, 0.0)
    mean = None if span.uneven_mean_s is None else max(span.uneven_mean_s - seconds, 0.0)
    return replace(span, min_s=low, max_s=high, formula=f"{span.formula} - {why} {number(seconds)}", uneven_mean_s=mean)


def unknown(low: float, high: float, why: str, source: str = MEASURED, versions: str = VERSIONS) -> Span:
    """Give a range that was measured, or that nothing decides."""
    return Span(low, high, f"{why} {number(low)}" + (f"..{number(high)}" if high > low else ""), source, versions)


# -- brokers ------------------------------------------------------------------------------------------


_START: tuple[Took, ...] = ("vm", "boot", "load", "listen")
_AGAIN: tuple[Took, ...] = ("again", "load", "listen")
_STOP: tuple[Took, ...] = ("order", "close", "quit", "halt", "unit")


def _took(topology: Topology, host: str, words: str, *parts: Took) -> Span:
    settings = BrokerSettings.from_design(topology, host)
    low, high = (math.fsum(settings.range_of(part)[end] for part in parts) for end in (0, 1))
    return unknown(low, high, words, BROKERS)


def closes(topology: Topology, host: str, fate: str = "stopped") -> Span:
    """How long a broker that is told to stop keeps its listeners and connections; *paused*: until it has stopped."""
    if fate == "app_stopped":
        return _took(topology, host, "its listeners close", "close")
    if fate == "paused":
        return _took(topology, host, "it pauses", "close", "quit")
    return _took(topology, host, "rabbitmqctl starts, its listeners close", "order", "close")


def quits(topology: Topology, host: str) -> Span:
    """How long RabbitMQ takes to stop once its listeners are closed, until the other brokers see it."""
    return _took(topology, host, "RabbitMQ stops", "quit")


def broker_boot(topology: Topology, host: str, *, vm: bool = True) -> Span:
    """How long a broker takes from its start until it listens; without *vm*, of the application alone."""
    return _took(topology, host, "broker starts" if vm else "application starts", *(_START if vm else _AGAIN))


def host_boot(topology: Topology, host: str) -> Span:
    """How long a host boots until it starts its services."""
    del topology, host
    return unknown(ANSWERS_S[0] + BOOT_S[0], ANSWERS_S[1] + BOOT_S[1], "host boots", HOSTS)


def broker_back(topology: Topology, host: str, fate: str) -> Span | None:
    """How soon after the fault a broker listens again by itself; ``None`` where it does not."""
    boot = broker_boot(topology, host)
    if fate == "killed":
        settings = BrokerSettings.from_design(topology, host)
        if settings.restart_s is None:
            return None
        low, high = settings.slack_s
        pause = unknown(settings.restart_s + low, settings.restart_s + high, "RestartSec and systemd", BROKERS)
        return later(pause, boot)
    if fate in {"restarted", "rebooted"}:
        stops = _took(topology, host, "broker stops", *_STOP)
        if fate == "rebooted":
            stops = later(later(stops, unknown(*SHUTDOWN_S, "host stops", HOSTS)), host_boot(topology, host))
        return later(stops, boot)
    return None


# -- the others ---------------------------------------------------------------------------------------


def haproxy_start() -> Span:
    """How long HAProxy takes to start."""
    return unknown(*HAPROXY_START_S, "HAProxy starts")


def haproxy_back(topology: Topology, host: str, fate: str) -> Span | None:
    """How soon after the fault HAProxy listens again by itself, by systemd's doing; ``None`` where it does not."""
    if fate == "restarted":
        return haproxy_start()
    if fate == "rebooted":
        stops = unknown(1.0, 1.0, "keepalived lingers", "keepalived vrrp_daemon.c vrrp_terminate_phase1")
        if host in topology.brokers:
            stops = _took(topology, host, "broker stops", *_STOP)
        stops = later(stops, unknown(*SHUTDOWN_S, "host stops", HOSTS))
        return later(later(stops, host_boot(topology, host)), haproxy_start())
    settings = balancer_settings(topology, host)
    if fate == "killed" and settings.restarts:
        return haproxy_start().later(settings.restart_s, "RestartSec")
    return None


def keepalived_start(topology: Topology, host: str) -> Span:
    """How long keepalived takes from its start until its instances start."""
    seconds = keepalived_from_design(topology, host).start_s
    return unknown(seconds, seconds, "keepalived starts")


def keepalived_back(topology: Topology, host: str) -> Span | None:
    """How soon a keepalived that died is started again by systemd; ``None`` where it is left dead."""
    pause = keepalived_from_design(topology, host).restart_s
    return None if pause is None else keepalived_start(topology, host).later(pause, "RestartSec")
