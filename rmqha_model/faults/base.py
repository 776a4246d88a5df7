"""What every fault has: its instant, its end, its target, its meaning and what undoes it."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator

from rmqha_model.names import Named
from rmqha_model.part import Part, refuse
from rmqha_model.units import Duration

__all__ = [
    "CLIENTS",
    "ROLES",
    "Fault",
    "OneHost",
    "Side",
    "Target",
    "TargetKind",
]


ROLES: dict[str, str] = {
    "@vip_owner": "the host that holds the first virtual address when the fault begins",
    "@vip_backup": "the host that would take the first virtual address over",
    "@leader": "the broker that leads the workload's first queue when the fault begins",
    "@follower": "the first broker of the design that does not lead the workload's first queue",
}
"""Hosts that are not known before a scenario runs, by what they are at the fault's instant."""

CLIENTS = "@clients"
"""The place where the clients are, as one side of a partition."""

TargetKind: TypeAlias = Literal["broker", "load_balancer", "vrrp", "host"]

_HOST = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
Target = Annotated[
    str, Named(rf"{_HOST}|{'|'.join(map(re.escape, ROLES))}", f"a host of the design, or one of {', '.join(ROLES)}")
]
Side = Annotated[
    str,
    Named(
        rf"{_HOST}|{'|'.join(map(re.escape, [*ROLES, CLIENTS]))}",
        f"a host of the design, or one of {', '.join([*ROLES, CLIENTS])}",
    ),
]


class Fault(Part):
    """Something that happens to a design at an instant, and in most cases ends."""

    target: ClassVar[TargetKind]
    """What kind of host it can happen to."""
    meaning: ClassVar[str]
    """What happens, in one sentence that both worlds follow."""
    undo: ClassVar[str]
    """What ends it, in one sentence; empty where it ends by itself."""

    at: Duration = Field(description="When it begins, after the start of the scenario.")
    lasts: Duration | None = Field(
        None, alias="for", description="When it is undone, after it began; left out, at the end of the scenario."
    )

    @property
    def name(self) -> str:
        """Its name in the catalogue: ``broker_kill``."""
        return str(getattr(self, "fault"))  # noqa: B009 - each fault has its own literal

    @property
    def targets(self) -> tuple[str, ...]:
        """Hosts and roles that it names."""
        return ()

    @model_validator(mode="after")
    def _undone_only_if_it_can_be(self) -> Fault:
        if self.lasts is not None and not self.undo:
            raise refuse("found a duration of a fault that ends by itself", "no `for`", at="for")
        return self


class OneHost(Fault):
    """A fault of one host or of a daemon on it."""

    host: Target = Field(description="Where it happens.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The host or role it names."""
        return (self.host,)
