"""Messages that are not looked at one by one: runs of numbers at evenly spaced instants, and lines of such runs."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Run", "Train"]

NEAR = 1e-9
"""What sums of instants may be off by."""


class Run(NamedTuple):
    """Messages *first*, *first* + *stride*, ...: *size* of them, at *t*, *t* + *step*, ..."""

    first: int
    size: int
    t: float
    step: float = 0.0
    stride: int = 1
    publisher: str = ""
    again: bool = False
    """Whether the broker marks them as delivered before."""

    @property
    def end(self) -> float:
        """The instant of the last one."""
        return self.t + (self.size - 1) * self.step

    def cut(self, count: int) -> tuple[Run, Run]:
        """Give the first *size* of them, and the others."""
        return (
            self._replace(size=count),
            self._replace(first=self.first + count * self.stride, size=self.size - count, t=self.t + count * self.step),
        )

    def later(self, seconds: float) -> Run:
        """Give the same messages so much later."""
        return self._replace(t=self.t + seconds)

    def until(self, t: float) -> int:
        """Count those that are not after *t*."""
        if self.t > t + NEAR:
            return 0
        if self.step <= 0:
            return self.size
        return min(self.size, math.floor((t - self.t) / self.step + NEAR) + 1)

    def before(self, t: float) -> int:
        """Count those that are before *t*."""
        if self.t >= t:
            return 0
        if self.step <= 0:
            return self.size
        return min(self.size, math.ceil((t - self.t) / self.step - NEAR))

    def not_before(self, t: float) -> Iterator[Run]:
        """Give the same messages, those of before *t* at *t*."""
        early = self.before(t)
        head, tail = self.cut(early)
        if early:
            yield head._replace(t=t, step=0.0)
        if tail.size:
            yield tail

    def share(self, index: int, count: int) -> Run:
        """Give every *count*-th of them, from the one at *index* on."""
        return self._replace(
            first=self.first + index * self.stride,
            size=max(0, -(-(self.size - index) // count)),
            t=self.t + index * self.step,
            step=self.step * count,
            stride=self.stride * count,
        )

    def each(self) -> Iterator[tuple[int, float]]:
        """Give number and instant of each."""
        return ((self.first + k * self.stride, self.t + k * self.step) for k in range(self.size))


class Train:
    """Runs one after the other, first in, first out; what is put in last is last in time, too."""

    __slots__ = ("count", "runs")

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self.runs: deque[Run] = deque()
        self.count = 0
        self.extend(runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def append(self, run: Run) -> None:
        """Put a run behind the others."""
        if run.size:
            self.runs.append(run)
            self.count += run.size

    def extend(self, runs: Iterable[Run]) -> None:
        """Put runs behind the others."""
        for run in runs:
            self.append(run)

    def put_first(self, runs: Iterable[Run]) -> None:
        """Put runs before the others, in their order."""
        for run in reversed([run for run in runs if run.size]):
            self.runs.appendleft(run)
            self.count += run.size

    def take(self, count: int) -> list[Run]:
        """Take the first so many messages out."""
        taken = []
        while count > 0 and self.runs:
            run = self.runs.popleft()
            if run.size > count:
                run, rest = run.cut(count)
                self.runs.appendleft(rest)
            taken.append(run)
            count -= run.size
            self.count -= run.size
        return taken

    def drop(self, run: Run) -> None:
        """Take messages out by their numbers, wherever they stand."""
        if not self.runs:
            return
        head = self.runs[0]
        if head.first == run.first and head.stride == run.stride and head.size >= run.size:
            self.take(run.size)
            return
        numbers = range(run.first, run.first + run.size * run.stride, run.stride) if run.stride else (run.first,)
        low, high = numbers[0], numbers[-1]
        left: list[Run] = []
        for each in self.runs:
            if each.first > high or each.first + (each.size - 1) * each.stride < low:
                left.append(each)
                continue
            for number, t in each.each():
                if number in numbers:
                    continue
                if left and left[-1].first + left[-1].size * left[-1].stride == number and left[-1].step == each.step:
                    left[-1] = left[-1]._replace(size=left[-1].size + 1)
                else:
                    left.append(each._replace(first=number, size=1, t=t))
        self.runs = deque(left)
        self.count = sum(each.size for each in left)

    def drop_last(self, count: int) -> None:
        """Take the last so many messages out."""
        count = min(count, self.count)
        self.count -= count
        while count > 0:
            run = self.runs.pop()
            if run.size > count:
                self.runs.append(run.cut(run.size - count)[0])
            count -= run.size

    def due(self, t: float) -> list[Run]:
        """Take out those whose time is not after *t*."""
        taken: list[Run] = []
        left: list[Run] = []
        for run in self.runs:
            count = run.until(t)
            if count == run.size:
                taken.append(run)
                continue
            head, tail = run.cut(count)
            if count:
                taken.append(head)
            left.append(tail)
        if taken:
            self.runs = deque(left)
            self.count = sum(run.size for run in left)
        return taken

    def clear(self) -> list[Run]:
        """Take out all."""
        return self.take(self.count)
