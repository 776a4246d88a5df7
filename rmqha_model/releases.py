"""The releases a design is made for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from rmqha_model import versions
from rmqha_model.errors import did_you_mean
from rmqha_model.names import Named
from rmqha_model.part import Part, refuse
from rmqha_model.versions import DEBIAN, SERIES

if TYPE_CHECKING:
    from rmqha_model.versions.feature import Daemon

__all__ = ["Versions"]


def _release_of(daemon: Daemon) -> Named:
    series = "|".join(map(re.escape, SERIES[daemon]))
    words = f"a release of {', '.join(SERIES[daemon])}, with or without its patch"
    return Named(rf"(?:{series})(?:\.(?:0|[1-9][0-9]{{0,2}}))?", words, 12)


class Versions(Part):
    """Releases of the three daemons; a Debian release's name (bookworm) stands for what its packages hold.

    A release without its patch, such as 3.10, is the newest patch of its series.
    """

    rabbitmq: Annotated[str, _release_of("rabbitmq")] = Field(
        str(DEBIAN["trixie"].rabbitmq), description="3.8 to 4.3. Left out: that of Debian 13."
    )
    haproxy: Annotated[str, _release_of("haproxy")] = Field(
        str(DEBIAN["trixie"].haproxy), description="2.2 to 3.2. Left out: that of Debian 13."
    )
    keepalived: Annotated[str, _release_of("keepalived")] = Field(
        str(DEBIAN["trixie"].keepalived), description="2.1 to 2.3. Left out: that of Debian 13."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_debian(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in DEBIAN:
            allowed = f"{', '.join(DEBIAN)}, or a mapping of rabbitmq, haproxy and keepalived"
            raise refuse(f"found {value[:60]!r}", allowed, did_you_mean(value, list(DEBIAN)))
        release = DEBIAN[value]
        return {daemon: str(getattr(release, daemon)) for daemon in SERIES}

    @classmethod
    def short_schema(cls, properties: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - needs none of them
        """Give the JSON Schema of a Debian release's name."""
        return {"enum": list(DEBIAN), "description": "A Debian release, for what its packages hold."}

    def can(self, feature: str) -> bool:
        """Whether these releases can do *feature*, by its name in :mod:`rmqha_model.versions`."""
        return versions.supports(self, feature)

    def refusal(self, feature: str) -> tuple[str, str, str] | None:
        """Give (found, allowed, hint) when these releases cannot do *feature*."""
        return versions.refusal(self, feature)
