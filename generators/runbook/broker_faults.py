"""Faults of brokers: one is down or silent, most are, they do not see each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.prometheus.brokers import majority_lost_at
from generators.runbook import about
from generators.runbook.text import Command, Expected, Fault, code, link
from rmqha_model.timers import balancer, broker, client, number
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from generators.runbook.names import Names
    from rmqha_model.topology import Topology

__all__ = ["faults"]

SHRINKS = Version(3, 12, 0)
"""From here rabbit_quorum_queue has force_all_queues_shrink_member_to_current_member/0."""


def faults(topology: Topology, names: Names) -> Iterator[Fault]:
    """Give the sections on brokers that are gone."""
    yield _down(topology, names)
    yield _silent(topology, names)
    if len(topology.brokers) > 1:
        yield _majority(topology, names)
        yield _apart(topology, names)


def _down(topology: Topology, names: Names) -> Fault:
    quorum = about.has_quorum_queues(topology)
    see = [f"{code('rabbitmqctl cluster_status')} on another broker lists it as a member that does not run."]
    expected = about.refused_spans(topology)
    for name, listener in balancer.amqp_listeners(topology):
        span, through = balancer.first_attempt(topology, listener, is_silent=False)
        then = "reaches another broker after" if through else "is closed after"
        expected.append(Expected(f"until then, a new connection to {code(name)} that is given to it {then}", span))
    if topology.haproxy:
        see.append("HAProxy logs that its servers are DOWN, and closes its connections as soon as the broker's end.")
    see.append("Its clients connect again; all others notice nothing but a pause of the queues it led.")
    if quorum:
        expected.append(Expected("quorum queues it led have a new leader", broker.election_after_crash(topology)))
        expected.append(Expected("after an orderly stop", broker.election_after_stop(topology)))
    expected += [
        Expected("messages its consumers held go to others", broker.redelivery(topology)),
        *about.reconnects(topology),
    ]
    for name, listener in balancer.amqp_listeners(topology):
        back = balancer.back_up(topology, listener)
        expected.append(Expected(f"once its port answers, HAProxy's {code(name)} sends there again", back))
    see += _classic(topology)
    longer = f"HAProxy that still calls it UP: {link(titles.SERVER_DOWN)}. " if topology.haproxy else ""
    longer += f"A queue without leader: {link(titles.QUEUE_MAJORITY)}." if len(topology.brokers) > 1 else ""
    return Fault(
        titles.BROKER_DOWN,
        see,
        [names.cluster(), *names.broker_log()],
        [*_start(topology), *_lost_for_good(topology)],
        about.survives(topology, 1),
        expected,
        longer.strip(),
    )


def _start(topology: Topology) -> Iterator[str]:
    wait = broker.boot_wait(topology)
    yield (
        f"{code('systemctl start rabbitmq-server')} on that host. It waits up to {number(wait.max_s)} s for its peers "
        f"({wait.formula}); do not interrupt it."
    )
    yield (
        "If it gives up, its log says why, in the last lines before BOOT FAILED: no peer in time "
        f"({link(titles.COLD_START)}), a cookie ({link(titles.COOKIE)}), a port that is taken, a full disk."
    )
    if topology.versions.can("rabbitmq.await_online_quorum_plus_one"):
        ready = f"{code('rabbitmqctl await_startup')}, then {code('rabbitmq-upgrade await_online_quorum_plus_one')}"
    else:
        ready = f"{code('rabbitmqctl await_startup')}, then {code('rabbitmq-queues quorum_status')} of your queues"
    yield f"Wait until it is whole: {ready}."
    yield f"Leaders do not come back by themselves: {code('rabbitmq-queues rebalance all')} when it is quiet."


def _lost_for_good(topology: Topology) -> Iterator[str]:
    if len(topology.brokers) < 2:
        return
    node = topology.node_name(topology.brokers[-1])
    forget, grow = code(f"rabbitmqctl forget_cluster_node {node}"), code(f"rabbitmq-queues grow {node} all")
    yield (
        f"If the machine will not come back (here {topology.brokers[-1]}): {forget} on another broker, set the new "
        f"machine up as in {link(titles.INSTALLATION)}, then {grow} so that quorum queues have their members again."
    )


def _classic(topology: Topology) -> Iterator[str]:
    if about.has_mirrors(topology):
        yield (
            "Mirrored queues it led go on with the oldest mirror, in milliseconds a queue; what was delivered and not "
            "acknowledged comes again. A mirror that was not synchronised loses what it did not have."
        )
    if not about.has_plain_classic(topology):
        return
    version = Version.parse(topology.versions.rabbitmq)
    if version < Version(3, 11, 0):
        what = (
            "declaring and consuming fail at once (404), and what is published without `mandatory` is confirmed and "
            "lost"
        )
    else:
        what = "declaring and consuming wait for about 60 s and fail, and what is published is rejected (nack)"
    yield (
        "Classic queues whose home it is stand still until it is back; their messages are on its disk. Meanwhile "
        f"{what}."
    )


def _silent(topology: Topology, names: Names) -> Fault:
    see = [
        (
            "Connections to it hang instead of breaking; on the host nothing may look wrong, or it cannot be reached "
            "at "
            "all."
        ),
    ]
    expected = about.silent_spans(topology)
    for name, listener in balancer.amqp_listeners(topology):
        span, through = balancer.first_attempt(topology, listener, is_silent=True)
        then = "reaches another broker after" if through else "is closed after"
        expected.append(Expected(f"until then, a new connection to {code(name)} that is given to it {then}", span))
        if balancer.frozen(topology, listener).is_never:
            see.append(
                f"Frozen, it stays UP for HAProxy's {code(name)}: the check only connects, and its kernel answers."
            )
        if listener.server.on_marked_down is None:
            see.append(
                f"HAProxy's {code(name)} leaves its connections open when it is DOWN: heartbeats have to end them."
            )
    for name, settings in topology.clients.items():
        expected.append(
            Expected(
                f"client {code(name)} gives up on its own, by heartbeat", client.client_notices(topology, settings)
            )
        )
    if about.has_quorum_queues(topology):
        expected.append(Expected("quorum queues it led have a new leader", broker.election_after_silence(topology)))
    tick = "the others call it down: mirrored queues go on, partition handling acts"
    if topology.partition_handling() is None:
        tick = "the others call it down"
    expected.append(Expected(tick, broker.net_tick(topology)))
    if broker.hung(topology) != broker.net_tick(topology):
        expected.append(Expected("the same, where it is frozen and its host still answers", broker.hung(topology)))
    expected += about.reconnects(topology)
    if about.has_mirrors(topology):
        see.append(
            "Every publisher to a queue that is mirrored on it waits for its confirms until the others call it down."
        )
    check = [names.cluster(), *names.broker_log()]
    do: list[str | tuple[str, str]] = [
        "Make sure that it is out: power the host off. A broker that half works is worse than none."
    ]
    for name, _ in balancer.amqp_listeners(topology):
        if asked := names.socket(f"disable server {name}/{topology.brokers[-1]}"):
            text = (
                f"Or take it out of HAProxy by hand, on each load balancer (here {topology.brokers[-1]}; `enable` "
                "undoes it):"
            )
            do.append((text, asked))
    kill = code("systemctl kill --signal=SIGKILL rabbitmq-server")
    do.append(f"If the host can be reached and the broker is frozen: {kill}; systemd starts it anew.")
    do.append(f"Then as in {link(titles.BROKER_DOWN)}.")
    return Fault(
        titles.BROKER_SILENT,
        see,
        check,
        do,
        about.survives(topology, 1),
        expected,
        f"clients that hang for longer have no heartbeat, or block their own input. See {link(titles.BROKERS_APART)} "
        "too."
        if len(topology.brokers) > 1
        else "clients that hang for longer have no heartbeat, or block their own input.",
    )


def _majority(topology: Topology, names: Names) -> Fault:
    brokers = len(topology.brokers)
    needed = majority_lost_at(brokers) + 1
    handling = topology.partition_handling()
    see = [f"Fewer than {needed} of {brokers} brokers run. Publishers wait for confirms, declaring fails (541)."]
    if handling and handling.strategy == "pause_minority":
        paused = code("rabbitmq-diagnostics is_running")
        see.append(
            "The brokers that are left have paused: no listener is open, clients are turned away, and "
            f"{paused} says no there."
        )
    elif handling is None:
        see.append("The brokers that are left keep their ports open, and take clients who get no confirm.")
    do = [
        (
            "Start the brokers that are down. Do not reset, forget or force anything: as long as their disks are "
            "there, "
            "nothing that was confirmed is lost."
        ),
        f"They may start in any order, all within {number(broker.boot_wait(topology).max_s)} s of each other. "
        "The last one that stopped starts alone."
        if topology.versions.can("rabbitmq.mnesia")
        else f"They may start in any order, all within {number(broker.boot_wait(topology).max_s)} s of each other.",
        "Paused brokers come back within a second of the majority.",
    ]
    if not (handling and handling.strategy == "pause_minority"):
        do.pop()
    forget = code(f"rabbitmqctl forget_cluster_node {topology.node_name(topology.brokers[-1])}")
    last = "Only if their machines are gone for good, on **one** survivor: "
    if handling and handling.strategy == "pause_minority":
        # A paused node waits for a majority; one that boots does not look for it (seen on 3.10.8 and 4.0.5).
        last += f"stop it, {code('rabbitmqctl force_boot')}, start it, "
    last += f"{forget} for each that is lost."
    if Version.parse(topology.versions.rabbitmq) >= SHRINKS:
        shrink = code("rabbitmqctl eval 'rabbit_quorum_queue:force_all_queues_shrink_member_to_current_member().'")
        last += f" Then {shrink}: each quorum queue goes on with this one member. What it lacks is lost."
    else:
        last += " Quorum queues without majority cannot be saved in this release: delete and declare them again."
    do.append(last)
    return Fault(
        titles.MAJORITY_LOST,
        see,
        [names.cluster(), *names.broker_log()],
        do,
        "publishers keep what was not confirmed, if they can; those without confirms lose it.",
        [Expected("once a majority runs, quorum queues have leaders", broker.election_after_silence(topology))],
        f"a queue without leader: {link(titles.QUEUE_MAJORITY)}.",
    )


HEALING = {
    "ignore": (
        "Nothing heals by itself. When the network is back, choose the side to keep, and restart the brokers of the "
        "other, one after the other: what was published there to mirrored queues since the split is lost."
    ),
    "pause_minority": (
        "The side without majority has paused, and comes back by itself within a second of the network's return. "
        "Restore the network; restart nothing."
    ),
    "autoheal": (
        "When all brokers see each other again, those of the side with fewer connections restart by themselves and "
        "take the other side's state: what was published there to mirrored queues since the split is lost."
    ),
    "pause_if_all_down": (
        "The side that sees none of the watched nodes has paused, and comes back by itself with the network. Restore "
        "the network; restart nothing."
    ),
}


def _apart(topology: Topology, names: Names) -> Fault:
    handling = topology.partition_handling()
    ports = topology.rabbitmq.ports
    peers = topology.brokers[:3]
    probes = [
        Command(f"timeout 3 bash -c '</dev/tcp/{topology.ip(host)}/{port}' && echo open", names.each_broker, why)
        for host in peers
        for port, why in (
            (ports.distribution, f"{host}, between brokers"),
            (ports.epmd, f"{host}, Erlang's port mapper"),
        )
    ]
    see = [
        (
            f"{code('rabbitmqctl cluster_status')} says different things on different brokers; Network Partitions may "
            "name some."
        ),
        f"Logs say {code('net_tick_timeout')} (silence) or {code('connection_closed')} (a reset).",
    ]
    if handling is None:
        heal = (
            "Raft decides: the side with a majority goes on, the other declares and confirms nothing, and joins again "
            "with it."
        )
        see.append("Brokers of the minority keep their ports open: clients there hang.")
    else:
        heal = HEALING[handling.strategy]
    if topology.versions.can("rabbitmq.khepri_by_default") and handling is not None:
        heal += " With Khepri as the metadata store (new clusters of 4.2) the strategy has no effect: Raft decides."
    return Fault(
        titles.BROKERS_APART,
        see,
        [Command("rabbitmqctl cluster_status", names.each_broker), *probes],
        [
            (
                "Find what is cut: a link, a packet filter that was reloaded, a name that leads elsewhere "
                f"({code('/etc/hosts')} of each broker must have all of them)."
            ),
            heal,
            f"Then compare {code('rabbitmqctl cluster_status')} on all brokers: each must list all as running.",
        ],
        "a second cut may leave no side with a majority.",
        [
            Expected(
                "a silent link is noticed, and the strategy acts" if handling else "a silent link is noticed",
                broker.net_tick(topology),
            ),
            Expected("quorum queues led on the other side have a new leader", broker.election_after_silence(topology)),
        ],
        "the network is still cut, in part: look at each pair of brokers.",
    )
