"""What a publisher knows of its messages: which number is next, which wait for a confirm, which are to be sent again.

It is pure: times are given to it, and it sends nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque

__all__ = ["Outbox"]


class Outbox:
    """The messages of one publisher, by number from 1 on."""

    def __init__(self, *, confirms: bool = True, retry: bool = True) -> None:
        self._confirms, self._retry = confirms, retry
        self._last_number = 0
        self._last_tag = 0
        self._waiting: OrderedDict[int, tuple[int, float]] = OrderedDict()
        """Number and time of sending, by delivery tag."""
        self._again: deque[int] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for their confirm."""
        return len(self._waiting)

    @property
    def settled(self) -> bool:
        """Whether nothing waits for a confirm, or to be sent again."""
        return not self._waiting and not self._again

    @property
    def oldest(self) -> float | None:
        """When the message was sent that has waited longest."""
        return next(iter(self._waiting.values()))[1] if self._waiting else None

    def send(self, now: float, *, new: bool = True) -> int | None:
        """Give the number to send now: one that is due again, else a new one; ``None`` if *new* ones are not wanted."""
        if self._again:
            number = self._again.popleft()
        elif new:
            self._last_number = number = self._last_number + 1
        else:
            return None
        if self._confirms:
            self._last_tag += 1
            self._waiting[self._last_tag] = (number, now)
        return number

    def answered(self, tag: int, *, multiple: bool, ack: bool) -> list[int]:
        """Take the broker's ack or nack of a delivery tag, or of all up to it; give the numbers it is about."""
        if multiple:
            tags = [waiting for waiting in self._waiting if waiting <= tag or tag == 0]
        else:
            tags = [tag] if tag in self._waiting else []
        numbers = [self._waiting.pop(each)[0] for each in tags]
        if not ack and self._retry:
            self._again.extend(numbers)
        return numbers

    def lost(self) -> list[int]:
        """Take the loss of the channel, with which tags begin anew; give the numbers whose fate is unknown."""
        numbers = [number for number, _ in self._waiting.values()]
        self._waiting.clear()
        self._last_tag = 0
        if self._retry:
            # In their old order, before what was to be sent again already.
            self._again.extendleft(reversed(numbers))
        return numbers
