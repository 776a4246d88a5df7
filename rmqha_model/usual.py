"""What clients usually do while something happens: one scenario for every fault, the same in both worlds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rmqha_model.queues import Policy, PolicyDefinition

if TYPE_CHECKING:
    from rmqha_model.clients import Client
    from rmqha_model.topology import Topology

__all__ = [
    "DEFAULT_EXCHANGE",
    "OWN",
    "can_use_default_exchange",
    "mirrors",
    "policies",
    "queues",
    "usual_client",
    "workload",
]

OWN = "rmqha-suite"
"""What the names of queues, users and policies begin with that are made for a measurement only."""

DEFAULT_EXCHANGE = "amq.default"
"""What permissions call the exchange without a name (rabbit_channel:check_resource_access, 3.8 to 4.3)."""

_RATE = 20

_DEFAULT_MIRRORING = {"ha-mode": "all", "ha-sync-mode": "automatic"}
_FIRST = 1000
"""Priority of these policies: of several only the one with the highest applies."""


def usual_client(topology: Topology) -> tuple[str, Client]:
    """Give the client, by its name, that stands for all: the first that may publish to any queue, else the first."""
    clients = list(topology.clients.items())
    return next((each for each in clients if can_use_default_exchange(topology, each[1])), clients[0])


def can_use_default_exchange(topology: Topology, client: Client) -> bool:
    """Whether *client* may publish straight to a queue, by its name, and have queues named after :data:`OWN`."""
    may = topology.permissions_of(topology.user_of(client)).get(topology.vhost_of(client))
    if may is None:
        return False
    name = f"{OWN}.a"
    return all(re.search(pattern, name) for pattern in (may.configure, may.write, may.read)) and bool(
        re.search(may.write, DEFAULT_EXCHANGE)
    )


def mirrors(topology: Topology) -> bool:
    """Whether these releases can mirror classic queues."""
    return topology.versions.can("rabbitmq.mirrored_queues") and len(topology.brokers) > 1


def queues(topology: Topology) -> dict[str, str]:
    """Give a queue of each kind that the release has, by its kind; the first is the one ``@leader`` means."""
    kinds = ("quorum", "mirrored", "plain") if mirrors(topology) else ("quorum", "plain")
    return {kind: f"{OWN}.{kind}" for kind in kinds}


def policies(topology: Topology) -> tuple[Policy, ...]:
    """Give the policies that make one of these classic queues mirrored, as the design mirrors, and keep one plain."""
    if not mirrors(topology):
        return ()
    vhost, names = topology.vhost_of(usual_client(topology)[1]), queues(topology)
    own = [p.definition.as_json() for p in topology.rabbitmq.policies if p.definition.is_mirroring and p.vhost == vhost]
    # Something harmless for the plain one: what counts is that the design's own policy no longer applies to it.
    wanted = {"mirrored": own[0] if own else _DEFAULT_MIRRORING, "plain": {"max-length": 100_000_000}}
    return tuple(
        Policy(
            name=f"{OWN}-{kind}",
            vhost=vhost,
            pattern=f"^{names[kind].replace('.', '[.]')}$",
            apply_to="queues",
            priority=_FIRST,
            definition=PolicyDefinition.model_validate(definition),
        )
        for kind, definition in wanted.items()
    )


def workload(topology: Topology) -> dict[str, Any]:
    """Give what the clients do: fresh connections all the time; a publisher and a consumer of each kind of queue."""
    label, client = usual_client(topology)
    probes = {"fresh": {"client": label, "every": "100ms", "patience": "2s"}}
    if not can_use_default_exchange(topology, client):
        return {"probes": probes}
    kinds, vhost = queues(topology), topology.vhost_of(client)
    return {
        "queues": [
            {"name": name, "vhost": vhost, "type": "quorum" if kind == "quorum" else "classic"}
            for kind, name in kinds.items()
        ],
        "probes": probes,
        "publishers": {
            f"{kind}-publisher": {"client": label, "queue": name, "rate": _RATE} for kind, name in kinds.items()
        },
        "consumers": {f"{kind}-consumer": {"client": label, "queue": name} for kind, name in kinds.items()},
    }
