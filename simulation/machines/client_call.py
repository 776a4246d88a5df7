"""A client's new connection straight to a broker, from its first SYN until the broker's first words."""

from __future__ import annotations

from simulation.machines.connecting import Fate
from simulation.machines.machine import NEVER
from simulation.machines.wire import FOREVER, LINEAR, Dial, Target, seconds, us

__all__ = ["DirectCall"]


class DirectCall:
    """One call (a :class:`simulation.machines.machine.Machine`); how the broker's port looks is fed as it changes."""

    def __init__(self, target: Target, now: float, *, tls: bool = False) -> None:
        self.accepted = False
        """Whether the TCP connection is made."""
        self._target, self._tls = target, tls
        self._start = us(now)
        self._dial = Dial(self._start, target, LINEAR)
        self._answer = FOREVER
        self._over = False

    @property
    def due(self) -> float:
        """When its next step is."""
        at = FOREVER if self._over else self._answer if self.accepted else self._dial.end
        return NEVER if at >= FOREVER else seconds(at)

    def fire(self) -> list[Fate]:
        """Be connected, or answered, or refused."""
        if self.accepted:
            return self._ended(self._answer, "ok", "answer of the broker")
        if self._dial.result == "connected":
            self.accepted = True
            self._wait(self._dial.end)
            return []
        end = self._dial.end
        if self._dial.result == "refused":
            return self._ended(end, "refused", "nobody listens")
        if self._dial.result == "unreachable":
            return self._ended(end, "unreachable", "no way to the host")
        return self._ended(end, "timeout", "no answer")

    def feed(self, now: float, input_: Target) -> list[Fate]:
        """Take in that the port looks otherwise."""
        self._target = input_
        if self._over:
            return []
        if not self.accepted:
            self._dial.change(us(now), input_)
        elif input_.kind == "refused":
            return self._ended(us(now), "reset", "the broker closed it")
        else:
            self._wait(us(now))
        return []

    def _wait(self, now: int) -> None:
        target = self._target
        self._answer = (
            now + us(target.answer_s + (target.handshake_s if self._tls else 0)) if target.speaks else FOREVER
        )

    def _ended(self, now: int, outcome: str, words: str) -> list[Fate]:
        self._over = True
        return [Fate(seconds(now), outcome, None, ((words, seconds(now - self._start)),))]  # type: ignore[arg-type]
