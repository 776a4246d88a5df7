"""What else than scripts keepalived tracks on one host: links, and processes by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from simulation.machines.link_parts import Process
from simulation.machines.vrrp_settings import LINK

if TYPE_CHECKING:
    from rmqha_model.keepalived import TrackProcess
    from simulation.processes.world import World

__all__ = ["TrackedThings"]

_COUNT = {"haproxy": 2, "beam.smp": 1}
"""Processes of a name: Debian's haproxy.service runs a master and a worker, RabbitMQ's is one VM."""


class TrackedThings:
    """The links and processes that instances on a host track; *tell* hears of each that changes."""

    def __init__(self, world: World, host: str, names: Iterable[str], tell: Callable[[str, bool], None]) -> None:
        """Begin with all of them well."""
        assert world.topology.keepalived is not None
        self._world, self._host, self._tell = world, host, tell
        told = world.topology.keepalived.processes
        names = list(dict.fromkeys(names))
        self.processes: dict[str, TrackProcess] = {name: told[name] for name in names if name in told}
        """Those it tracks, by keepalived's name for each."""
        own = world.topology.hosts[host].interface
        scripts = world.topology.keepalived.scripts
        self._links = [name for name in names if name not in told and name not in scripts]
        self._own = {LINK, own}
        self._known = dict.fromkeys((*self._links, *self.processes), True)
        self._rounds = dict.fromkeys(self.processes, 0)

    def known(self) -> dict[str, bool]:
        """Give what a daemon that starts now finds."""
        self._rounds = {name: count + 1 for name, count in self._rounds.items()}
        self._known = {name: self._carries(name) for name in self._links}
        self._known |= {name: self._runs(process) for name, process in self.processes.items()}
        return dict(self._known)

    def foreign(self) -> Iterator[str]:
        """Say what of it is not modelled."""
        for name in self._links:
            if name not in self._own:
                yield f"interface {name}, which keepalived tracks on {self._host}, is taken to be up"
        for process in self.processes.values():
            if process.process not in _COUNT:
                yield f"process {process.process}, which keepalived tracks, is taken to run"

    def look_at_links(self) -> None:
        """Tell of a carrier that came or went."""
        for name in self._links:
            self._now(name, ok=self._carries(name))

    def look_at_processes(self) -> None:
        """Tell of processes that came or went, as soon as the change has lasted long enough."""
        for name, process in self.processes.items():
            runs = self._runs(process)
            self._rounds[name] += 1
            if runs == self._known[name] or not process.delay:
                self._now(name, ok=runs)
            else:
                self._after(name, process.delay, self._rounds[name])

    def _after(self, name: str, delay: float, begun: int) -> None:
        def over() -> None:
            if self._rounds[name] == begun:
                self._now(name, ok=self._runs(self.processes[name]))

        self._world.clock.after(delay, over)

    def _now(self, name: str, *, ok: bool) -> None:
        if self._known[name] != ok:
            self._known[name] = ok
            self._tell(name, ok)

    def _carries(self, name: str) -> bool:
        return name not in self._own or self._world.network.carrier(self._host)

    def _runs(self, process: TrackProcess) -> bool:
        topology = self._world.topology
        if process.process not in _COUNT:
            return True
        if process.process == "haproxy":
            there = self._host in topology.load_balancers and self._world.balancers.haproxy(self._host) != "dead"
        else:
            alive = {Process.RUNS, Process.HANGS}
            there = self._host in topology.brokers and self._world.brokers.process(self._host) in alive
        return there and process.quorum <= _COUNT[process.process]
