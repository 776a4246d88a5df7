"""Workload of a scenario: what the clients do while something happens to the design."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from rmqha_model.clients import Endpoint
from rmqha_model.names import Label, ResourceName
from rmqha_model.part import Part
from rmqha_model.queues import ClassicQueue, QuorumQueue
from rmqha_model.units import Duration, Size

__all__ = ["Consumer", "Probe", "Publisher", "Via", "Workload", "WorkloadQueue", "client_names"]

Via: TypeAlias = Literal["vip", "load_balancers", "brokers"] | tuple[Endpoint, ...]
"""Where a client of a workload connects, when not where the design's client does."""

WorkloadQueue = Annotated[QuorumQueue | ClassicQueue, Field(discriminator="type")]


def client_names(label: str, count: int) -> tuple[str, ...]:
    """Give the names of the *count* clients of one label: the label, or with several of them also their number."""
    return (label,) if count == 1 else tuple(f"{label}-{number}" for number in range(1, count + 1))


class _Connecting(Part):
    client: Label | None = Field(
        None, description="Which of the design's clients it behaves like; left out, the first one."
    )
    via: Via | None = Field(None, description="Where it connects; left out, where that client does.")


class Probe(_Connecting):
    """Fresh connections at a steady pace: TCP, TLS where the client uses it, and AMQP as far as connection.start.

    It neither logs in nor publishes, so a cluster that accepts connections and confirms nothing looks healthy to it.
    """

    every: Duration = Field(Duration(100), description="Time from one attempt to the next.")
    patience: Duration = Field(Duration(2_000), description="When an attempt that has no answer counts as failed.")


class Publisher(_Connecting):
    """Programs that publish numbered messages through the default exchange to a queue."""

    queue: ResourceName = Field(description="A queue of the design, or of this workload.")
    count: Annotated[int, Field(ge=1, le=100)] = Field(1, description="How many of them, each with its own connection.")
    rate: Annotated[float, Field(gt=0, le=10_000)] = Field(20.0, description="Messages a second, of each of them.")
    payload: Size = Field(Size(256), description="Bytes of a message's body.")
    window: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1_000, description="Messages that may wait for their confirm; with as many, it publishes no more."
    )
    retry: bool = Field(
        True,
        description="Publish again what was nacked, or unconfirmed when its connection was lost.",
    )


class Consumer(_Connecting):
    """Programs that consume from a queue."""

    queue: ResourceName = Field(description="A queue of the design, or of this workload.")
    count: Annotated[int, Field(ge=1, le=100)] = Field(1, description="How many of them, each with its own connection.")
    work: Duration = Field(Duration(0), description="Time from a delivery to its acknowledgement.")


class Workload(Part):
    """What the clients do. A label names a probe, a publisher or a consumer; each label stands once."""

    queues: tuple[WorkloadQueue, ...] = Field(
        (), description="Queues to declare beside those of the design, and to remove at the end."
    )
    probes: dict[Label, Probe] = Field({}, description="Fresh connections.")
    publishers: dict[Label, Publisher] = Field({}, description="Programs that publish.")
    consumers: dict[Label, Consumer] = Field({}, description="Programs that consume.")
    drain: bool = Field(
        True, description="Consume at the end what is left, so that what was lost is known and not guessed."
    )
