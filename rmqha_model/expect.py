"""What a scenario expects of a design: bounds on what is measured, in either world."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rmqha_model.part import Part
from rmqha_model.units import Duration

__all__ = ["Expect"]

Count = Annotated[int, Field(ge=0)]


class Expect(Part):
    """Bounds; what is left out is measured and not judged."""

    outage_below: Duration | None = Field(
        None, description="For each probe: from its first failed attempt to the end of its last one."
    )
    failed_share_below: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="For each probe: share of the attempts of its outage that failed."
    )
    confirm_gap_below: Duration | None = Field(
        None, description="For each publisher: the longest time without a confirm."
    )
    consumer_gap_below: Duration | None = Field(
        None, description="For each consumer: the longest time without a delivery."
    )
    vip_absent_below: Duration | None = Field(
        None, description="For each virtual address: how long in all it is on no host."
    )
    vip_owners_max: Annotated[int, Field(ge=1, le=255)] | None = Field(
        None, description="For each virtual address: hosts that hold it in the same instant."
    )
    detection_below: Duration | None = Field(
        None,
        description="For each load balancer: from a fault to the server of the faulty broker being DOWN.",
    )
    lost_max: Count | None = Field(None, description="Messages that were confirmed and never delivered.")
    duplicated_max: Count | None = Field(None, description="Messages that were delivered to the end more than once.")
    unknown_max: Count | None = Field(None, description="Messages that got neither a confirm nor a nack.")
    healthy_at_end: bool | None = Field(
        None, description="Every fault undone, all brokers are members, no partition, one owner per virtual address."
    )
