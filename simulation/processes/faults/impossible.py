"""What a run cannot do to its design, as an error whose text a user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model.errors import RmqhaError

if TYPE_CHECKING:
    from rmqha_model.faults import Fault

__all__ = ["FaultImpossible"]


class FaultImpossible(RmqhaError):
    """A fault that cannot be done in its instant, or not be undone; the lab refuses it with the same words."""

    def __init__(self, fault: Fault, why: str) -> None:
        self.fault = fault
        super().__init__(f"{fault.name} at {fault.at}: {why}")
