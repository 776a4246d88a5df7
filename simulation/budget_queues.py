"""How long a queue of each kind serves nobody when a broker is lost, and what becomes of messages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.queues import QUORUM_GROUP_SIZE, ClassicQueue, QuorumQueue, StreamQueue
from rmqha_model.timers import Span, broker, client, kernel
from rmqha_model.usual import mirrors, usual_client
from rmqha_model.versions import Version
from simulation.budget_spans import NOTHING, broker_back, broker_boot, host_boot, later, quits, unknown
from simulation.budget_words import Loss
from simulation.machines.mirrored import CREDIT, MirroredSettings
from simulation.machines.partition import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmqha_model.clients import Client
    from rmqha_model.topology import Topology
    from simulation.budget_incidents import BrokerFate, Incident
    from simulation.budget_words import Kind

__all__ = ["NO_STALL", "Stall", "kinds", "kinds_in_use", "losses", "members", "pauses", "stall"]

SYNCED = "its mirrors are in step; one that is not leads and loses what it lacks, or leaves the queue down"


@dataclass(frozen=True, slots=True)
class Stall:
    """How long a queue serves nobody: publishers, and consumers."""

    publish: Span
    consume: Span
    after_undone: Span | None = None
    bound: str = ""


NO_STALL = Stall(NOTHING, NOTHING)


def kinds(topology: Topology) -> tuple[Kind, ...]:
    """Give the kinds of queues that the release has."""
    return ("quorum", "mirrored", "plain") if mirrors(topology) else ("quorum", "plain")


def kinds_in_use(topology: Topology) -> tuple[Kind, ...]:
    """Give the kinds of the queues of the design; where it declares none, that of one declared without a type."""
    found: set[Kind] = set()
    for queue in topology.rabbitmq.queues:
        if isinstance(queue, QuorumQueue):
            found.add("quorum")
        elif isinstance(queue, ClassicQueue):
            found.add("mirrored" if _is_mirrored(topology, queue) else "plain")
    if not found and not any(isinstance(queue, StreamQueue) for queue in topology.rabbitmq.queues):
        asked = topology.rabbitmq.default_queue_type
        found.add("quorum" if "quorum" in {asked, topology.default_queue_type()} else "plain")
    return tuple(kind for kind in kinds(topology) if kind in found)


def _is_mirrored(topology: Topology, queue: ClassicQueue) -> bool:
    import re

    if not mirrors(topology):
        return False
    matching = [
        policy
        for policy in topology.rabbitmq.policies
        if policy.vhost == queue.vhost and policy.apply_to != "exchanges" and re.search(policy.pattern, queue.name)
    ]
    best = max(matching, key=lambda policy: policy.priority, default=None)
    return best is not None and best.definition.is_mirroring


def members(topology: Topology) -> int:
    """Give how many members a quorum queue has."""
    return min(len(topology.brokers), topology.rabbitmq.quorum_group_size or QUORUM_GROUP_SIZE)


def pauses(topology: Topology, lost: int) -> bool:
    """Tell whether the brokers that are left stop by themselves when so many are lost."""
    left = topology.brokers[lost:]
    return not Strategy.from_design(topology).may_serve(frozenset(left))


def returns(topology: Topology, host: str, fate: BrokerFate) -> tuple[Span, Span | None]:
    """Give when a broker serves again since the fault; where that is never, since it is undone."""
    back = broker_back(topology, host, fate)
    if back is not None:
        return back, None
    forever = Span(math.inf, math.inf, "until undone", "", "")
    if fate == "stopped":
        return forever, broker_boot(topology, host)
    if fate == "app_stopped":
        return forever, broker_boot(topology, host, vm=False)
    if fate == "powerless":
        return forever, later(host_boot(topology, host), broker_boot(topology, host))
    return forever, unknown(0, 1, "what waited is answered", "RABBIT_DOWN_PING_INTERVAL 1 s", "RabbitMQ 3.8 to 4.3")


def gone(topology: Topology, host: str, fate: BrokerFate) -> Span:
    """How soon the other brokers know that it is gone, once it serves nobody."""
    if fate == "killed":
        return NOTHING
    if fate == "hung":
        return broker.hung(topology)
    if fate in {"powerless", "cut"}:
        return broker.net_tick(topology)
    return quits(topology, host)


def stall(topology: Topology, incident: Incident, kind: Kind) -> Stall:
    """Give how long a queue of *kind* stands still for clients that are connected to brokers that are well."""
    host, fate = next(iter(incident.brokers.items()), ("", None))
    if fate is None:
        return NO_STALL
    return _odd(fate) or _gone(topology, incident, kind, host, fate)


def _odd(fate: BrokerFate) -> Stall | None:
    """Of brokers that are not gone."""
    if fate == "alarmed":
        words, source = "publishers are blocked until undone", "rabbit src/rabbit_alarm.erl"
        blocked = Span(math.inf, math.inf, words, source, "RabbitMQ 3.8 to 4.3")
        return Stall(blocked, blocked, unknown(0, 0.1, "unblocked at once", "rabbit src/rabbit_alarm.erl"))
    if fate == "flapping":
        silence = Span(0, 5, "silences 0..5", "", "")
        resent = kernel.resent(silence, 0.1)
        return Stall(resent, resent, bound="how often it is lost and sent again, phases decide")
    return None


def _gone(topology: Topology, incident: Incident, kind: Kind, host: str, fate: BrokerFate) -> Stall:
    span, after = returns(topology, host, fate)
    if len(incident.brokers) == len(topology.brokers):
        return Stall(span, span, after)
    if pauses(topology, len(incident.brokers)):
        return Stall(span, span, after, "" if after else "the others pause with it, and return with it")
    if kind == "quorum":
        return _quorum(topology, incident, fate, Stall(span, span, after))
    if kind == "mirrored":
        return _mirrored(topology, host, fate, leads=incident.leads)
    return _plain(topology, host, fate, Stall(span, span, after)) if incident.leads else NO_STALL


def _quorum(topology: Topology, incident: Incident, fate: BrokerFate, until_back: Stall) -> Stall:
    size = members(topology)
    if size - len(incident.brokers) < size // 2 + 1:
        return until_back
    if not incident.leads:
        return NO_STALL
    if fate == "killed":
        span = broker.election_after_crash(topology, size)
    elif fate in {"hung", "powerless", "cut"}:
        span = broker.election_after_silence(topology, size)
    else:
        span = broker.election_after_stop(topology, size)
    return Stall(span, span)


def _mirrored(topology: Topology, host: str, fate: BrokerFate, *, leads: bool) -> Stall:
    seen = gone(topology, host, fate) if fate in {"hung", "powerless", "cut"} else NOTHING
    seconds = MirroredSettings().promotion_s
    source = "rabbit src/rabbit_mirror_queue_slave.erl promote_me; derived"
    promotion = Span(seconds, seconds, f"promotion {seconds:g}", source, "RabbitMQ 3.8 to 3.13")
    if leads:
        both = later(seen, promotion)
        return Stall(both, both)
    # Every mirror has to answer before a publish is confirmed; deliveries go on as long as publishers have credit.
    words = f"0..({seen.formula}): what is published unconfirmed is delivered, {CREDIT} messages a channel"
    consume = Span(0, seen.max_s, words, seen.source, seen.versions) if seen.max_s else NOTHING
    return Stall(seen, consume)


def _plain(topology: Topology, host: str, fate: BrokerFate, until_back: Stall) -> Stall:
    if keeps_record(topology):
        return until_back
    # Up to 3.10 what is published is unroutable once its home is known to be gone, and confirmed for all that.
    # While RabbitMQ stops there in order, its process has ended and they are nacked.
    seen = gone(topology, host, fate)
    # Consumers are refused with 404 meanwhile, and come again after their own delay.
    consume = until_back.consume
    again = client.reconnect(usual_client(topology)[1])
    if consume.is_bounded:
        words = f"{consume.formula} + the next attempt after a 404, 0..{again.max_s:g}"
        consume = Span(consume.min_s, consume.max_s + again.max_s, words, consume.source, consume.versions)
    return Stall(seen, consume, until_back.after_undone)


def keeps_record(topology: Topology) -> bool:
    """Whether a durable queue whose home is down is still known, and publishes to it are nacked: from 3.11 on."""
    return Version.parse(topology.versions.rabbitmq) >= Version(3, 11, 0)


# -- messages -----------------------------------------------------------------------------------------


def losses(topology: Topology, incident: Incident, what: Client, *, cuts: bool) -> Iterator[Loss]:
    """Say what becomes of messages in a queue of each kind; *cuts*: whether connections are lost."""
    fate = next(iter(incident.brokers.values()), None)
    everywhere = len(incident.brokers) == len(topology.brokers) > 1
    for kind in kinds(topology):
        words: list[str] = []
        lost = False
        if cuts and not what.confirms:
            lost = True
            words.append("what is on its way without confirms is lost, and nobody is told")
        if cuts and what.ack == "auto":
            lost = True
            words.append("deliveries that nobody acknowledges are lost with their connection")
        if kind == "plain" and incident.leads and fate not in {None, "alarmed", "flapping"} and not everywhere:
            if not keeps_record(topology):
                lost = lost or not what.mandatory
                told = "returned to the publisher" if what.mandatory else "dropped, as `mandatory` is off"
                words.append(f"while its home is down publishes are confirmed and {told}")
            else:
                words.append("while its home is down publishes are nacked")
        if kind == "mirrored" and fate == "cut":
            name = Strategy.from_design(topology).name
            if name in {"ignore", "autoheal"}:
                lost = True
                words.append(f"{name}: what one side took is lost if the cut outlasts the brokers' patience")
        if kind == "mirrored" and fate and fate not in {"alarmed", "flapping"} and not everywhere:
            words.append(SYNCED)
        yield Loss(kind, lost, "; ".join(words) or "nothing that was confirmed is lost")
