"""Clients: half of a failover happens in them, so they are part of the design."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rmqha_model.names import HostName, Port, ProxyName, ResourceName, VrrpName
from rmqha_model.part import Part
from rmqha_model.units import Duration

__all__ = ["Client", "Endpoint", "Reconnect"]


class Endpoint(Part):
    """A host of the design and a port."""

    host: HostName = Field(description="A host of the design; its address is what the client is given.")
    port: Port = Field(description="Port of a broker or a listener there.")


class Reconnect(Part):
    """What a client does when its connection is gone."""

    delay: Duration = Field(Duration(2_000), description="Wait before an attempt.")
    jitter: Duration = Field(
        Duration(3_000),
        description="Further random wait, up to this: without it all clients return in the same instant.",
    )
    connect_timeout: Duration = Field(Duration(5_000), description="How long one attempt may take.")


class Client(Part):
    """A kind of application and how it talks to the brokers."""

    kind: Literal["pika", "java", "dotnet", "go"] = Field("pika", description="Its library.")
    endpoints: Literal["vip", "load_balancers", "brokers"] | tuple[Endpoint, ...] | None = Field(
        None,
        description="Where it connects: the VIPs, each load balancer, each broker, or a list. Left out: the first of "
        "these the design has.",
    )
    instances: tuple[VrrpName, ...] | None = Field(
        None, description="With vip: which instances' addresses; left out, all."
    )
    listener: ProxyName | None = Field(
        None,
        description="With vip or load_balancers: which listener; left out, the first for AMQP of the client's kind.",
    )
    tls: bool = Field(False, description="AMQPS.")
    user: ResourceName | None = Field(
        None, description="The broker's user it logs in as; left out, the first one without management tags."
    )
    vhost: ResourceName | None = Field(
        None, description="The vhost it uses; left out, / where the design has it, else its first."
    )
    heartbeat: Duration = Field(
        Duration(15_000), description="What it asks for; the smaller of this and the server's is used. 5 to 20 s."
    )
    confirms: bool = Field(
        True, description="Wait for the broker's confirm: without it a crash loses messages silently."
    )
    confirm_timeout: Duration = Field(Duration(30_000), description="When an unconfirmed message counts as failed.")
    mandatory: bool = Field(
        True, description="Have unroutable messages returned: they are confirmed and dropped otherwise."
    )
    prefetch: Annotated[int, Field(ge=0, le=65535)] = Field(
        50, description="Unacknowledged deliveries a consumer holds."
    )
    ack: Literal["manual", "auto"] = Field(
        "manual", description="Acknowledge after the work; auto loses it in a crash."
    )
    reconnect: Reconnect = Field(
        Reconnect(), description="What it does when its connection is gone. By default it waits 2 to 5 s, not in step."
    )
    connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(10, description="Connections of all its instances.")
    channels: Annotated[int, Field(ge=1, le=65535)] = Field(1, description="Channels a connection.")
