"""What publishers and consumers saw of their messages, as runs: it becomes events only when somebody wants them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, TypeAlias

from rmqha_model.events import Confirmed, Delivered, Nacked, Published, Returned, Unknown

if TYPE_CHECKING:
    from simulation.processes.client_runs import Run

__all__ = ["Log", "Seen"]

Heard: TypeAlias = Published | Confirmed | Nacked | Returned | Unknown
Seen: TypeAlias = Heard | Delivered


class Log:
    """All of one run, in the order of writing; what happens in one instant stands in the order in which it does."""

    def __init__(self) -> None:
        self.heard: list[tuple[type[Heard], Run]] = []
        self.delivered: list[tuple[str, Run]] = []

    def hear(self, kind: type[Heard], run: Run) -> None:
        """Put down what a publisher did, or heard."""
        if run.size:
            self.heard.append((kind, run))

    def deliver(self, consumer: str, run: Run) -> None:
        """Put down what a consumer was given."""
        if run.size:
            self.delivered.append((consumer, run))

    def events(self) -> list[Seen]:
        """Give an event for each message, in the order of their times."""
        found: list[Seen] = [kind(t, run.publisher, number) for kind, run in self.heard for number, t in run.each()]
        found += [
            Delivered(t, name, run.publisher, number, run.again)
            for name, run in self.delivered
            for number, t in run.each()
        ]
        found.sort(key=operator.attrgetter("t"))
        return found
