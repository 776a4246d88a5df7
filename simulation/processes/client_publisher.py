"""A publisher's messages: sent on a schedule, taken by the broker, stored, confirmed; or returned, refused, unknown.

Nothing here happens message by message: between two changes of what it meets, everything follows from arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from rmqha_model.events import Nacked, Published, Unknown
from simulation.machines.client import Blocked, Waits
from simulation.machines.machine import NEVER
from simulation.machines.mirrored import CREDIT
from simulation.processes.client_parted import Parted
from simulation.processes.client_runs import Run
from simulation.processes.client_way import OUT_S, Way
from simulation.processes.views import Service

if TYPE_CHECKING:
    from simulation.processes.client_keeper import Keeper
    from simulation.processes.client_lines import Line
    from simulation.processes.client_log import Log
    from simulation.processes.client_losses import Losses
    from simulation.processes.client_pool import Pool
    from simulation.processes.client_settings import PublisherSettings
    from simulation.processes.world import World

__all__ = ["Publisher"]

NEAR = 1e-9


class Publisher:
    """One connection's messages (a role of a :class:`simulation.processes.client_keeper.Keeper`)."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it has to do with
        self,
        world: World,
        name: str,
        settings: PublisherSettings,
        keeper: Keeper,
        log: Log,
        pool: Callable[[str], Pool],
        losses: Losses,
    ) -> None:
        self.name = name
        self.settings, self.keeper = settings, keeper
        self.ending = False
        self._way = way = Way(world, name, settings, log, pool, losses)
        self.again, self.waiting = way.again, way.waiting
        self._world, self._log, self._pool = world, log, pool
        self._parted = Parted(world, name, settings, self._met, pool)
        self._step = 1 / settings.rate
        self._first = self._step * world.streams.once(name, "schedule")
        self._slot = 0
        self._number = 1
        self._blocks = self._blocked = False
        self._since = world.now
        self._spoke = NEVER
        self._enters = 0
        self._entered = True
        """Whether the queue knows its channel."""

    @property
    def settled(self) -> bool:
        """Whether nothing waits for a confirm, or to be sent again."""
        return not self.waiting.count and not self.again.count

    @property
    def expects(self) -> bool:
        """Whether messages of a connection that it has ended are still on their way."""
        return self._parted.expects

    # -- as a role ------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Publish from now on."""
        self.advance(self._world.now)
        line = self.keeper.line
        assert line is not None
        self._way.line = line
        self._blocks = self._blocked = False
        self._way.reads_from = self._world.now
        self._entered = False
        self._way.service, self._way.service_from = self._met_as_new(line), self._world.now
        self.keeper.ready()
        self.look()
        self._enter(line)

    def lost(self) -> None:
        """Take what waits for unknown; what had reached a leader that waits for others may still be stored."""
        now = self._world.now
        line, self._way.line = self._way.line, None
        for run in self.waiting:
            self._log.hear(Unknown, run._replace(t=now, step=0.0))
        numbers = self.waiting.clear()
        if self.settings.retry:
            self.again.put_first(numbers)
        if line is not None and self._way.taken.count and self._leader_has(line):
            self._pool(line.broker).orphans.extend(self._way.taken.clear())
        if line is not None:
            self._parted.leave(line, self._way.sent, self._way.taken)
        self._enters += 1
        self._way.clear()

    def end(self) -> None:
        """Come to an end: what is still open stays unknown."""
        self.keeper.end()
        self.lost()

    def broker_ended(self, line: Line) -> None:
        """Have the broker read nothing more."""
        if line is self._way.line:
            self._way.reads_from = NEVER

    # -- what it meets --------------------------------------------------------------------------------

    def look(self) -> None:
        """Take in what it meets from now on; what was until now has been dealt with."""
        line, now = self._way.line, self._world.now
        self._parted.read_on()
        if line is None:
            return
        service = self._met_as_new(line)
        met = service.publish, service.publish_after_s
        if met != (self._way.service.publish, self._way.service.publish_after_s):
            self._way.service_from = now
        self._way.service = service
        blocks = self._world.brokers.blocks(line.broker)
        if blocks and not self._blocks:
            self._world.clock.at(max(self._next_slot(now), line.out_from) + OUT_S, lambda: self._block(line))
        elif not blocks and self._blocks and not line.broker_over:
            self._way.reads_from = now
        self._blocks = blocks
        if self._blocked and not blocks and line.in_from <= now:
            self._blocked = False
            self.keeper.feed(Blocked(on=False))
        later = max(line.out_from, line.in_from)
        if now < later < NEVER:
            self._world.clock.at(later, lambda: self._look_again(line))
        self._tell_patience(line, now)
        if self.ending:
            self._send_again(now)

    def _look_again(self, line: Line) -> None:
        if line is self._way.line:
            self.keeper.advance()
            self.look()

    def refused(self) -> None:
        """Whatever waits at the broker for its confirm is nacked."""
        self._way.refuse()

    def _leader_has(self, line: Line) -> bool:
        """Whether what waits has reached a leader that waits for others itself."""
        queues, queue = self._world.queues, self.settings.queue
        leader = queues.leader(queue)
        if leader is None or line.broker not in self._world.brokers.sees(leader):
            return False
        return queues.service(queue, leader).publish == "waits"

    def _met(self, line: Line) -> Service:
        return self._world.queues.service(self.settings.queue, line.broker)

    def _met_as_new(self, line: Line) -> Service:
        """Give what the channel meets; until the queue knows it, it waits."""
        return self._met(line) if self._entered else Service("waits", "waits", holds=CREDIT)

    def _enter(self, line: Line) -> None:
        """Have the queue know the channel: its first publish asks who led it when that was last written down."""
        self._enters += 1
        mine = self._enters

        def done() -> None:
            if mine == self._enters:
                self._entered = True
                self._look_again(line)

        self._world.queues.enters(self.settings.queue, line.broker, done, publishes=True)

    def _block(self, line: Line) -> None:
        """The broker has read a message while it blocks: it reads no more, and says so."""
        if line is not self._way.line or not self._blocks or self._blocked or not self._can_send:
            return
        self.keeper.advance()
        if line.out_from <= self._world.now:
            self._way.reads_from = NEVER
            self._blocked = True
            self.keeper.feed(Blocked(on=True))
            self._tell_patience(line, self._world.now)

    def _tell_patience(self, line: Line, now: float) -> None:
        """Tell the machine since when a confirm is missing, and the connection when bytes into silence are said."""
        if self.settings.confirms:
            stuck = not self._way.flows(now) or any(run.t < self._way.service_from for run in self._way.taken)
            oldest = min((run.t for run in self.waiting), default=self._next_slot(now) if self._can_send else NEVER)
            self.keeper.feed(Waits(oldest if stuck else NEVER))
        if line.out_from < NEVER:
            self._spoke = NEVER
        elif self._spoke == NEVER and self._can_send and not line.over:
            self._spoke = self._next_slot(now)
            self._world.clock.at(self._spoke, line.says)

    # -- time passes ----------------------------------------------------------------------------------

    def advance(self, t: float) -> None:
        """Do all that happens before *t*, under what it has met since it last looked."""
        line, since = self._way.line, self._since
        self._since = t
        count = max(0, math.ceil((t - self._first) / self._step - NEAR) - self._slot)
        if line is None:
            self._slot += count
            return
        flows = self._way.flows(since)
        after_s = self._way.service.publish_after_s + self.settings.confirm_s
        if count > 1 and flows and self._feeds_back:
            if after_s < self._step:
                count = self._until_answered(line, count)
                count -= self._send_round(count - 1)
            else:
                # What comes back is sent again: in pieces so short that none comes back within one.
                while count > 1:
                    piece = min(count, max(1, math.floor(after_s / self._step)))
                    self._send(piece, flows=True)
                    count -= piece
                    self._way.pass_on(line, min(t, self._first + self._slot * self._step))
        self._send(count, flows=flows)
        self._way.pass_on(line, t)

    @property
    def _feeds_back(self) -> bool:
        """Whether what it sends comes back to be sent again."""
        s = self.settings
        return self._way.service.publish == "nacked" and s.retry and s.confirms and self._can_send

    @property
    def _can_send(self) -> bool:
        return self._way.line is not None and not self._blocked and not self.ending

    def _next_slot(self, now: float) -> float:
        return self._first + max(self._slot, math.ceil((now - self._first) / self._step - NEAR)) * self._step

    def _send(self, count: int, *, flows: bool) -> None:
        """Use the next places of the schedule."""
        if self._can_send and count:
            room = count
            if self.settings.confirms and not flows:
                room = max(0, min(count, self.settings.window - self.waiting.count))
            self._publish(self._first + self._slot * self._step, self._step, room, new=True)
        self._slot += count

    def _publish(self, t: float, step: float, count: int, *, new: bool) -> None:
        runs = []
        for run in self.again.take(count):
            runs.append(run._replace(t=t, step=step))
            t += run.size * step
            count -= run.size
        if new and count:
            runs.append(Run(self._number, count, t, step, publisher=self.name))
            self._number += count
        for run in runs:
            self._log.hear(Published, run)
            self._way.say(run)
            if self.settings.confirms:
                self.waiting.append(run)

    def _until_answered(self, line: Line, count: int) -> int:
        """Go on with the schedule until each answer has come back; give how many places are left, one at least."""
        while count > 1:
            self._way.pass_on(line, self._first + self._slot * self._step)
            if not self.waiting.count:
                break
            self._send(1, flows=True)
            count -= 1
        return count

    def _send_round(self, count: int) -> int:
        """Send again and again what is nacked each time before the next place of the schedule."""
        if not self.again.count:
            self.again.append(Run(self._number, 1, 0.0, publisher=self.name))
            self._number += 1
        left = count
        while left > 0:
            turn = self.again.take(min(left, self.again.count))
            for run in turn:
                t = self._first + self._slot * self._step
                sent = run._replace(t=t, step=self._step)
                if run.size == 1 and not self.again.count and len(turn) == 1:
                    sent = sent._replace(size=left, stride=0)  # the only one
                self._log.hear(Published, sent)
                self._log.hear(Nacked, sent.later(self._way.service.publish_after_s + self.settings.confirm_s))
                self._slot += sent.size
                left -= sent.size
                self.again.append(run)
        return count

    def _send_again(self, now: float) -> None:
        """At the end: what is to be sent again goes out without pause, as far as the window allows."""
        if self._way.line is None or self._blocked or self._way.service.publish == "nacked":
            return
        room = self.again.count
        if self.settings.confirms:
            room = min(room, max(0, self.settings.window - self.waiting.count))
        self._publish(now, 0.0, room, new=False)
