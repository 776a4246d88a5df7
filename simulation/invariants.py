"""What holds in every run, whatever happens in it: a run that breaks it is a mistake of the simulator, not a result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rmqha_model.errors import RmqhaError
from rmqha_model.events import (
    BrokerState,
    Confirmed,
    Delivered,
    FaultBegan,
    FaultUndone,
    HaproxyState,
    HostState,
    Published,
    ServerState,
    VipHeld,
)

if TYPE_CHECKING:
    from rmqha_model.events import AnyEvent

__all__ = ["Broken", "broken", "check"]


class Broken(RmqhaError):
    """A run that cannot be: the simulator is wrong."""


def check(states: Iterable[AnyEvent], seed: int) -> None:
    """Raise :class:`Broken` where what was told of hosts and daemons contradicts itself; in the order of time."""
    found = next(broken(states), None)
    if found is not None:
        raise Broken(f"the simulator is wrong: {found}; please report it with the design, the scenario and seed {seed}")


def broken(events: Iterable[AnyEvent]) -> Iterator[str]:
    """Say what cannot be.

    - Check counters are in 0 to rise + fall - 1, and a server is UP exactly from *rise* on, or on its way down.
    - Nothing runs on a host without power, and no address is there.
    - An address comes to where it is not and leaves where it is; a fault is undone after it began, once.
    - What is confirmed or delivered was published.
    """
    off: set[str] = set()
    held: dict[tuple[str, str], bool] = {}
    open_faults: set[int] = set()
    published: dict[str, int] = {}
    for event in events:
        match event:
            case HostState(on=on, host=host):
                (off.discard if on else off.add)(host)
            case ServerState():
                yield from _server(event)
            case HaproxyState(up=True, host=host) | BrokerState(up=True, host=host) if host in off:
                yield f"at {event.t:.6f} s a daemon starts on {host}, which has no power"
            case VipHeld(held=True):
                if event.host in off or held.get((event.host, event.address)):
                    yield f"at {event.t:.6f} s {event.address} comes to {event.host}, which has it or has no power"
                held[event.host, event.address] = True
            case VipHeld(held=False):
                if not held.get((event.host, event.address), True):
                    yield f"at {event.t:.6f} s {event.address} leaves {event.host}, which does not have it"
                held[event.host, event.address] = False
            case FaultBegan():
                open_faults.add(event.index)
            case FaultUndone():
                if event.index not in open_faults:
                    yield f"at {event.t:.6f} s fault {event.index + 1} is undone, which has not begun"
                open_faults.discard(event.index)
            case Published() | Confirmed() | Delivered():
                yield from _message(event, published)


def _server(event: ServerState) -> Iterator[str]:
    most = event.rise + event.fall - 1
    if not 0 <= event.health <= most:
        yield f"at {event.t:.6f} s the counter of {event.server} at {event.host} is {event.health}, of {most}"
    if event.up != (event.health >= event.rise):
        state = "UP" if event.up else "DOWN"
        yield f"at {event.t:.6f} s {event.server} is {state} at {event.host} with {event.health} of {event.rise}"


def _message(event: Published | Confirmed | Delivered, published: dict[str, int]) -> Iterator[str]:
    """Keep the highest number of each publisher in *published*."""
    publisher = event.publisher if isinstance(event, Delivered) else event.client
    if isinstance(event, Published):
        published[publisher] = max(published.get(publisher, 0), event.number)
    elif event.number > published.get(publisher, 0):
        yield f"at {event.t:.6f} s message {event.number} of {publisher} is there before it was published"
