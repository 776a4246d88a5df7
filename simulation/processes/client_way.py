"""What becomes of a publisher's messages on one connection: sent, taken by the broker, stored, confirmed or refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from rmqha_model.events import Confirmed, Nacked, Returned
from simulation.processes.client_losses import Losses, Ways, back
from simulation.processes.client_runs import Run, Train
from simulation.processes.views import Service

if TYPE_CHECKING:
    from simulation.processes.client_lines import Line
    from simulation.processes.client_log import Heard, Log
    from simulation.processes.client_pool import Pool
    from simulation.processes.client_settings import PublisherSettings
    from simulation.processes.world import World

__all__ = ["OUT_S", "Way"]

OUT_S = 0.001
"""From the client to the queue's broker: the fastest deliveries of the lab took 1.0 ms, from publish to consumer."""


class Way:
    """There and back; the publisher says what is met on it."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it has to do with
        self,
        world: World,
        name: str,
        settings: PublisherSettings,
        log: Log,
        pool: Callable[[str], Pool],
        losses: Losses,
    ) -> None:
        self.settings = settings
        self.again = Train()
        """Numbers to be sent again, before new ones."""
        self.waiting = Train()
        """Numbers without a confirm, with the times they were sent."""
        self.sent, self.taken, self.stored = Train(), Train(), Train()
        self.fates: deque[tuple[tuple[type[Heard], ...], Run]] = deque()
        self.line: Line | None = None
        self.service, self.service_from = Service(), world.now
        self.reads_from = world.now
        """Since when the broker reads."""
        self.ways = Ways(world, losses, name)
        self._world, self._log, self._pool, self._losses = world, log, pool, losses

    def say(self, run: Run) -> None:
        """Send messages."""
        assert self.line is not None
        self.sent.extend(self.ways.carry("publish", run, self.line.hops))

    def flows(self, t: float) -> bool:
        """Whether an answer comes for what is sent."""
        line = self.line
        return (
            line is not None
            and line.out_from <= t
            and line.in_from <= t
            and self.reads_from <= t
            and self.service.publish != "waits"
        )

    def refuse(self) -> None:
        """Nack whatever waits at the broker for its confirm."""
        for train in (self.stored, self.taken):
            for run in train.clear():
                self.fates.append(((Nacked,), run._replace(t=self._world.now, step=0.0)))

    def clear(self) -> None:
        """Forget all of it: the connection is lost."""
        for train in (self.sent, self.taken, self.stored):
            train.clear()
        self.fates.clear()

    def pass_on(self, line: Line, t: float) -> None:
        """Let it pass to the broker, into the queue, and the answers back, until *t*."""
        if max(line.out_from, self.reads_from) <= t:
            self._reach(t, max(line.out_from, self.reads_from))
        self._answer()
        if line.in_from <= t and self.fates:
            self._hear(t, line.in_from)

    def _reach(self, t: float, from_: float) -> None:
        holds = self.service.holds if self.service.publish == "waits" else None
        if not self.sent.count:
            return
        arrived = Train(run.later(OUT_S) for run in self.sent.clear())
        due = arrived.due(t)
        for run in due:
            for at in run.not_before(from_):
                if holds is None:
                    self.taken.append(at)
                    continue
                room = min(at.size, max(0, holds - self.taken.count - self.stored.count))
                head, tail = at.cut(room)
                self.taken.append(head)
                self.sent.append(tail.later(-OUT_S))
        self.sent.extend(run.later(-OUT_S) for run in arrived)

    def _answer(self) -> None:
        """Have the broker decide about what it has taken."""
        service, after_s = self.service, self.service.publish_after_s
        if service.publish == "waits":
            if service.consume == "served":
                # Whoever leads stores and delivers it; only the confirm waits for others.
                for run in self.taken.clear():
                    self._store(run)
                    self.stored.append(run)
            return
        if service.publish == "confirmed":
            for run in self.stored.clear():
                self.fates.extend(((Confirmed,), each) for each in run.not_before(self.service_from + after_s))
            for run in self.taken.clear():
                for each in run.not_before(self.service_from + after_s if after_s else self.service_from):
                    self._commit(each)
            return
        told: tuple[type[Heard], ...] = (Nacked,)
        if service.publish == "unroutable":
            told = (Returned, Confirmed) if self.settings.mandatory else (Confirmed,)
        for run in self.taken.clear():
            late = run.before(self.service_from)
            before, since = run.cut(late)
            self.taken.append(before)  # routed before that was so: something else becomes of it
            if since.size:
                self.fates.append((told, since.later(after_s)))

    def _commit(self, run: Run) -> None:
        """Have the queue take messages and confirm them; bad cables delay that."""
        if not self._losses.ever:
            self._store(run)
            self.fates.append(((Confirmed,), run))
            return
        line, queues, queue, ways = self.line, self._world.queues, self.settings.queue, self.ways
        assert line is not None
        home, copies = queues.leader(queue) or line.broker, queues.copies(queue)
        link = () if home == line.broker else ((line.broker, home),)
        for led in ways.carry("lead", run, link):
            for had in ways.copied(led, home, copies.others, copies.needed):
                if not copies.first:
                    self._store(had)
                for told in ways.carry("confirm", had, (*back(link), *back(line.hops))):
                    self.fates.append(((Confirmed,), told))
            if copies.first:
                self._store(led)

    def _store(self, run: Run) -> None:
        line = self.line
        assert line is not None
        self._pool(line.broker).store(run)

    def _hear(self, t: float, from_: float) -> None:
        back_s = self.settings.confirm_s - OUT_S
        fates, self.fates = self.fates, deque()
        for told, run in fates:
            if not self.settings.confirms:
                told = tuple(kind for kind in told if kind is Returned)  # noqa: PLW2901 - what this client hears
            now, later = run.cut(run.until(t - back_s))
            if later.size:
                self.fates.append((told, later))
            for heard in now.later(back_s).not_before(from_) if now.size else ():
                for kind in told:
                    self._log.hear(kind, heard)
                if self.settings.confirms:
                    self.waiting.drop(heard)
                if Nacked in told and self.settings.retry:
                    self.again.append(heard)
