"""What the processes of one run may know of each other, and ask of each other.

Whoever wants to hear of changes registers a function with an ``on_...`` method, before anything happens; it is called
in the instant of the change, when the state is the new one already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from simulation.machines.balancer import Act
    from simulation.machines.clocks import Reason
    from simulation.machines.connecting import Caller, Fate
    from simulation.machines.keepalived import KeepalivedInput
    from simulation.machines.link_parts import Process
    from simulation.machines.node import BrokerInput
    from simulation.machines.session import SessionEnded
    from simulation.machines.wire import Target

__all__ = [
    "Balancers",
    "Brokers",
    "Copies",
    "Deliveries",
    "Heard",
    "Hosts",
    "LinkChanged",
    "Listening",
    "Paths",
    "Queues",
    "Routes",
    "Served",
    "Service",
    "Stays",
    "Through",
]

Listening: TypeAlias = Literal["serving", "frozen", "refused"]
"""What a program's own host does with a connection to its port, as long as the host has power.

*frozen*: the kernel accepts, the program does nothing; *refused*: nobody listens.
"""


class Hosts(Protocol):
    """Power, boots and orderly reboots of whole hosts, with all that runs on them."""

    def power_off(self, host: str) -> None:
        """Take a host's power: every process of it ends at once."""

    def power_on(self, host: str) -> None:
        """Give it back: the host boots, and starts what it starts at boot."""

    def reboot(self, host: str, done: Callable[[], None]) -> None:
        """Stop everything in order, boot again, and call *done* when all that starts at boot runs."""

    def has_power(self, host: str) -> bool:
        """Whether a host has been given power; it may be booting."""

    def booted(self, host: str) -> bool:
        """Whether a host with power has come as far as to start its daemons."""

    def on_power(self, call: Callable[[str], None]) -> None:
        """Hear of a host that loses its power, or has booted."""


class LinkChanged(NamedTuple):
    """A broker sees another one's Erlang node come, or go."""

    t: float
    here: str
    there: str
    up: bool
    reason: Reason


class Heard(NamedTuple):
    """Bytes of another broker's node arrive at a broker again, or no longer do since *last*, though the link is up."""

    t: float
    here: str
    there: str
    hears: bool
    last: float


class Served(NamedTuple):
    """A broker's listeners opened or closed, or its VM changed; *clean*: what ended was stopped in order."""

    t: float
    host: str
    listens: bool
    process: Process
    clean: bool
    reason: Reason


class Brokers(Protocol):
    """The brokers of a cluster: units, distribution links, partition handling, alarms."""

    def act(self, host: str, input_: BrokerInput) -> None:
        """Do something to a broker's process; ``power_on`` is given when its host has booted."""

    def alarm(self, host: str, resource: Literal["memory", "disk"], *, on: bool) -> None:
        """Raise or clear a resource alarm by its limit."""

    def process(self, host: str) -> Process:
        """What became of a broker's VM."""

    def port(self, host: str) -> Listening:
        """How its AMQP listener behaves, as seen from its own host."""

    def serves(self, host: str) -> bool:
        """Whether RabbitMQ runs on it: it listens, and its VM is not frozen."""

    def sees(self, host: str) -> frozenset[str]:
        """Erlang nodes it is connected to, its own included; nothing where its VM does not run."""

    def running(self, host: str) -> frozenset[str]:
        """Brokers it takes for running, itself included."""

    def blocks(self, host: str) -> bool:
        """Whether it blocks connections that publish, for the alarm of some node it sees."""

    def drops(self, host: str) -> float:
        """When it last closed all its clients' connections: stopped, killed, paused; minus infinity if never."""

    def on_served(self, call: Callable[[Served], None]) -> None:
        """Hear of listeners and VMs."""

    def on_link(self, call: Callable[[LinkChanged], None]) -> None:
        """Hear of Erlang links."""

    def on_heard(self, call: Callable[[Heard], None]) -> None:
        """Hear of silence and its end on links that are up."""

    def on_blocks(self, call: Callable[[str], None]) -> None:
        """Hear of a broker that begins or ceases to block publishers."""

    def on_running(self, call: Callable[[str], None]) -> None:
        """Hear of a broker that takes others for running than before."""

    def count_clients(self, ask: Callable[[str], int]) -> None:
        """Have somebody asked how many client connections a broker has; autoheal decides by that."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a client's channel on one broker meets at a queue.

    - *publish*: ``confirmed``; ``waits`` for a confirm until that changes; ``unroutable``: returned if mandatory, and
      confirmed though it is dropped; ``nacked``;
    - *consume*: ``served``; ``waits``: nothing is delivered until that changes; ``cancelled``: the broker cancels the
      consumer, whose client then comes again; ``not_found``: who subscribes has its channel closed;
    - *holds*: so many unconfirmed publishes are taken by the broker before it stops reading the connection.
    """

    publish: Literal["confirmed", "waits", "unroutable", "nacked"] = "confirmed"
    consume: Literal["served", "waits", "cancelled", "not_found"] = "served"
    publish_after_s: float = 0.0
    consume_after_s: float = 0.0
    holds: int | None = None
    reason: Reason = ()


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Something became of the messages in a queue.

    - ``requeued``: deliveries that are not acknowledged go out again, at once, to who consumes: those of consumers at
      the brokers of *side*, of all of them where it is empty;
    - ``lost``: the *count* newest of the confirmed messages that were there are gone; all of them where it is ``None``;
    - ``nacked``: publishes that waited for their confirm are nacked, at the brokers of *side*, or everywhere;
    - ``split``: from now on the brokers of *side* have a queue of their own; ``merged``: what it held is gone.
    """

    t: float
    queue: str
    what: Literal["requeued", "lost", "nacked", "split", "merged"]
    count: int | None = None
    side: frozenset[str] = frozenset()
    reason: Reason = ()


class Copies(NamedTuple):
    """Brokers that have a queue's messages beside its leader, and how many must tell so before a publish is confirmed.

    *first*: what the leader has is delivered before they have told.
    """

    others: tuple[str, ...] = ()
    needed: int = 0
    first: bool = True


class Queues(Protocol):
    """All queues that clients of the scenario use: who leads them, and what they do for whom."""

    def leader(self, queue: str) -> str | None:
        """The broker that leads a queue: a classic queue's home."""

    def service(self, queue: str, broker: str) -> Service:
        """What a channel on a broker meets."""

    def copies(self, queue: str) -> Copies:
        """Who must have a queue's messages beside its leader."""

    def enters(self, queue: str, broker: str, done: Callable[[], None], *, publishes: bool) -> None:
        """Have a new channel on a broker make itself known to a queue, and call *done* when it is: at once, mostly."""

    def spares(self, broker: str) -> bool:
        """Whether every quorum queue keeps its majority without a broker, as check_if_node_is_quorum_critical asks."""

    def holds(self, queue: str, messages: int, size: int) -> None:
        """Be told how much a queue holds, unacknowledged deliveries included."""

    def on_service(self, call: Callable[[str], None]) -> None:
        """Hear of a queue whose service may have changed at some broker."""

    def on_deliveries(self, call: Callable[[Deliveries], None]) -> None:
        """Hear of what becomes of messages."""


class Routes(Protocol):
    """keepalived on every host that has it, and where virtual addresses lead to."""

    def act(self, host: str, input_: KeepalivedInput) -> None:
        """Do something to keepalived's processes on a host."""

    def power(self, host: str, *, on: bool) -> None:
        """The host lost its power, or has booted: keepalived starts, and no address is left from before."""

    def script(self, host: str, name: str | None, mode: Literal["normal", "fails", "hangs"]) -> None:
        """Replace a check script on a host (``None``: the design's first), or put it back."""

    def runs(self, host: str) -> bool:
        """Whether keepalived runs there."""

    def holders(self, address: str) -> frozenset[str]:
        """Hosts that have a virtual address on their interface."""

    def leads_to(self, place: str, address: str) -> str | None:
        """The host that packets from a place to a virtual address go to, by the neighbour entry there.

        ``None``: nobody answered when it was asked for. A host that no longer holds the address drops them.
        """

    def on_route(self, call: Callable[[str], None]) -> None:
        """Hear of an address whose holders, or whose way from some place, have changed."""


class Paths(Protocol):
    """How a port of one host looks from another place: what a connection to it meets."""

    def broker(self, place: str, host: str) -> Target:
        """The AMQP port of a broker."""

    def balancer(self, place: str, address: str) -> Target:
        """HAProxy's port at an address: a host's name, or a virtual address."""

    def talks(self, place: str, address: str) -> Literal["alive", "silent", "moved", "gone"]:
        """What becomes of bytes sent from a place to an address on a connection that was made before.

        ``moved``: another host answers for the address now, and resets the connection.
        """

    def on_change(self, call: Callable[[], None]) -> None:
        """Hear that some of it may have changed."""


class Through(NamedTuple):
    """A connection through HAProxy that was made: on which host, to which broker."""

    balancer: str
    proxy: str
    server: str


class Stays(Protocol):
    """An established session through HAProxy, as long as it lasts."""

    through: Through

    def close(self) -> None:
        """The client closes it."""


class Balancers(Protocol):
    """HAProxy on every host that has it: its processes, its health checks, connections through it."""

    def act(self, host: str, act: Act) -> None:
        """Do something to its process."""

    def listening(self, host: str) -> Listening:
        """How its ports behave, as seen from its own host."""

    def haproxy(self, host: str) -> Literal["serves", "dead", "stopping", "frozen"]:
        """What a check script finds; *dead*: no process."""

    def startable(self, host: str) -> bool:
        """Whether it would start: its configuration is valid."""

    def on_process(self, call: Callable[[str], None]) -> None:
        """Hear of a process that came, went, froze or went on."""

    def dial(
        self, place: str, address: str, proxy: str, caller: Caller, done: Callable[[Fate, Through | None], None]
    ) -> Callable[[], None]:
        """Begin a connection from a place, and call *done* when its fate is known; give what abandons it."""

    def establish(  # noqa: PLR0913 - what two sides say how often
        self,
        through: Through,
        place: str,
        address: str,
        *,
        heartbeat_s: float,
        done: Callable[[SessionEnded], None],
        client_every_s: float | None = None,
    ) -> Stays:
        """Begin an established session, and call *done* when it has ended for the client or for HAProxy.

        *client_every_s*: how often the client says something beside its heartbeats.
        """
