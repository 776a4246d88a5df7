"""Faults of what brokers hold: alarms, descriptors, connections, messages, members of queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.prometheus.queues import default_members
from generators.quoting import shell
from generators.runbook import about
from generators.runbook.text import Command, Expected, Fault, code, link
from generators.system import DROP_INS
from rmqha_model.timers import Span, balancer, broker

if TYPE_CHECKING:
    from generators.runbook.names import Names
    from rmqha_model.topology import Topology

__all__ = ["faults"]

BLOCKED = (
    "Publishers wait: connections that publish are blocked on **every** broker, although one is in alarm. Clients see "
    "`connection.blocked`; those that only consume go on."
)

ALARMS = "rabbit's vm_memory_monitor and rabbit_disk_monitor, 3.8 to 4.3"


def faults(topology: Topology, names: Names) -> Iterator[Fault]:
    """Give the sections on what brokers hold."""
    yield _memory(topology, names)
    yield _disk(topology, names)
    yield _descriptors(topology, names)
    if len(topology.brokers) > 1:
        yield _unbalanced(topology, names)
    yield _unroutable(topology, names)
    yield _not_acknowledged(topology, names)
    if len(topology.brokers) > 1:
        # Applications may declare quorum queues, whatever the design has.
        yield _members(topology, names)
        yield _no_majority(topology, names)


def _memory(topology: Topology, names: Names) -> Fault:
    limit = topology.rabbitmq.memory_high_watermark
    newer = not topology.versions.can("rabbitmq.mirrored_queues")  # both changed with 4.0
    shown = limit if limit is not None else ("0.6 of the memory" if newer else "0.4 of the memory")
    return Fault(
        titles.MEMORY_ALARM,
        [BLOCKED, f"{code('rabbitmqctl cluster_status')} lists a memory alarm. The limit is {shown}."],
        [
            names.cluster(),
            Command(
                "rabbitmq-diagnostics memory_breakdown --unit MB",
                "On the broker in alarm",
                "what the memory is used for",
            ),
            *names.queues("messages", "message_bytes_ram", "consumers"),
        ],
        [
            f"Find the queue that grows, and get its consumers to work again ({link(titles.NOT_ACKNOWLEDGED)}).",
            "Many connections or channels: find the application that leaks them, and stop it.",
            (
                "To let publishers go on for now: "
                f"{code('rabbitmqctl set_vm_memory_high_watermark 0.7')} on that broker; gone at its next restart. "
                "Above "
                "0.7 the kernel may kill the broker instead."
            ),
        ],
        "the kernel kills a broker that grows on: that is a broker down, and its load goes to the others.",
        [
            Expected(
                "the alarm is set, and ends, after the memory crossed the limit",
                Span(0, 2.5, "check 0..2.5", ALARMS, ""),
            )
        ],
    )


def _disk(topology: Topology, names: Names) -> Fault:
    limit = topology.rabbitmq.disk_free_limit
    return Fault(
        titles.DISK_ALARM,
        [
            BLOCKED,
            (
                f"{code('rabbitmqctl cluster_status')} lists a disk alarm. The limit is "
                f"{limit or '50MB, of the broker itself'}."
            ),
        ],
        [
            names.cluster(),
            Command("df -h /var/lib/rabbitmq /var/log", "On the broker in alarm"),
            Command("du -xsh /var/lib/rabbitmq/mnesia/* /var/log/* | sort -h | tail", "On the broker in alarm"),
            *names.queues("messages", "message_bytes", "consumers"),
        ],
        [
            (
                "Free space that is not the broker's first: old logs, packages, cores. Delete nothing below "
                "/var/lib/rabbitmq by hand."
            ),
            (
                f"Then let queues drain: get their consumers to work ({link(titles.NOT_ACKNOWLEDGED)}). Quorum queues "
                "give their segments back only when all messages in them are gone."
            ),
            (
                "Or make the file system larger. To let publishers go on for now: "
                f"{code('rabbitmqctl set_disk_free_limit 1GB')} on that broker; gone at its next restart."
            ),
        ],
        "a disk that is really full stops the broker, and it does not start again until there is space.",
        [
            Expected(
                "the alarm is set, and ends, after the space crossed the limit", Span(0, 10, "check 0..10", ALARMS, "")
            )
        ],
    )


def _descriptors(topology: Topology, names: Names) -> Fault:
    del names
    limits = {host: topology.os_of(host).open_files for host in topology.brokers}
    said = ", ".join(str(limit) for limit in sorted({limit for limit in limits.values() if limit}))
    where = code(DROP_INS["rabbitmq-server"]) if said else "the unit of the package"
    return Fault(
        titles.FILE_DESCRIPTORS,
        [f"New connections are accepted no more, or fail. LimitNOFILE is {said or 'that of the package'}, in {where}."],
        [
            Command("rabbitmq-diagnostics status", "On the broker", "see File Descriptors"),
            Command(
                "rabbitmqctl -q list_connections user | sort | uniq -c | sort -n | tail",
                "On the broker",
                "who has most",
            ),
            Command("systemctl show --property LimitNOFILE rabbitmq-server", "On the broker"),
        ],
        [
            "Many connections of one user: an application opens without closing. Stop it; its connections end with it.",
            (
                f"Really needed: raise {code('os.open_files')} in the design, generate, install, and restart the "
                "brokers "
                "one by one as in [rolling-change.md](rolling-change.md)."
            ),
        ],
        "clients of a broker that goes down cannot move to this one.",
    )


def _unbalanced(topology: Topology, names: Names) -> Fault:
    algorithms = {name: listener.balance for name, listener in balancer.amqp_listeners(topology)}
    see = ["One broker has few connections, usually the one that came back last: AMQP connections live long."]
    for name, algorithm in algorithms.items():
        if algorithm == "leastconn":
            see.append(f"{code(name)} uses leastconn: new connections go there until it has caught up.")
        else:
            see.append(
                f"{code(name)} uses {algorithm}: it gets no more than its share of new connections, so it stays so."
            )
    node = topology.node_name(topology.brokers[0])
    close = (
        f"rabbitmqctl --node {shell(node)} close_all_connections --global --limit 20 --per-connection-delay 500 "
        "rebalance"
    )
    return Fault(
        titles.UNBALANCED,
        see,
        [
            Command(
                "rabbitmqctl -q list_connections host | sort | uniq -c",
                names.any_broker,
                "connections by broker's address",
            ),
            *(names.haproxy_state() if topology.haproxy else []),
        ],
        [
            "If the others cope, leave it: it evens out as applications are restarted.",
            (
                (
                    "Else have some clients of the fullest broker connect again, a few at a time (here "
                    f"{topology.brokers[0]}):"
                ),
                close,
            ),
            f"Leaders are another matter: {code('rabbitmq-queues rebalance all')}.",
        ],
        "the full ones carry the load of all, and are the next to reach a limit.",
        about.reconnects(topology),
    )


def _unroutable(topology: Topology, names: Names) -> Fault:
    bindings = [
        Command(
            f"rabbitmqctl list_bindings --vhost {shell(vhost)} source_name destination_name routing_key",
            names.any_broker,
        )
        for vhost in [*topology.rabbitmq.vhosts][:4]
    ]
    return Fault(
        titles.UNROUTABLE,
        [
            (
                "Messages are published that no queue is bound for. They are confirmed all the same, and gone, unless "
                "they were published with `mandatory`, which returns them."
            ),
        ],
        [*bindings, *names.queues("type", "state")],
        [
            (
                "A queue or binding is missing: run `/usr/local/sbin/rmqha-apply-queues` on any broker; it makes what "
                "the design has and leaves the rest alone."
            ),
            "A queue is there and its broker is not: start the broker.",
            "A routing key that changed with a release of an application: bind it, or take the release back.",
            "Have the application publish with `mandatory`, so that it hears of it next time.",
        ],
        "everything that is published there is lost, and nobody is told.",
    )


def _not_acknowledged(topology: Topology, names: Names) -> Fault:
    most = ", ".join(
        f"{code(name)} {settings.prefetch * settings.channels * settings.connections or 'no limit'}"
        for name, settings in topology.clients.items()
        if settings.ack == "manual"
    )
    notices = [
        Expected(f"messages of a {code(name)} whose host vanished come back", _broker_notices(topology, name))
        for name in topology.clients
    ]
    return Fault(
        titles.NOT_ACKNOWLEDGED,
        [
            (
                "messages_unacknowledged grows; consumers hold what they do not finish. At most: "
                f"{most or 'none, with automatic acks'}."
            )
        ],
        [
            *names.queues("messages_ready", "messages_unacknowledged", "consumers"),
            *(
                Command(
                    f"rabbitmqctl list_consumers --vhost {shell(vhost)}",
                    names.any_broker,
                    "who consumes, with which prefetch",
                )
                for vhost in [*topology.rabbitmq.vhosts][:4]
            ),
        ],
        [
            "Look at the consumers: a database or service behind them that hangs is the usual cause.",
            "Restart those that hang: what they held goes to others, marked as redelivered.",
            (
                "A message that no consumer can process comes back for ever: give the queue a delivery limit and a "
                "dead-letter exchange."
            ),
        ],
        "unacknowledged messages use memory, and after the consumer timeout their channels are closed.",
        notices,
    )


def _broker_notices(topology: Topology, name: str) -> Span:
    from rmqha_model.timers import client

    return client.broker_notices(topology, topology.clients[name])


def _members(topology: Topology, names: Names) -> Fault:
    members = default_members(topology)
    node = topology.node_name(topology.brokers[-1])
    return Fault(
        titles.QUEUE_MEMBERS,
        [
            (
                f"All brokers run, and a queue has fewer live members than the design gives it ({members} where it "
                "says "
                "nothing else). It was declared while a broker was absent, before a broker was added, or with another "
                "group size."
            ),
        ],
        [
            *names.quorum_queue(),
            *(names.queues("type", "leader", "members", "online") if names.version >= (3, 9) else []),
        ],
        [
            f"A member is there and not online: its broker is up? Then as in {link(titles.BROKER_DOWN)}.",
            (
                f"A member is missing: {code(f'rabbitmq-queues grow {node} all')}, with the node that has none (here "
                f"{topology.brokers[-1]}). It copies in the background."
            ),
            f"Too many, of a broker that is gone: {code(f'rabbitmq-queues shrink {node}')}.",
        ],
        "the next broker that is lost may take the queue's majority with it, although there would be brokers enough.",
    )


def _no_majority(topology: Topology, names: Names) -> Fault:
    return Fault(
        titles.QUEUE_MAJORITY,
        ["One queue takes and gives nothing: no confirm, no delivery, 541 when a client consumes. Others may be well."],
        [*names.quorum_queue(), names.cluster()],
        [
            f"Start the brokers that hold its members ({link(titles.BROKER_DOWN)}).",
            (
                f"All run and it still has no leader: {link(titles.BROKERS_APART)}, or its members crash: look for the "
                "queue's name in the logs."
            ),
            f"Its brokers are gone for good: {link(titles.MAJORITY_LOST)}, last step."
            if len(topology.brokers) > 1
            else "Its broker is gone for good: delete and declare it again; what was in it is lost.",
        ],
        "nothing that was confirmed, as long as the disks of a majority are there.",
        [
            Expected("a leader, once a majority of its members runs", broker.election_after_silence(topology)),
            Expected("the same, after a crash", broker.election_after_crash(topology)),
        ],
        "the members do not reach each other.",
    )
