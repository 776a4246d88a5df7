"""What a VRRP master says: its adverts, and the gratuitous ARPs that tell neighbours where its addresses are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulation.machines.machine import NEVER
from simulation.machines.vrrp_words import MICROSECOND, Advert, Clock, Garp, Sent, Speaks, Stream, seconds

if TYPE_CHECKING:
    from simulation.machines.vrrp_settings import VrrpSettings

__all__ = ["Voice"]


class Voice:
    """The clock of one instance's adverts, second rounds of GARPs, and their refreshes."""

    def __init__(self, settings: VrrpSettings) -> None:
        self.settings = settings
        self.clock: Clock | None = None
        self._rounds: list[tuple[float, int]] = []
        self._refresh_at = NEVER
        self._refreshes: tuple[Clock, ...] = ()

    @property
    def next_round(self) -> float:
        """When a second round of GARPs is due."""
        return min((at for at, _ in self._rounds), default=NEVER)

    def sent(self, at: float, priority: int) -> Sent:
        """Give one advert."""
        return Sent(at, Advert(self.settings.source, priority, self.settings.advert_us))

    def becomes_master(self, at: float) -> Iterator[Garp]:
        """Five GARPs and five more later: vrrp.c:vrrp_state_become_master, vrrp_state_master_tx."""
        settings = self.settings
        # Rounds that came due while the addresses were elsewhere said nothing (vrrp_send_link_update); others stay.
        self._rounds = [waiting for waiting in self._rounds if waiting[0] > at]
        yield from self._garps(at, settings.garp_packets, settings.garp_delay_s)
        if settings.garp_refresh_s and settings.refreshes_by_thread:
            first = at + settings.garp_delay_s + settings.garp_refresh_s
            # Of the series of earlier times only what is still to come; one of this very instant found no addresses.
            earlier = (Clock(clock.after(at + MICROSECOND / 2), clock.period) for clock in self._refreshes)
            self._refreshes = (*earlier, Clock(first, settings.garp_refresh_s))
        elif settings.garp_refresh_s:
            self._refresh_at, self._refreshes = at + settings.garp_refresh_s, ()

    def hears_lower(self, at: float) -> Iterator[Garp]:
        """GARPs after an advert of a lower priority: vrrp.c:vrrp_state_master_rx."""
        yield from self._garps(at, self.settings.garp_lower_packets, self.settings.garp_lower_delay_s)

    def second_rounds(self, now: float) -> Iterator[Garp]:
        """vrrp_scheduler.c:vrrp_gratuitous_arp_thread, vrrp_lower_prio_gratuitous_arp_thread."""
        yield from (Garp(now, packets) for at, packets in self._rounds if at <= now)
        self._rounds = [waiting for waiting in self._rounds if waiting[0] > now]

    def _garps(self, at: float, packets: int, again_s: float) -> Iterator[Garp]:
        if packets:
            yield Garp(at, packets)
            if again_s:
                self._rounds.append((at + again_s, packets))

    def speak(self, at: float, priority: int, first: float | None = None) -> Speaks:
        """Begin a clock of adverts, an interval from now or at *first*.

        GARPs are refreshed with the advert that finds the last ones old (vrrp.c:vrrp_state_master_tx), before 2.3.2.
        """
        settings = self.settings
        period = seconds(settings.advert_us)
        self.clock = Clock(at + period if first is None else first, period)
        if settings.garp_refresh_s and not settings.refreshes_by_thread:
            self._look_back(at)
            tick = self.clock.after(self._refresh_at - MICROSECOND)
            apart = math.ceil(settings.garp_refresh_s / period - MICROSECOND) * period
            self._refreshes = (Clock(tick, apart),)
        return Speaks(at, Stream(self.sent(at, priority).advert, self.clock), self._refreshes)

    def silent(self, at: float) -> Speaks:
        """End the clock."""
        self.clock = None
        return Speaks(at, None)

    def pause(self, at: float) -> Speaks:
        """Say nothing while the process is stopped."""
        self._look_back(at)
        if not self.settings.refreshes_by_thread:
            self._refreshes = ()
        return Speaks(at, None)

    def wake(self, slept: float, now: float) -> None:
        """Let a refresh that came due meanwhile happen now, and count from now."""
        if self.settings.refreshes_by_thread:
            missed = [clock.after(slept) <= now for clock in self._refreshes]
            self._refreshes = tuple(
                Clock(now, clock.period) if late else clock for late, clock in zip(missed, self._refreshes, strict=True)
            )

    def refresh(self, now: float) -> Iterator[Garp]:
        """Refresh with an advert that goes out late."""
        if not self.settings.refreshes_by_thread and self.settings.garp_refresh_s and self._refresh_at <= now:
            self._refresh_at = now + self.settings.garp_refresh_s
            yield Garp(now, self.settings.garp_refresh_packets)

    def _look_back(self, at: float) -> None:
        """Remember when GARPs were refreshed with an advert last; one that another's advert forestalls is not sent."""
        if not self.settings.refreshes_by_thread:
            for clock in self._refreshes:
                if clock.first <= at - MICROSECOND:
                    self._refresh_at = clock.last(at - MICROSECOND) + self.settings.garp_refresh_s
