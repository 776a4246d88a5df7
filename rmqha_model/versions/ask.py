"""Questions to the table: can these releases do that, and if not, what to say."""

from __future__ import annotations

import functools
from typing import NamedTuple, Protocol

from rmqha_model.versions.feature import PRODUCTS, Feature
from rmqha_model.versions.version import Version

__all__ = ["Refusal", "Releases", "features", "refusal", "refusal_sentence", "supports"]


class Releases(Protocol):
    """Whatever says which release of each daemon there is."""

    @property
    def rabbitmq(self) -> str | Version:
        """Release of RabbitMQ."""

    @property
    def haproxy(self) -> str | Version:
        """Release of HAProxy."""

    @property
    def keepalived(self) -> str | Version:
        """Release of keepalived."""


class Refusal(NamedTuple):
    """Why a release cannot do what a design asks: the parts of a `Problem`."""

    found: str
    allowed: str
    hint: str


@functools.cache
def features() -> dict[str, Feature]:
    """Give every ability by name: ``rabbitmq.streams``, ``rabbitmq.conf:channel_max``, ``haproxy.init_state``."""
    # Loaded when first asked: models import this package, and most of what imports models asks nothing.
    from rmqha_model.versions.haproxy import HAPROXY
    from rmqha_model.versions.keepalived import KEEPALIVED
    from rmqha_model.versions.rabbitmq import RABBITMQ
    from rmqha_model.versions.rabbitmq_conf import RABBITMQ_CONF
    from rmqha_model.versions.rabbitmq_tools import RABBITMQ_TOOLS

    return {row.name: row for rows in (RABBITMQ, RABBITMQ_TOOLS, RABBITMQ_CONF, HAPROXY, KEEPALIVED) for row in rows}


def supports(versions: Releases, name: str) -> bool:
    """Whether *versions* can do the feature called *name*.

    Raises:
        KeyError: there is no such feature: a mistake of the programmer's, with the nearest name.
    """
    row = _row(name)
    return row.is_in(_release(versions, row))


def refusal(versions: Releases, name: str) -> Refusal | None:
    """Give what to tell a user whose *versions* cannot do the feature called *name*; ``None`` when they can."""
    row = _row(name)
    release = _release(versions, row)
    if row.is_in(release):
        return None
    return Refusal(f"{row.title}: the design says {PRODUCTS[row.daemon]} {release}", row.releases, row.instead)


def refusal_sentence(versions: Releases, name: str) -> str:
    """Give the same in one sentence; empty when *versions* can.

    ``mirrored queues: RabbitMQ 3.8-3.13; the design says 4.0; use quorum queues``
    """
    row = _row(name)
    release = _release(versions, row)
    if row.is_in(release):
        return ""
    return f"{row.title}: {row.releases}; the design says {release}; {row.instead}"


def _row(name: str) -> Feature:
    try:
        return features()[name]
    except KeyError:
        from rmqha_model.errors import did_you_mean

        raise KeyError(f"no feature {name!r}; {did_you_mean(name, list(features()))}") from None


def _release(versions: Releases, row: Feature) -> Version:
    release: str | Version = getattr(versions, row.daemon)
    return Version.parse(release) if isinstance(release, str) else release
