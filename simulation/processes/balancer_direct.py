"""A new connection straight to a broker's port, as far as connection.start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.machines.check_attempt import CheckAttempt
from simulation.machines.check_settings import CheckSettings
from simulation.machines.connecting import Fate
from simulation.machines.machine import NEVER
from simulation.machines.wire import seconds, us

if TYPE_CHECKING:
    from rmqha_model.events import Outcome
    from simulation.machines.wire import Target

__all__ = ["Direct"]

_OUTCOMES: dict[str, Outcome] = {"L7OK": "ok", "L7RSP": "reset", "L6RSP": "reset"}


class Direct:
    """It does what a health check that speaks AMQP does (a :class:`simulation.machines.machine.Machine`)."""

    def __init__(self, target: Target, *, now: float, patience_s: float, tls: bool) -> None:
        settings = CheckSettings(kind="amqp", tls=tls, inter=round(patience_s * 1000))
        self._start = now
        self._attempt = CheckAttempt(us(now), target, settings)
        self._over = False

    @property
    def due(self) -> float:
        """When its fate is known."""
        return NEVER if self._over else seconds(self._attempt.end)

    def fire(self) -> list[Fate]:
        """Tell it."""
        self._over = True
        code, end = self._attempt.code, seconds(self._attempt.end)
        outcome = _OUTCOMES.get(code, "timeout")
        if code == "L4CON":
            outcome = {"refused": "refused", "unreachable": "unreachable"}.get(self._attempt.dialled, "timeout")  # type: ignore[assignment]
        return [Fate(end, outcome, None, ((code, end - self._start),))]

    def feed(self, now: float, input_: Target) -> list[Fate]:
        """Take in that the port looks otherwise."""
        self._attempt.change(us(now), input_)
        return []
