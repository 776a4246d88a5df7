"""Restarts of one daemon after the other, each when the one before it serves again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model.faults import RollingRestart
from simulation.machines.busy import lasts
from simulation.processes.faults.act import Act
from simulation.processes.hosts import busy

if TYPE_CHECKING:
    from simulation.processes.faults.units import Layer

__all__ = ["ASKS_S", "CRITICAL_S", "Rolling"]

ASKS_S: dict[Layer, tuple[float, float]] = {
    "brokers": (1.6, 4.57),
    "haproxy": (0.15, 0.53),
    "keepalived": (0.0, 0.14),
}
"""How long whoever restarts them asks until it knows that one serves, counted from when it does: three of brokers
(rabbitmqctl await_startup and cluster_status, rabbitmq-diagnostics), two of the others (docs/evidence, bookworm,
rolling_restart; integration/faults/rolling.py)."""
ASKS_QUIET_S: dict[Layer, float] = {"brokers": 2.35, "haproxy": 0.19, "keepalived": 0.14}
"""The longest of that on a quiet machine, from 1.62, 0.157 and 0.09 s."""

CRITICAL_S = 60.0
"""How long a broker that a queue's majority needs is waited for; then it is restarted all the same, as in the lab."""

_LOOK_S = 1.0
"""Between two such questions: a call of rabbitmqctl takes a second or two."""


class Rolling(Act[RollingRestart]):
    """``systemctl restart``, host after host; over when the last one serves, or at the pause in which it is ended."""

    _place = 0
    _ending = False
    _paused = False

    def check(self) -> None:
        """Raise :class:`FaultImpossible` if one of the daemons does not run."""
        for host in self.hosts:
            if not self.units.active(self.fault.layer, host):
                raise self.refuse(f"{host}: its {self.fault.layer} are down; allowed: a daemon that runs")

    def begin(self) -> None:
        """Restart the next one, at first the first."""
        host = self.hosts[self._place]
        self._place += 1
        self.units.restart(self.fault.layer, host, lambda: self._ask(host))

    def undo(self) -> None:
        """Restart no more; the one that is being restarted is waited for."""
        self._ending = True
        if self._paused:
            self._paused = False
            self.over()

    def _ask(self, host: str) -> None:
        luck = self.world.streams.once("rolling restart", str(self.index), host)
        layer = self.fault.layer
        seconds = lasts(ASKS_S[layer], ASKS_QUIET_S[layer], luck, busy(self.world, host))
        self.world.clock.after(seconds, lambda: self._until_whole(host))

    def _until_whole(self, host: str) -> None:
        """Go on when a restarted broker knows all that run."""
        if self.fault.layer == "brokers" and not self._knows_all(host):
            self.world.clock.after(_LOOK_S, lambda: self._until_whole(host))
        elif self._place == len(self.hosts):
            self.over()
        elif self.fault.layer == "brokers":
            self._until_spared(self.hosts[self._place], self.world.now + CRITICAL_S)
        else:
            self._pause()

    def _knows_all(self, host: str) -> bool:
        brokers = self.world.brokers
        running = {other for other in self.world.topology.brokers if brokers.serves(other)}
        return brokers.serves(host) and running <= brokers.running(host)

    def _until_spared(self, following: str, limit: float) -> None:
        if self.world.now < limit and not self.world.queues.spares(following):
            self.world.clock.after(_LOOK_S, lambda: self._until_spared(following, limit))
        else:
            self._pause()

    def _pause(self) -> None:
        if self._ending:
            self.over()
            return
        self._paused = True
        self.world.clock.after(self.fault.pause.s, self._next)

    def _next(self) -> None:
        if self._paused:
            self._paused = False
            self.begin()
