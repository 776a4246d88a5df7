"""What every machine is to whoever drives it: told what happens, it says when it will next do something itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, TypeVar

__all__ = ["NEVER", "Machine"]

Input_contra = TypeVar("Input_contra", contravariant=True)
Output_co = TypeVar("Output_co", covariant=True)

NEVER = math.inf
"""The instant of what does not happen while everything stays as it is."""


class Machine(Protocol[Input_contra, Output_co]):
    """A part of a daemon as a function of time: all instants are seconds on one clock.

    Nothing periodic is an event. While what a machine looks at stays as it is, its ticks change nothing, and it says
    only when one will: :attr:`due`. Whoever drives it calls :meth:`fire` at that instant, and :meth:`feed` when
    something happens before. Driven so, it gives the same outputs at the same instants as a machine whose every tick
    is simulated.
    """

    @property
    def due(self) -> float:
        """When it next changes by itself, if nothing is fed to it before; :data:`NEVER` if it does not."""

    def fire(self) -> Iterable[Output_co]:
        """Do what is due, at the instant that :attr:`due` says, and give what can be seen of it."""

    def feed(self, now: float, input_: Input_contra) -> Iterable[Output_co]:
        """Take in what happens at *now*, which is not after :attr:`due`, and give what can be seen at once."""
