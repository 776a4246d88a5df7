"""Faults of load balancers: one or all are down, servers are DOWN, connections run out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.runbook import about
from generators.runbook.text import Command, Expected, Fault, code, link
from rmqha_model.keepalived import SelfHealingScript
from rmqha_model.timers import balancer, client, number, vrrp

if TYPE_CHECKING:
    from generators.runbook.names import Names
    from rmqha_model.topology import Topology

__all__ = ["faults", "moves"]


def faults(topology: Topology, names: Names) -> Iterator[Fault]:
    """Give the sections on load balancers; none without."""
    if topology.haproxy is None:
        return
    yield _down(topology, names)
    yield _all_down(topology, names)
    yield _server_down(topology, names)
    yield _no_server(topology, names)
    yield _limit(topology, names)


def moves(topology: Topology) -> Iterator[Expected]:
    """Give how soon each address leaves its first owner, by what happened to it."""
    for name in topology.keepalived.instances if topology.keepalived else ():
        owner = vrrp.preferred(topology, name)
        yield Expected(
            f"{code(name)} leaves {owner}: HAProxy dead for good", vrrp.haproxy_failover(topology, name, owner)
        )
        frozen = vrrp.haproxy_failover(topology, name, owner, frozen=True)
        yield Expected(f"{code(name)} leaves {owner}: HAProxy frozen", frozen)
        yield Expected(
            f"{code(name)} leaves {owner}: host lost or cut off", vrrp.takeover_silent(topology, name, owner)
        )
        yield Expected(
            f"{code(name)} leaves {owner}: keepalived stopped", vrrp.takeover_graceful(topology, name, owner)
        )


def _down(topology: Topology, names: Names) -> Fault:
    see = ["All connections through it are cut, or hang if its whole host is gone."]
    expected = list(moves(topology))
    for name, settings in topology.clients.items():
        if topology.keepalived:
            told = client.next_segment(topology, settings)
            expected.append(Expected(f"after the move, client {code(name)} learns that its connection is gone", told))
        gone = client.client_notices(topology, settings)
        expected.append(Expected(f"client {code(name)} gives up on its own, by heartbeat", gone))
        held = client.broker_notices(topology, settings)
        expected.append(Expected(f"messages {code(name)} held come back, if the host vanished", held))
    expected += about.reconnects(topology)
    do = [
        (
            f"{code('systemctl start haproxy')} on that host. It takes every server for UP until its first checks are "
            "done."
        ),
        "Its configuration is refused: install the last good one again with its `install.sh`.",
    ]
    if topology.keepalived:
        stays = [expected for expected in moves(topology) if expected.span.is_never]
        see += [f"Nothing moves by itself when {one.what}: {one.span.formula}." for one in stays]
        scripts = topology.keepalived.scripts.values()
        if any(isinstance(script, SelfHealingScript) for script in scripts):
            do.append(
                "The check script of this design stops keepalived when HAProxy does not come up at once: start it too, "
                f"{code('systemctl start keepalived')}. Until then there is one owner less."
            )
        if stays:
            do.append(f"If the address has not moved, move it: {code('systemctl stop keepalived')} on that host.")
        do += [_back(topology, name) for name in topology.keepalived.instances]
    others = len(topology.load_balancers) - 1
    risk = "it is the only load balancer." if not others else f"{others} more load balancer{'s' * (others != 1)} left."
    check = names.haproxy_log() + (names.owners() + names.keepalived_log() if topology.keepalived else [])
    return Fault(
        titles.BALANCER_DOWN, see, check, do, risk, expected, f"{link(titles.NO_OWNER)}." if topology.keepalived else ""
    )


def _back(topology: Topology, name: str) -> str:
    owner = vrrp.preferred(topology, name)
    back = vrrp.failback(topology, name, owner)
    if back.is_never:
        return f"{code(name)} stays where it is when {owner} is back (nopreempt): each move cuts all connections."
    return (
        f"{code(name)} goes back to {owner} by itself, {back} after it is well again ({back.formula}): connections are "
        "cut."
    )


def _all_down(topology: Topology, names: Names) -> Fault:
    ways = "start one: " + code("systemctl start haproxy")
    ports = topology.rabbitmq.ports
    port = ports.amqp or ports.amqps
    return Fault(
        titles.ALL_BALANCERS_DOWN,
        [
            "No client gets through; the brokers are well.",
            "The same configuration on all of them: one bad change stops all.",
        ],
        [*names.haproxy_log(), names.cluster()],
        [
            f"Whatever they all have: a change of haproxy.cfg, a certificate that ran out, a package. Undo it, {ways}.",
            (
                f"Meanwhile clients can go to a broker directly, port {port}, where the packet filter lets them: "
                f"{', '.join(topology.ip(host) for host in topology.brokers[:4])}."
            ),
        ],
        "nothing in the queues.",
        about.reconnects(topology),
    )


def _server_down(topology: Topology, names: Names) -> Fault:
    expected = []
    for name, listener in balancer.proxies(topology):
        expected.append(
            Expected(f"{code(name)}: UP again, from the first good answer", balancer.back_up(topology, listener))
        )
        slow = balancer.back_up(topology, listener, was_silent=True)
        expected.append(Expected(f"{code(name)}: the same, after its host was silent", slow))
    probes = [
        Command(f"timeout 3 bash -c '</dev/tcp/{topology.ip(host)}/{port}' && echo open", names.each_balancer)
        for host in topology.brokers[:3]
        for port in [topology.rabbitmq.ports.amqp or topology.rabbitmq.ports.amqps]
    ]
    slow_start = [
        f"{code(name)} gives a server that is back its full share only after {number(listener.server.slowstart.s)} s "
        "(slowstart)."
        for name, listener in balancer.proxies(topology)
        if listener.server.slowstart
    ]
    return Fault(
        titles.SERVER_DOWN,
        [
            (
                "Its last check says why: L4CON refused, L4TOUT silent, L7TOUT accepted and said nothing, L7STS or "
                "L7RSP said no."
            ),
            *slow_start,
        ],
        [*names.haproxy_state(), *probes],
        [
            f"The broker is down or drained: {link(titles.BROKER_DOWN)}. A drained one refuses connections on purpose.",
            (
                "All load balancers say so and the broker is well: its check asks for something it does not give. "
                "Compare the check in /etc/haproxy/haproxy.cfg with what the broker answers."
            ),
            "One load balancer says so and others do not: the path between the two; a packet filter, an address.",
        ],
        about.survives(topology, 1),
        expected,
        "the check itself fails.",
    )


def _no_server(topology: Topology, names: Names) -> Fault:
    do = [
        (
            f"Brokers down: {link(titles.MAJORITY_LOST) if len(topology.brokers) > 1 else link(titles.BROKER_DOWN)}. "
            "Moving the address helps nobody then."
        ),
    ]
    if topology.keepalived:
        do.append(
            "Only this load balancer sees none: it is cut off from them. Move its addresses: "
            f"{code('systemctl stop keepalived')} here, and start it again when the path is well."
        )
    return Fault(
        titles.NO_SERVER,
        ["Clients connect and are closed at once, without a byte; they come again and again."],
        [*names.haproxy_state(), names.cluster()],
        do,
        "nothing in the queues; publishers pile up what they cannot send.",
        about.reconnects(topology),
    )


def _limit(topology: Topology, names: Names) -> Fault:
    assert topology.haproxy is not None
    expected = sum(settings.connections for settings in topology.clients.values())
    limits = [
        f"{code(name)} {listener.maxconn or topology.haproxy.defaults.maxconn or 'that of the process'}"
        for name, listener in balancer.amqp_listeners(topology)
    ]
    check: list[Command] = []
    do: list[str | tuple[str, str]] = []
    if asked := names.socket("show info"):
        check.append(Command(f"{asked} | grep -E '^(CurrConns|Maxconn|Hard_maxconn|Ulimit-n)'", names.each_balancer))
        for name, _ in balancer.amqp_listeners(topology):
            raised = names.socket(f"set maxconn frontend {name} NUMBER") or ""
            do.append(("For now, until the next reload, up to the process's own limit, on each load balancer:", raised))
    do += [
        "Find out who opens so many: a client that does not close, or one that comes again without a pause.",
        (
            f"Really needed: raise {code('haproxy.defaults.maxconn')} and {code('haproxy.global.maxconn')} in the "
            "design, generate, install; HAProxy is reloaded, nobody is cut."
        ),
    ]
    return Fault(
        titles.CONNECTION_LIMIT,
        [
            (
                f"New connections wait unanswered until they time out; old ones work. Limits: {', '.join(limits)}, the "
                f"process {topology.haproxy.global_.maxconn or 'as its open files allow'}. The design's clients have "
                f"{expected}."
            ),
        ],
        [*check, *names.haproxy_state()],
        do,
        "when a load balancer is lost its clients come to the next one as well, which has the same limit.",
    )
