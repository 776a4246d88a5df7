"""keepalived on one host: its two processes, the instances in them, and all that they track."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from simulation.driving import Driven
from simulation.machines.keepalived import (
    LINGER_S,
    ChildFrozen,
    ChildKilled,
    ChildStarted,
    ChildStops,
    ChildThawed,
    Keepalived,
    Kill,
    StartUnit,
    StopUnit,
    UnitDown,
    keepalived_from_design,
)
from simulation.machines.vrrp import Vrrp
from simulation.machines.vrrp_words import Freeze, Hear, Start, Stop, Thaw, Tracked
from simulation.processes.route_scripts import Scripts
from simulation.processes.route_tracked import TrackedThings

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.machines.keepalived import KeepalivedInput, KeepalivedOutput
    from simulation.processes.route_members import Member
    from simulation.processes.world import World

__all__ = ["Daemon"]

LONG_S = 3600.0
"""How long every keepalived has run when a scenario begins; all that matters is that it is no new one."""


class Daemon:
    """keepalived on one host.

    *soon* is given what is to be done when all is done that was said before; *ended* hears of a member whose daemon
    systemd calls dead; *lost* of one whose addresses went with the power.
    """

    def __init__(  # noqa: PLR0913 - what it belongs to, and who hears of what
        self,
        world: World,
        host: str,
        members: Sequence[Member],
        *,
        soon: Callable[[Callable[[], None]], None],
        ended: Callable[[Member, float, Reason], None],
        lost: Callable[[Member, float], None],
    ) -> None:
        """Begin with a daemon that has run for long."""
        assert world.topology.keepalived is not None
        self._world, self._members = world, members
        self._soon, self._ended, self._lost = soon, ended, lost
        tracked = [name for member in members for name in member.settings.weights]
        named = [name for name in world.topology.keepalived.scripts if name in tracked]
        self.scripts = Scripts(world, host, named, self._judge, self._stop)
        self.things = TrackedThings(world, host, tracked, self._judge)
        self._settings = keepalived_from_design(world.topology, host)
        self._stopped: Reason = ()
        self._started: tuple[float, Reason] = (-LONG_S, ())
        self._machine = Keepalived(self._settings)
        self._machine.feed(-LONG_S, StartUnit())
        self._machine.fire()
        self._driven = self._drive()

    def _drive(self) -> Driven[KeepalivedInput, KeepalivedOutput]:
        return Driven(self._world.clock, self._machine, lambda word: self._soon(partial(self._take, word)))

    @property
    def runs(self) -> bool:
        """Whether it runs; what lingers for a second when it was stopped does not count."""
        return self._machine.parent

    def act(self, input_: KeepalivedInput) -> None:
        """Do something to its processes."""
        self._stopped = ()
        had = self._machine.parent
        self._driven.feed(input_)
        if isinstance(input_, Kill) and had and not self._machine.parent:
            # systemd says at once that the main process is dead, though the child needs a second to end.
            self._end(self._world.now, ())

    def power(self, *, on: bool) -> None:
        """End all of it at once, without a word; when its host has booted, start it."""
        self._driven.stop()
        self._stopped = ()
        self.scripts.end()
        for member in self._members:
            member.end()
            self._lost(member, self._world.now)
        self._end(self._world.now, ())
        self._machine = Keepalived(self._settings)
        self._driven = self._drive()
        if on:
            self._driven.feed(StartUnit())

    def _judge(self, name: str, ok: bool, why: Reason = ()) -> None:  # noqa: FBT001 - as who calls it has it
        started, after = self._started
        if started == self._world.now:
            why = (*after, *why)
        for member in self._members:
            if name in member.settings.weights:
                member.feed(Tracked(name, ok), why)

    def _stop(self, why: Reason) -> None:
        """A check script runs ``systemctl stop keepalived``."""
        self.act(StopUnit())
        self._stopped = (*why, ("exit of keepalived", LINGER_S))

    def _end(self, at: float, why: Reason) -> None:
        for member in self._members:
            self._ended(member, at, why)

    def _take(self, word: KeepalivedOutput) -> None:
        match word:
            case ChildStarted(_, why):
                self._start(why)
            case ChildStops():
                self.scripts.end()
                for member in self._members:
                    member.feed(Stop())
                    # When it has said all that it says last.
                    self._soon(member.end)
            case ChildKilled():
                self.scripts.end()
                for member in self._members:
                    member.end()
            case ChildFrozen() | ChildThawed():
                signal = Freeze() if isinstance(word, ChildFrozen) else Thaw()
                for member in self._members:
                    member.feed(signal)
                self.scripts.freeze(signal)
            case UnitDown(at):
                self._end(at, self._stopped)

    def _start(self, why: Reason) -> None:
        self._started = self._world.now, why
        known = self.things.known()
        for member in self._members:
            member.run(Vrrp(member.settings))
            tracked = {name: ok for name, ok in known.items() if name in member.settings.weights}
            member.feed(Start(tracked, left_over=True), why)
            for ear in member.ears:
                if ear.heard is not None:
                    member.feed(Hear(ear.source, ear.heard))
        self.scripts.begin()
