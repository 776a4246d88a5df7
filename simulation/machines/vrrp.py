"""One VRRP instance on one host, as keepalived plays it: who owns the virtual addresses.

keepalived 2.1.5 to 2.4.3 (vrrp.c, vrrp_scheduler.c, vrrp_track.c); where they differ, :class:`VrrpSettings` says so.
At one instant second rounds of GARPs are first, then adverts that come by a clock, other inputs, and its own timer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulation.machines.machine import NEVER
from simulation.machines.vrrp_patience import Patience
from simulation.machines.vrrp_voice import Voice
from simulation.machines.vrrp_words import (
    MICROSECOND,
    AddressDeleted,
    Addresses,
    Advert,
    Clock,
    Entered,
    Freeze,
    Hear,
    Start,
    Stop,
    Stream,
    Thaw,
    Tracked,
    VrrpInput,
    VrrpOutput,
    seconds,
)

if TYPE_CHECKING:
    from simulation.machines.vrrp_settings import VrrpSettings
    from simulation.machines.vrrp_words import State

__all__ = ["Vrrp"]


class Vrrp:
    """A VRRP instance. A stream it hears costs one event when it begins, and none while it changes nothing."""

    def __init__(self, settings: VrrpSettings) -> None:
        self.settings = settings
        self._heard: dict[int, Stream] = {}
        self._forget(-math.inf)

    def _forget(self, now: float) -> None:
        """Be as a new process, which knows nothing; what goes over the network goes on."""
        self.state: State = "STOP"
        self.priority = self.settings.priority
        self._now = now
        self._fresh = set(self._heard)  # whose next advert is looked at by itself; what those of others do is known
        self._kept: list[VrrpInput] | None = None  # what waits for a frozen process
        self._slept, self._overslept = now, NEVER  # since when, and its own advert that was next then
        self._known: dict[str, bool | None] = {}
        self._untried = True
        self._patience = Patience(self.settings, now)
        self._voice = Voice(self.settings)

    @property
    def due(self) -> float:
        """When it next changes by itself."""
        if self._kept is not None or self.state not in {"BACKUP", "MASTER"}:
            return NEVER
        own = self._takeover() if self.state == "BACKUP" else self._voice.next_round
        ticks = (self._next_tick(self._heard[source].clock) for source in self._fresh)
        return max(min(own, *ticks, NEVER), self._now)

    def fire(self) -> list[VrrpOutput]:
        """Do what is due."""
        now = self.due
        seen = list(self._listen(now))
        if self.state == "BACKUP" and self._takeover() <= now:
            seen += self._enter_master(now)
        return seen

    def feed(self, now: float, input_: VrrpInput) -> list[VrrpOutput]:
        """Take in what happens at *now*."""
        seen = list(self._listen(now))
        if self._kept is None or isinstance(input_, Hear | Thaw | Start):
            seen += self._apply(now, input_)
        elif not isinstance(input_, Freeze):
            self._keep(input_)
        self._fresh = set(self._heard)
        return seen

    def _apply(self, now: float, input_: VrrpInput) -> Iterator[VrrpOutput]:
        match input_:
            case Advert():
                yield from self._advert(now, input_)
            case Hear(source, None):
                self._heard.pop(source, None)
            case Hear(source, Stream() as stream):
                self._heard[source] = stream
            case Tracked(name, ok):
                yield from self._tracked(now, name, ok=ok)
            case Start():
                yield from self._start(now, input_)
            case Stop():
                yield from self._stop(now)
            case AddressDeleted() if self.state == "MASTER":
                # keepalived_netlink.c:set_vrrp_backup: it comes back as soon as nobody else wants to.
                yield from self._leave_master(now, "BACKUP", "address deleted", says_so=True)
                self._patience.deleted(now, self.priority)
            case Freeze():
                self._kept = []
                self._slept, self._overslept = now, NEVER
                if self._voice.clock is not None:
                    self._overslept = self._voice.clock.after(now)
                    yield self._voice.pause(now)
            case Thaw() if self._kept is not None:
                yield from self._thaw(now, self._kept)

    # -- what is heard --------------------------------------------------------------------------------

    def _next_tick(self, clock: Clock) -> float:
        deaf = not self.settings.delay_adds_up
        return clock.after(max(self._now, self._patience.deaf_until) if deaf else self._now)

    def _takeover(self) -> float:
        settled = (self._heard[source] for source in self._heard.keys() - self._fresh)
        return self._patience.takeover(self._now, settled, self.priority)

    def _listen(self, now: float) -> Iterator[VrrpOutput]:
        """Come to *now*: take in the adverts that clocks have brought, of those that are known the last ones only."""
        if self.state == "MASTER" and self._kept is None:
            yield from self._voice.second_rounds(now)
        ticks: list[tuple[float, int]] = []
        if self._kept is not None or self.state in {"BACKUP", "MASTER"}:
            for source, stream in self._heard.items():
                bounds = {stream.clock.last(now)}
                if self._patience.preempt_from is not None:
                    # A lower master's: the last one that the preempt delay lets pass, and the last one.
                    bounds.add(stream.clock.before(min(self._patience.preempt_from, now)))
                first = self._next_tick(stream.clock)
                ticks += ((tick, source) for tick in bounds if tick >= first)
        self._now = now
        waiting = self.state == "BACKUP"
        for tick, source in sorted(ticks):
            if self._kept is not None:
                self._keep(self._heard[source].advert)
            else:
                yield from self._advert(tick, self._heard[source].advert)
        # A master answers every advert, and after the one it yields to may still wait by its own interval; within the
        # start-up delay each may add to it; of two intervals each may be taken for the master's.
        intervals = {stream.advert.interval_us for stream in self._heard.values()}
        if waiting and now >= self._patience.deaf_until and len(intervals) <= 1:
            self._fresh -= {source for _, source in ticks}

    def _advert(self, at: float, advert: Advert) -> Iterator[VrrpOutput]:
        if self.state == "MASTER":
            yield from self._hear_as_master(at, advert)
        elif self.state == "BACKUP" and (at > self._patience.deaf_until or self.settings.delay_adds_up):
            self._patience.hear(at, advert, self.priority)

    def _hear_as_master(self, at: float, advert: Advert) -> Iterator[VrrpOutput]:
        """vrrp.c:vrrp_state_master_rx."""
        theirs, ours = (advert.priority, advert.source), (self.priority, self.settings.source)
        if theirs > ours:
            yield from self._leave_master(at, "BACKUP", f"priority {advert.priority} heard", says_so=False)
            self._patience.yielded(at, self.priority, advert)
        elif theirs < ours:
            yield self._voice.sent(at, self.priority)
            if advert.priority:
                yield from self._voice.hears_lower(at)
            # An advert takes time to arrive, of which a microsecond stands here: a clock that is set by another's ticks
            # after it, so that where one hears and is not heard, both do not speak in one instant.
            yield self._voice.speak(at, self.priority, at + seconds(self.settings.advert_us) + MICROSECOND)
            self._overslept = NEVER

    # -- changes of state -----------------------------------------------------------------------------

    def _tracked(self, now: float, name: str, *, ok: bool) -> Iterator[VrrpOutput]:
        known, self._known[name] = self._known.get(name), ok
        if self.state == "STOP" or known == ok:
            return
        if self.settings.weights[name]:
            before, self.priority = self.priority, self.settings.effective(self._known)
            if self.priority != before and self.state == "BACKUP":
                self._patience.reckon(self.priority)
            elif self.priority != before and self._voice.clock is not None:
                yield self._voice.speak(now, self.priority, self._voice.clock.after(now))
        elif not ok:
            self._untried = False
            if self.state == "MASTER":
                yield from self._leave_master(now, "FAULT", f"{name} failed", says_so=True)
            elif self.state != "FAULT":
                self.state = "FAULT"
                yield Entered(now, "FAULT", f"{name} failed", now)
        elif self.settings.allows(self._known) == "BACKUP":
            yield from self._rise(now, f"{name} is well")

    def _start(self, now: float, start: Start) -> Iterator[VrrpOutput]:
        """vrrp_scheduler.c:vrrp_init_state; vrrp.c:vrrp_restore_interfaces_startup takes left-over addresses away."""
        self._forget(now)
        self._known = {name: start.known.get(name) for name in self.settings.weights}
        self.priority = self.settings.effective(self._known)
        if start.left_over:
            yield Addresses(now, held=False)
        self.state = self.settings.allows(self._known)
        if self.state == "BACKUP":
            yield from self._rise(now, "start")
        else:
            self._untried = self.state == "INIT"
            yield Entered(now, self.state, "start", now)

    def _rise(self, now: float, cause: str) -> Iterator[VrrpOutput]:
        """BACKUP and a whole master-down, but for an owner's first time: vrrp_scheduler.c:try_up_instance."""
        self.state = "BACKUP"
        if self.settings.owner and self._untried:
            self._patience.arm(now, 1, (("an owner waits a microsecond", MICROSECOND),), cause)
        else:
            yield Entered(now, "BACKUP", cause, now)
            self._patience.rise(now, self.priority)
        self._untried = False

    def _enter_master(self, now: float) -> Iterator[VrrpOutput]:
        """vrrp.c:vrrp_state_goto_master, vrrp_state_become_master."""
        self.state, self._fresh = "MASTER", set(self._heard)
        yield self._voice.sent(now, self.priority)
        patience = self._patience
        late = now - patience.expiry
        overslept = (("stopped when its time was up", late),) if late > MICROSECOND else ()
        yield Entered(now, "MASTER", patience.cause, patience.since, patience.why + overslept)
        yield Addresses(now, held=True)
        yield from self._voice.becomes_master(now)
        yield self._voice.speak(now, self.priority)

    def _leave_master(self, now: float, state: State, cause: str, *, says_so: bool) -> Iterator[VrrpOutput]:
        """vrrp.c:vrrp_state_leave_master, vrrp_restore_interface; into FAULT priority 0 goes out twice, shown once."""
        if says_so:
            yield self._voice.sent(now, 0)
        yield Addresses(now, held=False)
        self.state, self._overslept = state, NEVER
        yield Entered(now, state, cause, now)
        yield self._voice.silent(now)

    def _stop(self, now: float) -> Iterator[VrrpOutput]:
        """vrrp_daemon.c:vrrp_terminate_phase1: a master says priority 0 and takes its addresses away."""
        if self.state == "MASTER":
            yield from self._leave_master(now, "STOP", "stop", says_so=True)
        elif self.state != "STOP":
            self.state = "STOP"
            yield Entered(now, "STOP", "stop", now)

    # -- stopped in its tracks ------------------------------------------------------------------------

    def _keep(self, input_: VrrpInput) -> None:
        """Let it wait in a socket; of adverts that are alike the last one, as all are answered in one instant."""
        assert self._kept is not None
        if isinstance(input_, Advert) and input_ in self._kept:
            self._kept.remove(input_)
        self._kept.append(input_)

    def _thaw(self, now: float, kept: list[VrrpInput]) -> Iterator[VrrpOutput]:
        """What waited is read first, then timers that ran out are seen to: measured on 2.2.7."""
        self._kept = None
        self._voice.wake(self._slept, now)
        for input_ in kept:
            yield from self._apply(now, input_)
        if self._overslept <= now:
            yield self._voice.sent(now, self.priority)
            yield from self._voice.refresh(now)
            yield self._voice.speak(now, self.priority)
        elif self._overslept < NEVER:
            yield self._voice.speak(now, self.priority, self._overslept)
        self._overslept = NEVER
