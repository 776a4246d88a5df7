"""Faults of a host as a whole, and of its link."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rmqha_model.faults.base import CLIENTS, Fault, OneHost, Side, Target
from rmqha_model.part import refuse
from rmqha_model.units import Duration

__all__ = [
    "HostPowerLoss",
    "HostReboot",
    "LinkDown",
    "LinkFlap",
    "PacketLoss",
    "Partition",
    "SitePowerLoss",
]


class HostPowerLoss(OneHost):
    """A host that is gone at once."""

    target = "host"
    meaning = "The host loses its power: every process ends at once, nothing is flushed, no packet is sent."
    undo = "Power returns and the host boots."
    fault: Literal["host_power_loss"]


class HostReboot(OneHost):
    """An orderly reboot."""

    target = "host"
    meaning = "systemctl reboot: services stop in order, and the host boots again."
    undo = ""
    fault: Literal["host_reboot"]


class SitePowerLoss(Fault):
    """The loss of all hosts, or of a list of them, in one instant, and their cold start."""

    target = "host"
    meaning = "All hosts, or those of a list, lose their power in the same instant."
    undo = "Power returns to all of them in the same instant and they boot; with a stagger, one after the other."
    fault: Literal["site_power_loss"]
    hosts: Annotated[tuple[Target, ...], Field(min_length=1)] | None = Field(
        None, description="Which hosts; left out, all of the design."
    )
    stagger: Duration = Field(Duration(0), description="Wait between one host's return of power and the next one's.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The hosts and roles it lists."""
        return self.hosts or ()


class LinkDown(OneHost):
    """A pulled cable."""

    target = "host"
    meaning = "The host's link loses its carrier: the host itself sees it, nobody else is told."
    undo = "The carrier returns."
    fault: Literal["link_down"]


class LinkFlap(OneHost):
    """A cable that is loose."""

    target = "host"
    meaning = "The host's link loses its carrier and gets it back, several times."
    undo = ""
    fault: Literal["link_flap"]
    times: Annotated[int, Field(ge=1, le=100)] = Field(3, description="How often.")
    down: Duration = Field(Duration(1_000), description="How long without carrier each time.")
    up: Duration = Field(Duration(1_000), description="How long with carrier before the next time.")


class Partition(Fault):
    """Packets that are dropped between two sets of hosts, silently."""

    target = "host"
    meaning = "Every packet between the first and the second set of hosts is dropped, and nobody is told."
    undo = "Packets pass again."
    fault: Literal["partition"]
    between: tuple[
        Annotated[tuple[Side, ...], Field(min_length=1)], Annotated[tuple[Side, ...], Field(min_length=1)]
    ] = Field(description=f"Two lists of hosts, in which {CLIENTS} stands for the place where the clients are.")
    one_way: bool = Field(False, description="Only packets from the first set to the second are dropped.")

    @property
    def targets(self) -> tuple[str, ...]:
        """Every host and role on either side."""
        return tuple(name for side in self.between for name in side if name != CLIENTS)

    @model_validator(mode="after")
    def _sides_are_apart(self) -> Partition:
        both = set(self.between[0]) & set(self.between[1])
        if both:
            raise refuse(f"found {', '.join(sorted(both))} on both sides", "each on one side", at="between")
        return self


class PacketLoss(OneHost):
    """A bad cable."""

    target = "host"
    meaning = "A random share of the packets to and from the host is dropped, each by its own toss."
    undo = "All packets pass again."
    fault: Literal["packet_loss"]
    share: Annotated[float, Field(gt=0, le=1)] = Field(0.1, description="Share of the packets that are lost, 0 to 1.")
