"""What the broker holds, as its JSON: vhosts, users with hashed passwords, policies, exchanges, queues, bindings."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from generators.rabbitmq_conf import has_key
from rmqha_model.queues import ClassicQueue
from rmqha_model.versions import supports

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rmqha_model.queues import Binding, Exchange, Policy, Queue
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["Definitions", "password_hash", "queue_type_of_vhost"]

Objects = list[dict[str, "JsonValue"]]


def password_hash(password: str, design: str, user: str) -> str:
    """Hash a password as RabbitMQ does: base64 of four bytes of salt and SHA-256 of salt and password.

    The salt follows from the password, so that the same design gives the same bytes, and from design and user, so
    that equal passwords do not show. `rabbit_password_hashing_sha256` in RabbitMQ 3.8 to 4.3.
    """
    word = password.encode()
    salt = hmac.digest(word, f"rmqha{design}{user}".encode(), "sha256")[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + word).digest()).decode()


def queue_type_of_vhost(topology: Topology, vhost: str) -> str:
    """Give the type of a queue that is declared in *vhost* without one."""
    everywhere = topology.rabbitmq.default_queue_type if has_key(topology, "default_queue_type") else None
    return topology.rabbitmq.vhosts[vhost].default_queue_type or everywhere or "classic"


class Definitions:
    """The definitions of a design, in the parts that its scripts bring into a cluster."""

    def __init__(self, topology: Topology, secrets: Secrets) -> None:
        self._topology = topology
        self._secrets = secrets

    def whole(self) -> str:
        """Give all of it as one document, for `load_definitions` and imports."""
        rabbitmq = self._topology.rabbitmq
        return _document(
            {
                **self._users,
                "policies": [_policy(policy) for policy in rabbitmq.policies],
                "parameters": self._parameters(),
                "exchanges": [exchange_object(exchange) for exchange in rabbitmq.exchanges],
                "queues": [queue_object(self._topology, queue) for queue in rabbitmq.queues],
                "bindings": [binding_object(binding) for binding in rabbitmq.bindings],
            }
        )

    def users_only(self) -> str:
        """Give vhosts, users and permissions, which any node takes at any time."""
        return _document(self._users)

    @functools.cached_property
    def _users(self) -> dict[str, Objects]:
        topology, users = self._topology, self._topology.rabbitmq.users
        return {
            "vhosts": [self._vhost(name) for name in topology.rabbitmq.vhosts],
            "users": [
                {
                    "name": name,
                    "password_hash": password_hash(self._secrets[topology.password_of(name)], topology.name, name),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    # One text: RabbitMQ 3.8 takes no list (seen on 3.8.9: badarg).
                    "tags": ",".join(user.tags),
                }
                for name, user in users.items()
            ],
            "permissions": [
                {"user": name, "vhost": vhost, "configure": may.configure, "write": may.write, "read": may.read}
                for name in users
                for vhost, may in self._topology.permissions_of(name).items()
            ],
        }

    def _vhost(self, name: str) -> dict[str, JsonValue]:
        vhost = self._topology.rabbitmq.vhosts[name]
        made: dict[str, JsonValue] = {"name": name}
        if vhost.description:
            made["description"] = vhost.description
        if vhost.default_queue_type and supports(self._topology.versions, "rabbitmq.vhost_default_queue_type"):
            # Beside the name it is ignored (seen on 3.10.8).
            made["metadata"] = {"description": vhost.description, "default_queue_type": vhost.default_queue_type}
        return made

    def _parameters(self) -> Objects:
        rabbitmq = self._topology.rabbitmq
        limits: Objects = [
            {"component": "vhost-limits", "name": "limits", "vhost": name, "value": value}
            for name in rabbitmq.vhosts
            if (value := limits_of(self._topology, name))
        ]
        return limits + [
            {
                "component": "operator_policy",
                "name": policy.name,
                "vhost": policy.vhost,
                "value": {key: value for key, value in _policy(policy).items() if key not in {"name", "vhost"}},
            }
            for policy in rabbitmq.operator_policies
        ]


def limits_of(topology: Topology, vhost: str) -> dict[str, JsonValue]:
    """Give the limits of *vhost* by RabbitMQ's names; empty without."""
    limits = topology.rabbitmq.vhosts[vhost]
    values = {"max-connections": limits.max_connections, "max-queues": limits.max_queues}
    return {name: value for name, value in values.items() if value is not None}


def exchange_object(exchange: Exchange) -> dict[str, JsonValue]:
    """Give an exchange as definitions have it."""
    return {
        "name": exchange.name,
        "vhost": exchange.vhost,
        "type": exchange.type,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": dict(exchange.arguments),
    }


def queue_object(topology: Topology, queue: Queue) -> dict[str, JsonValue]:
    """Give a queue as definitions have it."""
    arguments: dict[str, JsonValue] = dict(queue.typed_arguments())
    # A client that declares a classic queue again and names no type finds its arguments only where none is named here.
    if queue.type != "classic" or queue_type_of_vhost(topology, queue.vhost) != "classic":
        arguments = {"x-queue-type": queue.type, **arguments}
    return {
        "name": queue.name,
        "vhost": queue.vhost,
        "durable": queue.durable if isinstance(queue, ClassicQueue) else True,
        "auto_delete": queue.auto_delete if isinstance(queue, ClassicQueue) else False,
        "arguments": arguments,
    }


def binding_object(binding: Binding) -> dict[str, JsonValue]:
    """Give a binding as definitions have it."""
    return {
        "source": binding.source,
        "vhost": binding.vhost,
        "destination": binding.destination,
        "destination_type": binding.destination_type,
        "routing_key": binding.routing_key,
        "arguments": dict(binding.arguments),
    }


def _policy(policy: Policy) -> dict[str, JsonValue]:
    return {
        "name": policy.name,
        "vhost": policy.vhost,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "priority": policy.priority,
        "definition": policy.definition.as_json(),
    }


def _document(objects: dict[str, Objects]) -> str:
    return json.dumps(objects, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
