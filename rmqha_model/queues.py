"""What lives in the broker: vhosts, users, queues, exchanges, bindings and policies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from rmqha_model.names import Line, Named, Pattern, ResourceName, Text
from rmqha_model.part import Part, refuse
from rmqha_model.secrets import Secret
from rmqha_model.units import Duration, Size

__all__ = [
    "QUORUM_GROUP_SIZE",
    "Binding",
    "ClassicQueue",
    "Exchange",
    "Permissions",
    "Policy",
    "PolicyDefinition",
    "Queue",
    "QuorumQueue",
    "StreamQueue",
    "User",
    "Vhost",
]

QUORUM_GROUP_SIZE = 3
"""Members of a quorum queue where nobody says: quorum_cluster_size in RabbitMQ's Makefile, 3.8.12 to 4.3."""

QueueType = Literal["classic", "quorum", "stream"]
Locator = Literal["client-local", "balanced"]
Count = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
MaxAge = Annotated[str, Named(r"[1-9]\d*[YMDhms]", "a number and one of Y M D h m s, such as 7D", 20)]


def _plain(value: Any) -> JsonValue:
    """Write a value as RabbitMQ's JSON holds it: times in milliseconds, sizes in bytes."""
    if isinstance(value, Duration):
        return value.ms
    if isinstance(value, Size):
        return value.bytes
    plain: JsonValue = list(value) if isinstance(value, tuple) else value
    return plain


class Permissions(Part):
    """Regular expressions over resource names; RabbitMQ does not anchor them, so write ``^`` and ``$`` yourself."""

    configure: Pattern = Field(".*", description="What may be declared and deleted.")
    write: Pattern = Field(".*", description="What may be published to and bound.")
    read: Pattern = Field(".*", description="What may be consumed from.")


class User(Part):
    """Somebody who logs in: an application, a monitor or a person."""

    password: Secret | None = Field(
        None, description="Where the password comes from; left out, it is `user_NAME` in secrets.yaml."
    )
    tags: tuple[Literal["administrator", "monitoring", "policymaker", "management", "impersonator"], ...] = Field(
        (), description="Management rights; an application needs none."
    )
    permissions: dict[ResourceName, Permissions] | None = Field(
        None, description="What is permitted, by vhost; left out, everything in every vhost of the design."
    )


class Vhost(Part):
    """A namespace of queues and exchanges with rights and limits of its own."""

    description: Text = Field("", description="A word about it, shown in the management UI.")
    default_queue_type: QueueType | None = Field(
        None, description="Type of a queue declared without one (RabbitMQ 3.11 and newer)."
    )
    max_connections: Count | None = Field(None, description="Limit of client connections.")
    max_queues: Count | None = Field(None, description="Limit of queues.")


class _Queue(Part):
    name: ResourceName = Field(description="The queue's name.")
    vhost: ResourceName = Field("/", description="The vhost it lives in.")
    max_length: Count | None = Field(None, description="x-max-length: messages it may hold.")
    max_length_bytes: Size | None = Field(None, description="x-max-length-bytes: bytes it may hold.")
    arguments: dict[ResourceName, JsonValue] = Field({}, description="Further x-arguments as they are.")

    def typed_arguments(self) -> dict[str, JsonValue]:
        """Give the x-arguments that the fields stand for, then the further ones."""
        raw = {"x-max-length": self.max_length, "x-max-length-bytes": self.max_length_bytes, **self._own_arguments()}
        return {key: _plain(value) for key, value in raw.items() if value is not None} | dict(self.arguments)

    def _own_arguments(self) -> dict[str, Any]:
        return {}


class _Consumed(_Queue):
    """What classic and quorum queues share and a stream lacks."""

    message_ttl: Duration | None = Field(None, description="x-message-ttl: messages older than this are dead-lettered.")
    expires: Duration | None = Field(None, description="x-expires: the queue is deleted when unused for so long.")
    overflow: Literal["drop-head", "reject-publish", "reject-publish-dlx"] | None = Field(
        None, description="x-overflow: what happens when it is full; `reject-publish` nacks and loses nothing."
    )
    dead_letter_exchange: Line | None = Field(None, description="x-dead-letter-exchange.")
    dead_letter_routing_key: Line | None = Field(None, description="x-dead-letter-routing-key.")
    single_active_consumer: bool = Field(False, description="x-single-active-consumer: order across consumers.")

    def _own_arguments(self) -> dict[str, Any]:
        return {
            "x-message-ttl": self.message_ttl,
            "x-expires": self.expires,
            "x-overflow": self.overflow,
            "x-dead-letter-exchange": self.dead_letter_exchange,
            "x-dead-letter-routing-key": self.dead_letter_routing_key,
            "x-single-active-consumer": self.single_active_consumer or None,
        }


class ClassicQueue(_Consumed):
    """A queue on one node; replicated only where a mirroring policy matches it (RabbitMQ 3.x)."""

    type: Literal["classic"] = Field(description="A queue on one node.")
    durable: bool = Field(True, description="Survives a restart of its node.")
    auto_delete: bool = Field(False, description="Deleted with its last consumer.")
    max_priority: Annotated[int, Field(ge=1, le=255)] | None = Field(None, description="x-max-priority.")
    mode: Literal["default", "lazy"] | None = Field(None, description="x-queue-mode (no effect from RabbitMQ 3.12).")

    def _own_arguments(self) -> dict[str, Any]:
        return {**super()._own_arguments(), "x-max-priority": self.max_priority, "x-queue-mode": self.mode}


class QuorumQueue(_Consumed):
    """A replicated queue: a message is confirmed when a majority of its members has it on disk (Raft)."""

    type: Literal["quorum"] = Field("quorum", description="A replicated queue, for whatever must not be lost.")
    initial_group_size: Annotated[int, Field(ge=1, le=99)] | None = Field(
        None, description="x-quorum-initial-group-size; left out, the broker's `quorum_group_size`."
    )
    delivery_limit: Annotated[int, Field(ge=-1)] | None = Field(
        None,
        description="x-delivery-limit: failed deliveries before a message is dropped (4.0 and newer: 20 by default).",
    )
    dead_letter_strategy: Literal["at-most-once", "at-least-once"] | None = Field(
        None, description="x-dead-letter-strategy; `at-least-once` needs `overflow: reject-publish`."
    )
    leader_locator: Locator | None = Field(None, description="x-queue-leader-locator: where the first leader is put.")

    def _own_arguments(self) -> dict[str, Any]:
        return {
            **super()._own_arguments(),
            "x-quorum-initial-group-size": self.initial_group_size,
            "x-delivery-limit": self.delivery_limit,
            "x-dead-letter-strategy": self.dead_letter_strategy,
            "x-queue-leader-locator": self.leader_locator,
        }


class StreamQueue(_Queue):
    """A replicated log that is read without being emptied (RabbitMQ 3.9 and newer)."""

    type: Literal["stream"] = Field(description="A replicated log.")
    max_age: MaxAge | None = Field(None, description="x-max-age, such as 7D: how long messages are kept.")
    segment_size: Size | None = Field(None, description="x-stream-max-segment-size-bytes.")
    initial_cluster_size: Annotated[int, Field(ge=1, le=99)] | None = Field(
        None, description="x-initial-cluster-size: how many nodes hold it."
    )
    leader_locator: Locator | None = Field(None, description="x-queue-leader-locator: where the first leader is put.")

    def _own_arguments(self) -> dict[str, Any]:
        return {
            "x-max-age": self.max_age,
            "x-stream-max-segment-size-bytes": self.segment_size,
            "x-initial-cluster-size": self.initial_cluster_size,
            "x-queue-leader-locator": self.leader_locator,
        }


Queue = Annotated[ClassicQueue | QuorumQueue | StreamQueue, Field(discriminator="type")]


class Exchange(Part):
    """Where publishers send messages to."""

    name: ResourceName = Field(description="The exchange's name.")
    vhost: ResourceName = Field("/", description="The vhost it lives in.")
    type: ResourceName = Field("direct", description="direct, fanout, topic, headers, or one a plugin brings (x-...).")
    durable: bool = Field(True, description="Survives a restart of the whole cluster.")
    auto_delete: bool = Field(False, description="Deleted with its last binding.")
    internal: bool = Field(False, description="Reached by bindings only, not by publishers.")
    arguments: dict[ResourceName, JsonValue] = Field({}, description="x-arguments as they are.")

    @model_validator(mode="after")
    def _type_exists(self) -> Exchange:
        if self.type not in {"direct", "fanout", "topic", "headers"} and not self.type.startswith("x-"):
            raise refuse(
                f"found exchange type {self.type!r}",
                "direct, fanout, topic, headers or a plugin's x-... type",
                at="type",
            )
        return self


class Binding(Part):
    """A route from an exchange to a queue or another exchange."""

    source: ResourceName = Field(description="The exchange it leads from.")
    destination: ResourceName = Field(description="The queue or exchange it leads to.")
    destination_type: Literal["queue", "exchange"] = Field("queue", description="What the destination is.")
    vhost: ResourceName = Field("/", description="The vhost all of it lives in.")
    routing_key: Annotated[Line, Field(max_length=255)] = Field("", description="Key or pattern that is matched.")
    arguments: dict[ResourceName, JsonValue] = Field({}, description="Header matches and other arguments.")


class PolicyDefinition(Part):
    """What a policy sets. Keys are RabbitMQ's own, with hyphens; a plugin's keys go under ``other``.

    A key that is left out is not set, so that the queue's own argument or RabbitMQ's default holds.
    """

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))

    ha_mode: Literal["all", "exactly", "nodes"] | None = Field(
        None, description="Mirror classic queues (before RabbitMQ 4.0): on all nodes, on so many, or on those named."
    )
    ha_params: Annotated[int, Field(ge=1)] | tuple[ResourceName, ...] | None = Field(
        None, description="With exactly: how many copies, the leader's included; with nodes: their names."
    )
    ha_sync_mode: Literal["manual", "automatic"] | None = Field(
        None,
        description="Whether a new mirror copies what the queue holds by itself, which blocks it, or when told to.",
    )
    ha_sync_batch_size: Annotated[int, Field(ge=1)] | None = Field(None, description="Messages copied at a time.")
    ha_promote_on_shutdown: Literal["always", "when-synced"] | None = Field(
        None, description="Whether a mirror that lacks messages may lead after an orderly stop."
    )
    ha_promote_on_failure: Literal["always", "when-synced"] | None = Field(
        None,
        description="Whether a mirror that lacks messages may lead after a crash; if not, the queue stays down.",
    )
    max_length: Count | None = Field(None, description="Messages a queue may hold.")
    max_length_bytes: Size | None = Field(None, description="Bytes of messages a queue may hold.")
    max_in_memory_length: Count | None = Field(
        None, description="Messages a quorum queue keeps in memory (no effect from RabbitMQ 3.10)."
    )
    max_in_memory_bytes: Size | None = Field(
        None, description="Bytes a quorum queue keeps in memory (no effect from RabbitMQ 3.10)."
    )
    overflow: Literal["drop-head", "reject-publish", "reject-publish-dlx"] | None = Field(
        None, description="What happens when a queue is full; `reject-publish` nacks and loses nothing."
    )
    message_ttl: Duration | None = Field(None, description="Messages older than this are dead-lettered.")
    expires: Duration | None = Field(None, description="A queue is deleted when unused for so long.")
    dead_letter_exchange: Line | None = Field(None, description="Where dead messages go.")
    dead_letter_routing_key: Line | None = Field(None, description="Their routing key there; left out, their own.")
    dead_letter_strategy: Literal["at-most-once", "at-least-once"] | None = Field(
        None, description="`at-least-once` loses no dead letter, and needs `overflow: reject-publish` (quorum queues)."
    )
    delivery_limit: Annotated[int, Field(ge=-1)] | None = Field(
        None, description="Failed deliveries before a quorum queue drops a message; -1 for no limit."
    )
    consumer_timeout: Duration | None = Field(None, description="How long a delivery may stay unacknowledged.")
    queue_leader_locator: Locator | None = Field(None, description="Where the leader of a new queue is put.")
    queue_master_locator: Literal["client-local", "min-masters", "random"] | None = Field(
        None, description="The same for mirrored queues (before RabbitMQ 4.0)."
    )
    queue_mode: Literal["default", "lazy"] | None = Field(
        None, description="`lazy` keeps messages on disk (no effect from RabbitMQ 3.12)."
    )
    queue_version: Literal[1, 2] | None = Field(
        None, description="Storage of classic queues; 2 is the only one from RabbitMQ 4.0."
    )
    target_group_size: Annotated[int, Field(ge=1, le=99)] | None = Field(
        None, description="How many members a quorum queue grows back to by itself (RabbitMQ 3.13 and newer)."
    )
    initial_cluster_size: Annotated[int, Field(ge=1, le=99)] | None = Field(
        None, description="How many nodes hold a new stream."
    )
    max_age: MaxAge | None = Field(None, description="How long a stream keeps messages, such as 7D.")
    stream_max_segment_size_bytes: Size | None = Field(None, description="Size of a stream's files.")
    alternate_exchange: Line | None = Field(None, description="Where an exchange sends what it cannot route.")
    federation_upstream: Line | None = Field(None, description="Which upstream an exchange or queue is federated with.")
    federation_upstream_set: Line | None = Field(None, description="Which set of upstreams it is federated with.")
    other: dict[ResourceName, JsonValue] = Field({}, description="Keys that a plugin defines, as they are.")

    @model_validator(mode="after")
    def _mirrors_are_whole(self) -> PolicyDefinition:
        mirrored = [
            name.replace("_", "-")
            for name in type(self).model_fields
            if name.startswith("ha_") and getattr(self, name) is not None
        ]
        if mirrored and self.ha_mode is None:
            raise refuse(f"found {mirrored[0]} without ha-mode", "ha-mode: all, exactly or nodes", at=mirrored[0])
        if self.ha_mode == "exactly" and not isinstance(self.ha_params, int):
            raise refuse("found exactly without a number of copies", "`ha-params` with it, such as 2", at="ha-mode")
        if self.ha_mode == "nodes" and not isinstance(self.ha_params, tuple):
            raise refuse("found nodes without a list of them", "`ha-params: [NODE, ...]` with it", at="ha-mode")
        if self.ha_mode == "all" and self.ha_params is not None:
            raise refuse("found ha-params with ha-mode all", "ha-params with exactly or nodes only", at="ha-params")
        return self

    @property
    def is_mirroring(self) -> bool:
        """Whether it makes classic queues mirrored."""
        return self.ha_mode is not None

    def as_json(self) -> dict[str, JsonValue]:
        """Give the definition as RabbitMQ stores it: times in milliseconds, sizes in bytes."""
        result: dict[str, JsonValue] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None or name == "other":
                continue
            result[name.replace("_", "-")] = _plain(value)
        return result | dict(self.other)


class Policy(Part):
    """Settings for all queues or exchanges whose name matches; only the one with the highest priority applies."""

    name: ResourceName = Field(description="The policy's name.")
    vhost: ResourceName = Field("/", description="The vhost it applies in.")
    pattern: Pattern = Field(description="Regular expression over names; RabbitMQ does not anchor it.")
    apply_to: Literal["queues", "classic_queues", "quorum_queues", "streams", "exchanges", "all"] = Field(
        "queues", description="What it applies to; the kinds of queues apart from RabbitMQ 3.12."
    )
    priority: Annotated[int, Field(ge=-(2**31), le=2**31 - 1, strict=True)] = Field(
        0, description="Higher wins; equal ones win at random, so give each its own."
    )
    definition: PolicyDefinition = Field(description="What it sets.")

    @model_validator(mode="after")
    def _sets_something(self) -> Policy:
        if not self.definition.as_json():
            raise refuse("found an empty definition", "at least one key, such as max-length: 100000", at="definition")
        return self
