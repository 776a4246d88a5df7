"""What can be seen of a design while something happens to it: typed events, the same in both worlds.

``t`` is seconds since the start of the scenario; of something that takes time, such as an attempt to connect, it is
the beginning. Hosts, proxies, servers, queues and clients have the names the design and the scenario give them; of
several clients with one label each has the label and its number: ``orders-2``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import ConfigDict

__all__ = [
    "EVENTS",
    "Alarm",
    "AnyEvent",
    "Attempt",
    "BrokerState",
    "Confirmed",
    "Connection",
    "Delivered",
    "Event",
    "FaultBegan",
    "FaultUndone",
    "HaproxyState",
    "HostState",
    "Nacked",
    "Outcome",
    "Peers",
    "Published",
    "QueueLeader",
    "Returned",
    "ServerState",
    "Unknown",
    "VipHeld",
    "VrrpState",
]

Outcome: TypeAlias = Literal["ok", "refused", "timeout", "reset", "unreachable", "protocol"]
"""How an attempt to connect ended.

``timeout``: no answer within the patience; ``reset``: accepted, then closed; ``unreachable``: the network said so
(no route, host unreachable); ``protocol``: an answer that is not AMQP, or TLS that failed.
"""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was seen at an instant."""

    t: float

    kind: ClassVar[str]
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def row(self) -> dict[str, Any]:
        """Give it as plain data, its kind under ``event``."""
        return {"event": self.kind, **{field.name: getattr(self, field.name) for field in fields(self)}}


# -- what was done to the design ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FaultBegan(Event):
    """A fault of the schedule, by its index there, took effect on these hosts."""

    kind: ClassVar[str] = "fault_began"
    index: int
    fault: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FaultUndone(Event):
    """A fault was undone; for one that ends by itself, it was over."""

    kind: ClassVar[str] = "fault_undone"
    index: int
    fault: str
    hosts: tuple[str, ...]


# -- hosts and daemons --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostState(Event):
    """A host has power, or has none."""

    kind: ClassVar[str] = "host"
    host: str
    on: bool


@dataclass(frozen=True, slots=True)
class HaproxyState(Event):
    """An HAProxy listens, or does not."""

    kind: ClassVar[str] = "haproxy"
    host: str
    up: bool


@dataclass(frozen=True, slots=True)
class ServerState(Event):
    """A server as one HAProxy sees it.

    *health* is HAProxy's own counter (``srv_check_health``): from 0 to rise + fall - 1, UP from *rise* on. *check* is
    the code of its last check (L4OK, L4CON, L4TOUT, L7OK, ...), empty where it is not known.
    """

    kind: ClassVar[str] = "server"
    host: str
    proxy: str
    server: str
    up: bool
    health: int
    rise: int
    fall: int
    check: str = ""


@dataclass(frozen=True, slots=True)
class VrrpState(Event):
    """A VRRP instance on a host entered a state."""

    kind: ClassVar[str] = "vrrp"
    host: str
    instance: str
    state: Literal["MASTER", "BACKUP", "FAULT", "STOP"]


@dataclass(frozen=True, slots=True)
class VipHeld(Event):
    """A virtual address is on an interface of a host, or is no longer."""

    kind: ClassVar[str] = "vip"
    host: str
    address: str
    held: bool


@dataclass(frozen=True, slots=True)
class BrokerState(Event):
    """A broker listens for clients, or does not."""

    kind: ClassVar[str] = "broker"
    host: str
    up: bool


@dataclass(frozen=True, slots=True)
class Peers(Event):
    """Brokers that one broker believes to be running, itself among them, and those it calls partitioned."""

    kind: ClassVar[str] = "peers"
    host: str
    running: tuple[str, ...]
    partitioned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm(Event):
    """A resource alarm of a broker went on or off."""

    kind: ClassVar[str] = "alarm"
    host: str
    resource: Literal["memory", "disk"]
    on: bool


@dataclass(frozen=True, slots=True)
class QueueLeader(Event):
    """The broker that leads a queue (a classic queue's home), and those that hold it in step; none where unknown."""

    kind: ClassVar[str] = "leader"
    vhost: str
    queue: str
    leader: str | None
    in_step: tuple[str, ...] = ()


# -- clients ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt(Event):
    """A probe tried a fresh connection."""

    kind: ClassVar[str] = "attempt"
    client: str
    endpoint: str
    outcome: Outcome
    took_s: float


@dataclass(frozen=True, slots=True)
class Connection(Event):
    """A publisher or consumer got its connection, failed to, lost it, was blocked by the broker, or no longer is."""

    kind: ClassVar[str] = "connection"
    client: str
    state: Literal["connected", "failed", "lost", "blocked", "unblocked"]
    endpoint: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Published(Event):
    """A publisher sent a message; a second time under the same number where it retries."""

    kind: ClassVar[str] = "published"
    client: str
    number: int


@dataclass(frozen=True, slots=True)
class Confirmed(Event):
    """The broker confirmed a message."""

    kind: ClassVar[str] = "confirmed"
    client: str
    number: int


@dataclass(frozen=True, slots=True)
class Nacked(Event):
    """The broker refused responsibility for a message."""

    kind: ClassVar[str] = "nacked"
    client: str
    number: int


@dataclass(frozen=True, slots=True)
class Returned(Event):
    """The broker returned a message that it could route to no queue."""

    kind: ClassVar[str] = "returned"
    client: str
    number: int


@dataclass(frozen=True, slots=True)
class Unknown(Event):
    """A publisher lost its connection, or its patience, before it heard what became of a message."""

    kind: ClassVar[str] = "unknown"
    client: str
    number: int


@dataclass(frozen=True, slots=True)
class Delivered(Event):
    """A consumer was given a message, by the name and number its publisher gave it."""

    kind: ClassVar[str] = "delivered"
    client: str
    publisher: str
    number: int
    redelivered: bool = False


AnyEvent: TypeAlias = (
    FaultBegan
    | FaultUndone
    | HostState
    | HaproxyState
    | ServerState
    | VrrpState
    | VipHeld
    | BrokerState
    | Peers
    | Alarm
    | QueueLeader
    | Attempt
    | Connection
    | Published
    | Confirmed
    | Nacked
    | Returned
    | Unknown
    | Delivered
)

EVENTS: dict[str, type[Event]] = {kind.kind: kind for kind in get_args(AnyEvent)}
"""Every event by its kind."""
