"""The tutorial's check script, which acts: it starts HAProxy, sleeps, and stops keepalived if that did not help.

``generators/templates/haproxy_check.sh.j2``: if no process is called haproxy it runs ``haproxy -f``; then it sleeps, in
every run, also when all is well; when there is no such process then, it runs ``systemctl stop keepalived``. So a
HAProxy that dies within the sleep is not started at all, and keepalived stops at the end of that sleep. keepalived ends
a run that takes longer than its timeout, before it comes to that. A HAProxy that hangs is a process that exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rmqha_model.keepalived import SelfHealingScript
from simulation.machines.machine import NEVER
from simulation.machines.script_runs import Answer, Began, Ended, ScriptOutput, ScriptSettings, Verdict
from simulation.machines.track_script import Answers, TrackScript, script_from_design
from simulation.machines.vrrp_words import Freeze, Thaw

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason

__all__ = [
    "Exists",
    "HealingInput",
    "HealingOutput",
    "KillHaproxy",
    "Replaced",
    "SelfHealing",
    "StartHaproxy",
    "Startable",
    "StopKeepalived",
    "healing_from_design",
]


class Exists(NamedTuple):
    """A process called haproxy is there, frozen ones too, or none is."""

    here: bool


class Startable(NamedTuple):
    """Whether ``haproxy -f`` would start one from now on, and how long that takes until it returns."""

    works: bool
    takes: float


class Replaced(NamedTuple):
    """Runs from now on are another script's, which comes to this answer; without one, its own again."""

    answer: Answer | None


HealingInput: TypeAlias = Exists | Startable | Replaced | Freeze | Thaw


class StartHaproxy(NamedTuple):
    """It runs ``haproxy -f``."""

    at: float


class KillHaproxy(NamedTuple):
    """keepalived's SIGTERM to an overdue run ends the HAProxy that this run had started in the foreground."""

    at: float


class StopKeepalived(NamedTuple):
    """It runs ``systemctl stop keepalived``; *why* are the times from *since* on."""

    at: float
    since: float
    why: Reason


HealingOutput: TypeAlias = StartHaproxy | KillHaproxy | StopKeepalived | Verdict


class SelfHealing:
    """The script's runs, which nobody notices while a HAProxy is there."""

    def __init__(
        self,
        settings: ScriptSettings,
        wait_s: float,
        first: float,
        *,
        daemonises: bool = True,
    ) -> None:
        """Begin with the first run. One whose configuration does not say ``daemon`` stays in the script's hands."""
        self._wait = wait_s
        self._daemonises = daemonises
        self._here = True
        self._startable = Startable(works=True, takes=0.0)
        self._gone_since = first
        self._holds: dict[float, float] = {}  # runs by when they began, and until when HAProxy would end with them
        self._latest = -NEVER
        self._other: Answer | None = None
        self._others: list[tuple[float, float]] = []  # from when to when runs that began were another script's
        self._script = TrackScript(settings, first, self._answer())

    @property
    def due(self) -> float:
        """When it next does something."""
        return self._script.due

    def fire(self) -> list[HealingOutput]:
        """Do what is due."""
        now = self.due
        return self._seen(now, self._script.fire())

    def feed(self, now: float, input_: HealingInput) -> list[HealingOutput]:
        """Take in what happens at *now*."""
        match input_:
            case Freeze() | Thaw():
                return self._seen(now, self._script.feed(now, input_))
            case Exists(here):
                if self._here and not here:
                    self._gone_since = now
                self._here = here
            case Startable():
                self._startable = input_
            case Replaced(answer):
                if self._other is None and answer is not None:
                    self._others.append((now, NEVER))
                elif self._other is not None and answer is None:
                    self._others.append((self._others.pop()[0], now))
                self._other = answer
        return self._seen(now, self._script.feed(now, Answers(self._answer())))

    def _answer(self) -> Answer:
        """What a run comes to that begins now; its exit status is 0 in any case, unless it is ended."""
        if self._other is not None:
            return self._other
        if self._here:
            return Answer(ok=True, takes=self._wait)
        if self._startable.works and not self._daemonises:
            return Answer(ok=True, takes=NEVER)
        return Answer(ok=True, takes=self._startable.takes + self._wait)

    def _seen(self, now: float, said: list[ScriptOutput]) -> list[HealingOutput]:
        found: list[HealingOutput] = []
        for word in said:
            match word:
                case Verdict():
                    found.append(word)
                case Began(at):
                    self._latest = at
                    if not self._here and self._own(at):
                        found.append(self._begin(at))
                case Ended(at, began, by_itself):
                    held_until = self._holds.pop(began, at)
                    if by_itself and not self._here and self._own(began):
                        since = min(self._gone_since, began)
                        found.append(StopKeepalived(at, since, self._reason(at, began, since)))
                    elif not by_itself and at < held_until:
                        found.append(KillHaproxy(at))
                        self._here, self._gone_since = False, at
                        again = self._answer()
                        if self._latest == at:
                            # A second copy, begun in this instant, looks some milliseconds later, and finds none.
                            found.append(self._begin(at))
                            self._script.feed(at, Answers(again, running=again))
                        else:
                            self._script.feed(at, Answers(again))
        watched = not self._here or bool(self._holds)
        if watched != self._script.watched:
            self._script.watch(now, watched=watched)
        return found

    def _own(self, began: float) -> bool:
        return not any(since <= began < until for since, until in self._others)

    def _begin(self, at: float) -> StartHaproxy:
        works, takes = self._startable
        self._holds[at] = NEVER if works and not self._daemonises else at + takes
        return StartHaproxy(at)

    def _reason(self, at: float, began: float, since: float) -> Reason:
        if self._gone_since > began:
            return (("run under way", self._gone_since - began), ("rest of its pause", at - self._gone_since))
        start = at - began - self._wait
        return (("to the next run", began - since), ("start of HAProxy", start), ("pause", self._wait))


def healing_from_design(topology: Topology, name: str) -> tuple[ScriptSettings, float, bool]:
    """Give the settings of the script *name*, its pause, and whether ``haproxy -f`` returns by itself."""
    assert topology.keepalived is not None
    told = topology.keepalived.scripts[name]
    assert isinstance(told, SelfHealingScript)
    daemonises = topology.haproxy is not None and bool(topology.haproxy.global_.daemon)
    return script_from_design(topology, name), told.wait.s, daemonises
