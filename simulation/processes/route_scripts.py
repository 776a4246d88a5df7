"""The check scripts of keepalived on one host: what each looks at, what it does, and another script in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmqha_model.keepalived import ObserveScript, SelfHealingScript
from simulation.driving import Driven
from simulation.machines.balancer import CHECKS_CONFIG_S
from simulation.machines.machine import NEVER
from simulation.machines.script_runs import Answer, Verdict
from simulation.machines.self_healing import (
    Exists,
    HealingInput,
    HealingOutput,
    KillHaproxy,
    Replaced,
    SelfHealing,
    Startable,
    StartHaproxy,
    StopKeepalived,
    healing_from_design,
)
from simulation.machines.track_script import Answers, TrackScript, observed, script_from_design

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.machines.script_runs import ScriptOutput
    from simulation.machines.track_script import ScriptInput
    from simulation.machines.vrrp_words import Freeze, Thaw
    from simulation.processes.world import World

__all__ = ["Mode", "Scripts"]

Mode: TypeAlias = Literal["normal", "fails", "hangs"]

_OTHER = {"fails": Answer(ok=False), "hangs": Answer(ok=False, takes=NEVER)}
"""``exit 1``, and ``exec sleep infinity``, which SIGTERM ends."""

START_S = (0.05, 0.5)
"""How long ``haproxy -f`` takes until it returns: from exec to listening, as :class:`simulation.machines.balancer.
Balancer` has it."""


class Scripts:
    """The scripts of one host, and their runs as long as keepalived's VRRP child is there."""

    def __init__(
        self,
        world: World,
        host: str,
        names: Iterable[str],
        verdict: Callable[[str, bool, Reason], None],
        stop: Callable[[Reason], None],
    ) -> None:
        """Begin with scripts that have run for long, and have succeeded."""
        assert world.topology.keepalived is not None
        self._world, self._host, self._verdict, self._stop = world, host, verdict, stop
        told = world.topology.keepalived.scripts
        self._told = {name: told[name] for name in names}
        self._other: dict[str, Answer] = {}
        self._observed: dict[str, Driven[ScriptInput, ScriptOutput]] = {}
        self._healing: dict[str, Driven[HealingInput, HealingOutput]] = {}
        self._start_s = world.streams.stream(host, "haproxy -f")
        for name, script in self._told.items():
            settings = script_from_design(world.topology, name)
            pause = script.wait.s if isinstance(script, SelfHealingScript) else 0.0
            # So many runs ago that it has risen, and that what overlaps does so as it always does.
            rounds = settings.rise + 2 + int(pause / settings.interval_s)
            phase = world.streams.phase(settings.interval_s, host, name, "runs")
            self._make(name, phase - rounds * settings.interval_s, "serves")

    # -- what keepalived does with them -----------------------------------------------------------

    def begin(self) -> None:
        """Have the first run of each now."""
        haproxy = self._haproxy()
        for name in self._told:
            self._make(name, self._world.now, haproxy)
        for name, healing in self._healing.items():
            healing.feed(self._startable())
            healing.feed(Exists(haproxy != "dead"))
            if name in self._other:
                healing.feed(Replaced(self._other[name]))

    def end(self) -> None:
        """End all runs."""
        for runs in (self._observed, self._healing):
            for each in runs.values():
                each.stop()
            runs.clear()

    def freeze(self, input_: Freeze | Thaw) -> None:
        """Stop keepalived's child in its tracks, or let it go on; runs under way go on in any case."""
        for observing in list(self._observed.values()):
            observing.feed(input_)
        for healing in list(self._healing.values()):
            healing.feed(input_)

    # -- what happens to them ---------------------------------------------------------------------

    def replace(self, name: str, mode: Mode) -> None:
        """Put another script in the place of one, or put that back."""
        if mode == "normal":
            self._other.pop(name, None)
        else:
            self._other[name] = _OTHER[mode]
        if name in self._observed:
            self._observed[name].feed(Answers(self._answer(name, self._haproxy())))
        if name in self._healing:
            self._healing[name].feed(Replaced(self._other.get(name)))

    def look(self) -> None:
        """Have them see what became of HAProxy."""
        haproxy = self._haproxy()
        for name, observing in list(self._observed.items()):
            answer = self._answer(name, haproxy)
            # Who waits for an answer gets it now, or finds the connection closed.
            waits = haproxy == "frozen" or name in self._other
            observing.feed(Answers(answer, None if waits else answer))
        for healing in list(self._healing.values()):
            healing.feed(self._startable())
            healing.feed(Exists(haproxy != "dead"))

    # -- within -----------------------------------------------------------------------------------

    def _make(self, name: str, first: float, haproxy: Literal["serves", "dead", "stopping", "frozen"]) -> None:
        clock, script = self._world.clock, self._told[name]
        if isinstance(script, SelfHealingScript):
            settings, pause, daemonises = healing_from_design(self._world.topology, name)
            healing = SelfHealing(settings, pause, first, daemonises=daemonises)
            while healing.due < self._world.now:
                healing.fire()
            self._healing[name] = Driven(clock, healing, lambda word: self._acted(name, word))
        else:
            settings = script_from_design(self._world.topology, name)
            runs = TrackScript(settings, first, self._answer(name, haproxy))
            while runs.due < self._world.now:
                runs.fire()
            self._observed[name] = Driven(clock, runs, lambda word: self._heard(name, word))

    def _answer(self, name: str, haproxy: Literal["serves", "dead", "stopping", "frozen"]) -> Answer:
        script = self._told[name]
        if name in self._other:
            return self._other[name]
        # What a program of the user's own looks at, nobody knows here: see VirtualAddresses.
        return observed(script, haproxy) if isinstance(script, ObserveScript) else Answer(ok=True)

    def _haproxy(self) -> Literal["serves", "dead", "stopping", "frozen"]:
        there = self._host in self._world.topology.load_balancers
        return self._world.balancers.haproxy(self._host) if there else "dead"

    def _startable(self) -> Startable:
        if not self._world.balancers.startable(self._host):
            return Startable(works=False, takes=CHECKS_CONFIG_S)
        least, most = START_S
        return Startable(works=True, takes=least + (most - least) * self._start_s())

    def _heard(self, name: str, word: ScriptOutput) -> None:
        if isinstance(word, Verdict):
            self._verdict(name, word.ok, word.why)

    def _acted(self, name: str, word: HealingOutput) -> None:
        match word:
            case Verdict(_, ok, _, why):
                self._verdict(name, ok, why)
            case StartHaproxy():
                self._world.balancers.act(self._host, "start")
            case KillHaproxy():
                self._world.balancers.act(self._host, "stop")
            case StopKeepalived(_, _, why):
                self._stop(why)
