"""The plan for changes: configuration, reboot, upgrade, host by host, with gates, effects and reasons to stop."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.quoting import Quoted, markdown
from generators.runbook import about, changes
from generators.runbook.names import shortened
from generators.runbook.text import Command, Expected, code, commands, listed, prose, table
from rmqha_model.timers import Span, balancer, broker, client, number, vrrp
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from generators.runbook.names import Names
    from rmqha_model.topology import Topology

__all__ = ["order", "plan"]

WHILE_S = 200
"""How long somebody watches what no timer ends: not measured, a person's patience."""
MARGIN = 2
"""How many times its longest a step may take until it counts as failed: people and machines are slow at times."""


def plan(topology: Topology, names: Names) -> Iterator[Quoted]:
    """Give the document line by line."""
    yield from prose(f"# Changing {markdown(topology.name)} while it runs", "")
    yield from prose(
        (
            "One host at a time, never two. The gate before each host, the gate after it. Faults: "
            "[runbook.md](runbook.md)."
        ),
        "",
    )
    yield from _gate(topology, names)
    yield from _order(topology)
    yield from _broker(topology)
    if topology.haproxy:
        yield from _balancer(topology, names)
    yield from changes.kinds(topology)
    yield from changes.upgrade(topology)
    yield from changes.stop(topology)


def order(topology: Topology) -> tuple[str, ...]:
    """Give the hosts in the order they are changed in.

    Brokers first, the seed last of them; then load balancers, those that own addresses last. A host that is both
    counts as a load balancer, so that an address moves once.
    """
    owners = _owners(topology)
    balancers, seed = set(topology.load_balancers), topology.rabbitmq.seed
    changed = balancers | set(topology.brokers) | set(topology.vrrp_hosts)
    kept = [host for host in topology.hosts if host in changed]
    return tuple(sorted(kept, key=lambda host: (host in balancers, host in owners, host == seed)))


def _gate(topology: Topology, names: Names) -> Iterator[Quoted]:
    yield from prose("## The gate", "", "All of it must be well, or nothing is begun.", "")
    can = topology.versions.can
    lines = [
        names.cluster(),
        Command("rabbitmq-diagnostics check_running && rabbitmq-diagnostics check_local_alarms", names.each_broker),
    ]
    next_one = "On the broker that is next"
    if len(topology.brokers) > 1:
        if can("rabbitmq.await_online_quorum_plus_one"):
            why = "waits until every queue has one member more than it needs"
            lines.append(Command("rabbitmq-upgrade await_online_quorum_plus_one", next_one, why))
        if can("rabbitmq.check_if_node_is_quorum_critical"):
            why = "fails if a queue would lose its majority without this node"
            lines.append(Command("rabbitmq-queues check_if_node_is_quorum_critical", next_one, why))
        else:
            lines += [Command(one.line, next_one, "Online must be all of Members") for one in names.quorum_queue()]
        if about.has_mirrors(topology) and can("rabbitmq.await_online_synchronized_mirror"):
            why = "fails if a queue led here has no synchronised mirror elsewhere"
            lines.append(Command("rabbitmq-queues check_if_node_is_mirror_sync_critical", next_one, why))
            lines.append(Command("rabbitmq-upgrade await_online_synchronized_mirror", next_one))
    if topology.haproxy:
        lines += names.haproxy_state()
    if topology.keepalived:
        lines += names.owners()
    yield from commands(lines)
    brokers = len(topology.brokers)
    demands = [f"All {brokers} brokers run; no alarm, no partition."]
    if topology.haproxy:
        demands.append(f"Every load balancer calls all {brokers} brokers UP.")
    if topology.keepalived:
        demands.append("Each virtual address is on exactly one host, and keepalived runs on the others.")
    if about.has_mirrors(topology):
        demands.append("Mirrors are synchronised: `rabbitmqctl sync_queue QUEUE`; the queue stands still meanwhile.")
    yield from listed(demands)


def _owners(topology: Topology) -> dict[str, list[str]]:
    """Give the instances that each host owns while all is well."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in topology.keepalived.instances if topology.keepalived else ():
        found[vrrp.preferred(topology, name)].append(name)
    return found


def _order(topology: Topology) -> Iterator[Quoted]:
    yield from prose("## The order", "")
    if topology.keepalived:
        yield from prose("Who owns an address now may differ from the table: the present owner is last.", "")
    owners, seed = _owners(topology), topology.rabbitmq.seed
    brokers, balancers = set(topology.brokers), set(topology.load_balancers)
    rows = []
    for place, host in enumerate(order(topology), 1):
        carries = ["broker, the seed" if host == seed else "broker"] * (host in brokers)
        carries += ["load balancer"] * (host in balancers)
        carries += [f"owner of {code(name)}" for name in owners.get(host, ())]
        rows.append((str(place), code(host), ", ".join(carries)))
    yield from table(("", "Host", "Carries"), rows)
    both = tuple(host for host in topology.brokers if host in balancers)
    if both:
        text = f"{shortened(both)} are both: move the address away first, then do the broker, then the load balancer."
        yield from prose(text, "")


def _broker(topology: Topology) -> Iterator[Quoted]:
    yield from prose("## A broker", "")
    rows: list[tuple[str, str, str, str]] = [("The gate", "", "none", "anything is not well")]
    cut = f"its clients are cut once: {_joined(about.reconnects(topology))}.{_sent_elsewhere(topology)}"
    stop = "none further"
    if topology.versions.can("rabbitmq.maintenance_mode"):
        flag = " It says that a feature flag is not enabled: go on without it" if _needs_flag(topology) else ""
        leaders = " Leaders of quorum queues go elsewhere first: no pause" if about.has_quorum_queues(topology) else ""
        rows.append(("Drain", code("rabbitmq-upgrade drain"), cut + leaders, f"it has not ended after 60 s.{flag}"))
        stop += (
            "; Prometheus has called it down since the drain"
            if "rabbitmq_prometheus" in topology.rabbitmq.plugins
            else ""
        )
    else:
        pause = broker.election_after_stop(topology)
        stop = f"{cut} Quorum queues it led pause {markdown(str(pause))}"
    if about.has_mirrors(topology):
        stop += ". Mirrored queues it led go on with a synchronised mirror, and stand still if there is none"
    # systemd's own limit, or that of the drop-in.
    limit = 600 if topology.os.supervise else 90
    rows.append(
        ("Stop", code("systemctl stop rabbitmq-server"), stop, f"it has not ended after {limit} s: read its log")
    )
    rows.append(("Change", "see below", "none", ""))
    wait = broker.boot_wait(topology)
    rows.append(
        (
            "Start",
            f"{code('systemctl start rabbitmq-server')}, {code('rabbitmqctl await_startup')}",
            (
                f"none; it waits for its peers for at most {number(wait.max_s)} s. A drained node is in service again "
                "after it"
            ),
            f"it has not started after {number(wait.max_s)} s",
        )
    )
    back = [balancer.back_up(topology, listener) for _, listener in balancer.amqp_listeners(topology)]
    if back:
        up = max(back, key=lambda span: span.max_s)
        rows.append(
            (
                "In use",
                "",
                f"UP for HAProxy {markdown(str(up))} after its port opens",
                f"it is not after {_limit(up.max_s)} s",
            )
        )
    if topology.versions.can("rabbitmq.await_online_quorum_plus_one") and len(topology.brokers) > 1:
        whole = code("rabbitmq-upgrade await_online_quorum_plus_one")
        rows.append(
            (
                "Whole",
                whole,
                "none; members catch up from where they were",
                "it fails: members are missing or far behind",
            )
        )
    rows.append(("The gate", "", "none", "anything is not well"))
    yield from table(("Step", "Command, on that host", "Expected effect", "Stop if"), rows)
    yield from prose(
        f"After the last one: {code('rabbitmq-queues rebalance all')}, since leaders stay where they went. "
        "Connections even out as clients come again.",
        "",
    )
    if about.has_plain_classic(topology):
        yield from prose(
            "Classic queues whose home it is stand still from the stop until it is up again; nothing avoids that.", ""
        )


def _sent_elsewhere(topology: Topology) -> str:
    """Say what new connections meet until HAProxy knows."""
    said = ""
    for name, listener in balancer.amqp_listeners(topology):
        away = balancer.refused(topology, listener)
        meets, through = balancer.first_attempt(topology, listener, is_silent=False)
        if away.is_never:
            said += f" HAProxy's {code(name)} has no check: it goes on sending clients there."
            continue
        said += f" HAProxy's {code(name)} sends nobody there after {markdown(str(away))}"
        said += (
            "."
            if through
            else f"; until then a new connection that is given to it is closed after {markdown(str(meets))}."
        )
    return said


def _needs_flag(topology: Topology) -> bool:
    """Whether maintenance mode waits for its feature flag, which 3.11 made a part of every cluster."""
    return Version.parse(topology.versions.rabbitmq) < Version(3, 11, 0)


def _joined(spans: list[Expected]) -> str:
    return ", ".join(f"{one.what} after {markdown(str(one.span))}" for one in spans)


def _limit(longest_s: float, least_s: float = 0) -> str:
    """Say when to abort: some time after it should be over, or after a while where nothing ends it."""
    if math.isinf(longest_s):
        longest_s = WHILE_S
    return number(max(round(MARGIN * longest_s), least_s))


def _balancer(topology: Topology, names: Names) -> Iterator[Quoted]:
    yield from prose("## A load balancer", "")
    rows: list[tuple[str, str, str, str]] = [("The gate", "", "none", "anything is not well")]
    cut = _joined(about.reconnects(topology))
    if topology.keepalived:
        away = [
            vrrp.takeover_graceful(topology, name, vrrp.preferred(topology, name))
            for name in topology.keepalived.instances
        ]
        gone = max(away, key=lambda span: span.max_s)
        idle = [client.next_segment(topology, one) for one in topology.clients.values()]
        learns = max(idle, key=lambda span: span.max_s, default=Span(0, 0, "", "", ""))
        rows.append(
            (
                "Move its addresses away, if it has any",
                code("systemctl stop keepalived"),
                (
                    f"the address is gone for {markdown(str(gone))}, all connections through it are cut; idle clients "
                    f"learn it within {markdown(str(learns))}; {cut}"
                ),
                f"nobody has the address after {_limit(gone.max_s, 5)} s: start keepalived again",
            )
        )
        rows.append(
            (
                "Look at the new owner",
                "; ".join(code(one.line) for one in names.owners()[:1]),
                "clients come back there",
                "sessions do not come back within a minute",
            )
        )
    else:
        rows.append(("Nothing moves", "", f"clients of this one are cut at the change: {cut}", ""))
    rows.append(("Change", "see below", "none, if no connection is left on it", ""))
    rows.append(
        (
            "Start HAProxy",
            code("systemctl start haproxy"),
            "none; all servers count as UP until their first checks",
            "it refuses its configuration: install the last good one",
        )
    )
    if topology.keepalived:
        rows.append(
            ("Start keepalived", code("systemctl start keepalived"), _return(topology), "two hosts have an address")
        )
    rows.append(("The gate", "", "none", "anything is not well"))
    yield from table(("Step", "Command, on that host", "Expected effect", "Stop if"), rows)


def _return(topology: Topology) -> str:
    assert topology.keepalived is not None
    effects = []
    for name in topology.keepalived.instances:
        back = vrrp.failback(topology, name, vrrp.preferred(topology, name))
        if back.is_never:
            effects.append(f"{code(name)} stays where it is")
        else:
            effects.append(
                f"{code(name)} goes back to {vrrp.preferred(topology, name)} after {markdown(str(back))}, connections "
                "are cut"
            )
    return "; ".join(effects)
