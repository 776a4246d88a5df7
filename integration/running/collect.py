"""From what clients, observers and the schedule told, to a timeline that begins at the start of the scenario."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from integration.errors import LabError
from integration.host import Distant
from integration.observe.vrrp import COMMAND, parse_journal
from rmqha_model.events import EVENTS, AnyEvent, Attempt, Event

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.topology import Topology

__all__ = ["event_of", "shifted", "versions_of", "vrrp_states"]

_LISTS = ("hosts", "running", "partitioned", "in_step")
_OF_CLIENTS = frozenset(
    {"attempt", "connection", "published", "confirmed", "nacked", "returned", "unknown", "delivered"}
)
_IDENTITY = ("event", "host", "proxy", "server", "instance", "address", "resource", "vhost", "queue")


def event_of(row: Mapping[str, Any]) -> Event:
    """Make the event of a row that one of our own programs wrote."""
    fields: dict[str, Any] = {
        name: tuple(value) if name in _LISTS else value for name, value in row.items() if name != "event"
    }
    return EVENTS[row["event"]](**fields)


def shifted(rows: Iterable[Mapping[str, Any]], start: float, end: float) -> Iterator[AnyEvent]:
    """Give the events with times since *start*.

    Of what was so before it, the last of each thing is kept, as what it was like at the start. What clients did with
    messages before it is kept whole, so that the ledger is; probes of before it are left out.
    """
    initial: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["t"]):
        if row["t"] > end:
            continue
        if row["t"] < start:
            if row["event"] == Attempt.kind:
                continue
            if row["event"] not in _OF_CLIENTS:
                initial[tuple(row.get(name) for name in _IDENTITY)] = row
                continue
        yield _moved(row, start)
    for row in initial.values():
        yield _moved(row, start)


def _moved(row: Mapping[str, Any], start: float) -> AnyEvent:
    event = event_of(row)
    return replace(event, t=round(event.t - start, 6))  # type: ignore[return-value]


def vrrp_states(stack: Stack) -> tuple[list[dict[str, Any]], list[str]]:
    """Give what keepalived went through on every host, as rows, and in words what could not be read."""
    rows: list[dict[str, Any]] = []
    failed = []
    keepalived = stack.topology.keepalived
    for host in stack.topology.vrrp_hosts:
        try:
            lines = stack.hosts[host].check(*COMMAND, timeout_s=60).splitlines()
            behind_s = stack.behind_s(host) if isinstance(stack, Distant) else None
        except LabError as error:
            failed.append(f"VRRP states of {host}: {' '.join(str(error).split())[:150]}")
            continue
        assert keepalived is not None
        rows += [state.row() for state in parse_journal(lines, host, keepalived.instances, behind_s=behind_s)]
    return rows, failed


def versions_of(stack: Stack) -> dict[str, str]:
    """Give the releases of the daemons as they run; where the packages do not tell, those of the design."""
    topology: Topology = stack.topology
    daemons = {
        "rabbitmq": ("rabbitmq-server", topology.brokers),
        "haproxy": ("haproxy", topology.load_balancers),
        "keepalived": ("keepalived", topology.vrrp_hosts),
    }
    found: dict[str, str] = {}
    for daemon, (package, hosts) in daemons.items():
        if not hosts:
            continue
        try:
            done = stack.hosts[hosts[0]].run("dpkg-query", "--show", "--showformat=${Version}", package)
        except LabError:
            continue
        said = done.out.strip() if done.status == 0 else ""
        found[daemon] = said or str(getattr(topology.versions, daemon))
    return found
