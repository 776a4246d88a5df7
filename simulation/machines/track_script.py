"""keepalived's vrrp_script: what it concludes from a check script's runs, and when.

Runs that change nothing are no events, nor are they counted through: once a pattern of runs comes again, whole rounds
of it are left out. What keepalived does with each run is told in :mod:`simulation.machines.script_runs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from simulation.machines.machine import NEVER
from simulation.machines.script_runs import Answer, Runs, ScriptOutput, ScriptSettings
from simulation.machines.vrrp_words import Freeze, Thaw

if TYPE_CHECKING:
    from rmqha_model.keepalived import ObserveScript
    from rmqha_model.topology import Topology

__all__ = ["Answers", "ScriptInput", "TrackScript", "observed", "script_from_design"]


class Answers(NamedTuple):
    """What runs that begin from now on come to, and, if it is said, what those under way do, counted from now."""

    answer: Answer
    running: Answer | None = None


ScriptInput: TypeAlias = Answers | Freeze | Thaw


class TrackScript:
    """A track script, whose runs are no events while what it concludes stays the same."""

    def __init__(self, settings: ScriptSettings, first: float, answer: Answer, *, watched: bool = False) -> None:
        """Begin with the first run, at the start of keepalived's VRRP child."""
        # vrrp_init_script: one success is enough at start, unless init_fail.
        result = 0 if settings.init_fail else settings.rise - 1
        self._runs = Runs(settings, first, answer, result=result, untried=not settings.init_fail, watched=watched)
        self._frozen = False
        self._due = self._look()

    @property
    def due(self) -> float:
        """When it next says something."""
        return NEVER if self._frozen else self._due

    @property
    def watched(self) -> bool:
        """Whether it says when runs begin and end."""
        return self._runs.watched

    def watch(self, now: float, *, watched: bool) -> None:
        """Say from *now* on when runs begin and end, or do not."""
        self._come(now)
        self._runs.watched = watched
        self._changed()

    def fire(self) -> list[ScriptOutput]:
        """Say what is due."""
        now = self._due
        self._come(now)
        said = self._runs.step()
        self._due = self._look()
        return said

    def feed(self, now: float, input_: ScriptInput) -> list[ScriptOutput]:
        """Take in what happens at *now*."""
        said: list[ScriptOutput] = []
        if not self._frozen:
            self._come(now)
        runs = self._runs
        match input_:
            case Answers(answer, running):
                if answer != runs.answer:
                    runs.changed = now
                runs.answer = answer
                if running is not None:
                    ending = running.takes + now
                    runs.runs = tuple(
                        run._replace(answer=running._replace(takes=ending - run.began)) if run.ends > now else run
                        for run in runs.runs
                    )
            case Freeze():
                self._frozen = True
            case Thaw() if self._frozen:
                self._frozen = False
                runs.now = now
                if runs.start(runs.place) <= now:
                    runs.first, runs.place = now, 0
                    runs.runs = tuple(run._replace(place=-1 - back) for back, run in enumerate(runs.runs))
                for run in sorted(runs.runs, key=lambda run: run.ends):
                    if run.ends <= now:
                        said += runs.end(run, now, ok=run.answer.ok, by_itself=True)
        self._changed()
        return said

    def _changed(self) -> None:
        self._runs.seen.clear()
        self._due = self._look()

    def _come(self, now: float) -> None:
        """Do what nobody sees before *now*."""
        runs = self._runs
        while runs.next < now:
            runs.step()
            runs.skip(now)
        runs.now = now

    def _look(self) -> float:
        """When something will be said, found on a copy; never, when what it does repeats."""
        ahead = self._runs.copy()
        ahead.seen.clear()
        while True:
            if ahead.step():
                return ahead.now
            pattern = ahead.pattern()
            if ahead.seen.get(pattern, ahead.place) != ahead.place:
                return NEVER
            ahead.seen[pattern] = ahead.place


def script_from_design(topology: Topology, name: str) -> ScriptSettings:
    """Give what keepalived is told of the script *name*."""
    from rmqha_model.versions.version import Version

    assert topology.keepalived is not None
    told = topology.keepalived.scripts[name]
    release = Version.parse(topology.versions.keepalived)
    return ScriptSettings(
        told.interval.s,
        (told.timeout or told.interval).s,
        told.rise or 1,
        told.fall or 1,
        told.init_fail,
        (2, 1, 3) <= release < (2, 3, 3),
    )


def observed(script: ObserveScript, haproxy: Literal["serves", "dead", "stopping", "frozen"]) -> Answer:
    """Give what check_haproxy.sh comes to: at once if HAProxy answers or is gone, after half its time if it hangs.

    generators/templates/check_haproxy.sh.j2: ``timeout`` ends socat after half of what keepalived allows, 0.5 s at
    least, and the script says that there was no answer. What the processes themselves take, some 10 ms, is left out.
    """
    if haproxy == "frozen":
        return Answer(ok=False, takes=max((script.timeout or script.interval).s / 2, 0.5))
    return Answer(ok=haproxy == "serves")
