"""Changes that people make on purpose, and that hurt like faults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rmqha_model.faults.base import Fault
from rmqha_model.names import HostName
from rmqha_model.units import Duration

__all__ = [
    "RollingRestart",
]


class RollingRestart(Fault):
    """One daemon after the other restarted, as in an upgrade or a change of settings."""

    target = "host"
    meaning = "Every daemon of a layer is restarted, host after host, each when the one before it serves again."
    undo = ""
    fault: Literal["rolling_restart"]
    layer: Literal["brokers", "haproxy", "keepalived"] = Field(description="Which daemons.")
    hosts: Annotated[tuple[HostName, ...], Field(min_length=1)] | None = Field(
        None, description="Which hosts, in which order; left out, all that run it, in the design's order."
    )
    pause: Duration = Field(Duration(5_000), description="Wait between one that serves again and the next.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The hosts it lists."""
        return self.hosts or ()
