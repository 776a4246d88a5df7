"""The timer of a VRRP backup: until when it waits for adverts before it takes over, and why until then."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from simulation.machines.machine import NEVER
from simulation.machines.vrrp_words import MICROSECOND, Advert, Stream, seconds

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.machines.vrrp_settings import VrrpSettings

__all__ = ["Patience"]


class Patience:
    """When a backup takes over: *expiry* if nothing is heard, counted from *since*."""

    def __init__(self, settings: VrrpSettings, starts: float) -> None:
        """Within the start-up delay, until *deaf_until*, adverts are not read, or add to it: see the settings."""
        self.settings = settings
        delay = settings.startup_delay_us
        self.deaf_until = starts + seconds(delay) if delay else -math.inf
        self.expiry = self.since = -math.inf
        self.cause = ""
        self.why: Reason = ()
        self.preempt_from: float | None = None
        self._armed = -math.inf
        self._interval_us = settings.advert_us

    def arm(self, at: float, wait_us: int, why: Reason, cause: str) -> None:
        """Count anew: vrrp_scheduler.c:vrrp_init_instance_sands."""
        self._armed = self.since = max(at, self.deaf_until)
        self.expiry = self._armed + seconds(wait_us)
        self.cause, self.why = cause, why

    def rise(self, at: float, priority: int) -> None:
        """Begin as a backup."""
        self.preempt_from, self._interval_us = None, self.settings.advert_us
        self.arm(at, *self.settings.master_down(priority, self._interval_us), "no advert")

    def yielded(self, at: float, priority: int, advert: Advert) -> None:
        """Begin as a master that heard a better one: vrrp.c:vrrp_state_master_rx, vrrp_state_leave_master."""
        own = self.settings.version != 3 or self.settings.yields_to_own_interval
        self._interval_us = self.settings.advert_us if own else advert.interval_us
        self.preempt_from = None
        self.arm(at, *self.settings.master_down(priority, self._interval_us), "no advert")

    def deleted(self, at: float, priority: int) -> None:
        """Begin as a master whose address was deleted, which comes back as soon as nobody else wants to."""
        self.preempt_from = None
        if self.settings.yields_to_own_interval:
            self._interval_us = self.settings.advert_us
        self.arm(at, *self.settings.skew(priority, self._interval_us), "address deleted")

    def reckon(self, priority: int) -> None:
        """Take in a new priority of its own: vrrp_track.c:vrrp_set_effective_priority.

        The running timer is shifted by what a whole master-down is longer than what was *left* when the last advert
        came, were it taken or dropped: it runs a whole one from that advert on. So a change while a backup counts down
        against a lower master, or after priority 0, starts the count again.
        """
        wait, self.why = self.settings.master_down(priority, self._interval_us)
        self.since, self.expiry = self._armed, self._armed + seconds(wait)

    def hear(self, at: float, advert: Advert, priority: int) -> None:
        """Take in an advert: vrrp.c:vrrp_state_backup."""
        settings = self.settings
        if advert.priority == 0:
            self.arm(at, *settings.skew(priority, self._interval_us), "priority 0 heard")
        elif self._accepts(at, advert, priority):
            if settings.version == 3:
                self._interval_us = advert.interval_us
            self.arm(at, *settings.master_down(priority, self._interval_us), "no advert")
            if advert.priority >= priority:
                self.preempt_from = None
            elif settings.preempt_delay_us and self.preempt_from is None:
                # An advert that comes with the delay's end is one too late: whole seconds both, and adverts drift.
                self.preempt_from = at + seconds(settings.preempt_delay_us) - MICROSECOND / 2
        elif at < self.deaf_until:
            self.expiry += self.deaf_until - at
            self.why += (("rest of the start-up delay, added by a dropped advert", self.deaf_until - at),)
        else:
            self._armed = at  # the timer runs on, but what is left is counted from here: see reckon

    def _accepts(self, at: float, advert: Advert, priority: int) -> bool:
        if not self.settings.preempt or advert.priority >= priority:
            return True
        return bool(self.settings.preempt_delay_us) and (self.preempt_from is None or self.preempt_from > at)

    def takeover(self, now: float, settled: Iterable[Stream], priority: int) -> float:
        """When it takes over if these streams, of each of which it has heard an advert, go on."""
        expiry = self.expiry
        for advert, clock in settled:
            if not self.settings.preempt or advert.priority >= priority:
                return NEVER
            if self.preempt_from is not None:
                last = clock.before(self.preempt_from)
                if last > now:
                    wait, _ = self.settings.master_down(priority, self._interval_us)
                    expiry = max(expiry, last + seconds(wait))
        return expiry
