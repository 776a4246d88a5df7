"""What goes into a VRRP instance and what comes out: adverts, the clocks they go out by, and what makes one deaf."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from simulation.machines.clocks import Reason, last_tick, next_tick

__all__ = [
    "MICROSECOND",
    "AddressDeleted",
    "Addresses",
    "Advert",
    "Clock",
    "Entered",
    "Freeze",
    "Garp",
    "Hear",
    "Sent",
    "Speaks",
    "Start",
    "State",
    "Stop",
    "Stream",
    "Thaw",
    "Tracked",
    "VrrpIdentity",
    "VrrpInput",
    "VrrpOutput",
    "refusal",
    "seconds",
]

MICROSECOND = 1e-6
"""What keepalived can tell apart."""

State: TypeAlias = Literal["INIT", "BACKUP", "MASTER", "FAULT", "STOP"]
"""INIT waits for the first result of a check; STOP is before the daemon starts and after it ends."""


def seconds(microseconds: int) -> float:
    """Give a time of keepalived's, which counts in microseconds, in seconds."""
    return microseconds / 1_000_000


class Clock(NamedTuple):
    """Instants ``first + k * period`` for k = 0, 1, 2, ...; each is computed from the first, so none drifts."""

    first: float
    period: float

    def after(self, instant: float) -> float:
        """Give the first tick later than *instant*."""
        if instant < self.first:
            return self.first
        return next_tick(self.first, self.period, math.nextafter(instant, math.inf))

    def last(self, instant: float) -> float:
        """Give the last tick that is not later than *instant*; minus infinity when there was none."""
        return -math.inf if instant < self.first else last_tick(self.first, self.period, instant)

    def before(self, instant: float) -> float:
        """Give the last tick earlier than *instant*; minus infinity when there was none."""
        return self.last(math.nextafter(instant, -math.inf))


class Advert(NamedTuple):
    """What one advert says: whose it is (an address as a number), with which priority, and how often he speaks."""

    source: int
    priority: int
    interval_us: int


class Stream(NamedTuple):
    """Adverts that come by a clock."""

    advert: Advert
    clock: Clock


# -- inputs; an Advert is one too ---------------------------------------------------------------------


class Start(NamedTuple):
    """The daemon starts: what is known of the things it tracks, and whether a dead one left the addresses here."""

    known: Mapping[str, bool]
    left_over: bool = False


class Stop(NamedTuple):
    """The daemon is told to stop, or its parent died (PR_SET_PDEATHSIG, vrrp_daemon.c:start_vrrp_child)."""


class Hear(NamedTuple):
    """From now on the adverts of *source* arrive by this clock: those after now; with no stream, none arrive."""

    source: int
    stream: Stream | None


class Tracked(NamedTuple):
    """A thing it tracks (script, interface, process) is well, or is not."""

    name: str
    ok: bool


class AddressDeleted(NamedTuple):
    """Somebody took a virtual address from the interface."""


class Freeze(NamedTuple):
    """The process gets SIGSTOP: it keeps what it has, and what arrives waits in its sockets."""


class Thaw(NamedTuple):
    """The process gets SIGCONT."""


VrrpInput: TypeAlias = Start | Stop | Hear | Advert | Tracked | AddressDeleted | Freeze | Thaw


# -- outputs ------------------------------------------------------------------------------------------


class Entered(NamedTuple):
    """It entered a state; *why* are the times that add up to *at* from *since* on."""

    at: float
    state: State
    cause: str
    since: float
    why: Reason = ()


class Sent(NamedTuple):
    """It sent one advert, besides those of its clock."""

    at: float
    advert: Advert


class Speaks(NamedTuple):
    """From now on its adverts go out by this clock, or none do; *refreshes* are the GARPs that go with them.

    It holds until the next one; of several in one instant only the last one counts.
    """

    at: float
    stream: Stream | None
    refreshes: tuple[Clock, ...] = ()


class Addresses(NamedTuple):
    """It put its virtual addresses on the interface, or took them away."""

    at: float
    held: bool


class Garp(NamedTuple):
    """It sent gratuitous ARPs for each of its addresses."""

    at: float
    packets: int


VrrpOutput: TypeAlias = Entered | Sent | Speaks | Addresses | Garp


# -- who hears whom ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VrrpIdentity:
    """What two instances have to have in common to hear each other."""

    router_id: int
    version: int
    advert_us: int
    addresses: Collection[str]
    unicast: bool = False
    authentication: tuple[str, str] | None = None
    """PASS or AH, and the password."""


def refusal(mine: VrrpIdentity, theirs: VrrpIdentity) -> str | None:  # noqa: PLR0911 - one check after the other
    """Say why an instance drops another's adverts, which then count as silence; ``None`` when it takes them.

    keepalived vrrp_scheduler.c:vrrp_dispatcher_read and vrrp.c:vrrp_check_packet, 2.1.5 to 2.4.3.
    """
    if mine.router_id != theirs.router_id:
        return f"virtual router {theirs.router_id}, not {mine.router_id}"
    if mine.version != theirs.version:
        return f"VRRP version {theirs.version}, not {mine.version}"
    if mine.version == 2 and _shown(mine) != _shown(theirs):
        return "another authentication"
    if mine.version == 2 and mine.advert_us != theirs.advert_us:
        return f"advert_int {seconds(theirs.advert_us):g} s, not {seconds(mine.advert_us):g} s"
    if len(mine.addresses) != len(theirs.addresses):
        return f"{len(theirs.addresses)} virtual addresses, not {len(mine.addresses)}"
    if mine.unicast != theirs.unicast:
        return "multicast where unicast is expected" if mine.unicast else "unicast where multicast is expected"
    if set(mine.addresses) != set(theirs.addresses):
        return "other virtual addresses"
    return None


def _shown(identity: VrrpIdentity) -> tuple[str, bytes] | None:
    if identity.authentication is None:
        return None
    kind, password = identity.authentication
    # VRRP_AUTH_LEN: 8 bytes are sent and compared, so longer passwords that begin alike are one.
    return kind, password.encode()[:8]
