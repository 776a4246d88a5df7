"""Whose adverts reach whom: cuts in the network, and adverts that a bad cable loses one by one.

Each advert is lost by its own toss. How many pass before the next one is lost, and how many are lost in a row, are
geometric numbers, so that only the losses are drawn, and those that pass cost nothing: the same law, advert by advert.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from simulation.machines.vrrp_words import Hear

if TYPE_CHECKING:
    from simulation.driving import Clock
    from simulation.machines.vrrp_words import Advert, Stream, VrrpInput

__all__ = ["Ear"]


class Ear:
    """One member's hearing of another one: what *tell* is given is what arrives."""

    def __init__(
        self,
        places: tuple[str, str],
        source: int,
        clock: Clock,
        draw: Callable[[], float],
        tell: Callable[[VrrpInput], None],
    ) -> None:
        """Begin with silence; *source* is the address of who is heard."""
        self.places = places
        """Who is heard, and who hears."""
        self.source = source
        self.heard: Stream | None = None
        """The adverts that arrive now."""
        self._clock, self._draw, self._tell = clock, draw, tell
        self._said: Stream | None = None
        self._passes, self._loss = True, 0.0
        self._round = 0

    def begin(self, stream: Stream | None) -> None:
        """Have heard a clock for long."""
        self.heard = self._said = stream

    def say(self, stream: Stream | None) -> None:
        """Take in the clock by which the other one speaks from now on."""
        self._said = stream
        self._renew()

    def say_once(self, advert: Advert) -> None:
        """Take in a single advert."""
        if self._passes and (not self._loss or self._draw() >= self._loss):
            self._tell(advert)

    def reach(self, *, passes: bool, loss: float) -> None:
        """Take in whether packets pass from now on, and which share of them is lost."""
        if (passes, loss) != (self._passes, self._loss):
            self._passes, self._loss = passes, loss
            self._renew()

    def _renew(self) -> None:
        self._round += 1
        stream = self._said if self._passes and self._loss < 1 else None
        self._hear(stream)
        if stream is not None and self._loss:
            self._lose(stream, stream.clock.after(self._clock.now))

    def _hear(self, stream: Stream | None) -> None:
        if stream != self.heard:
            self.heard = stream
            self._tell(Hear(self.source, stream))

    def _lose(self, stream: Stream, tick: float) -> None:
        """Plan the next adverts that are lost; the one of *tick* is the first that may be."""
        period, now_round = stream.clock.period, self._round
        first = tick + period * self._times(math.log1p(-self._loss))
        last = first + period * self._times(math.log(self._loss))

        def begin() -> None:
            if self._round == now_round:
                self._hear(None)
                self._clock.at(last + period / 2, end)

        def end() -> None:
            if self._round == now_round:
                self._hear(stream)
                # The next one is the one that ended the row.
                self._lose(stream, last + 2 * period)

        self._clock.at(max(self._clock.now, first - period / 2), begin)

    def _times(self, log_probability: float) -> int:
        """Draw how often something of this probability happens before it does not."""
        return int(math.log(1.0 - self._draw()) / log_probability)
