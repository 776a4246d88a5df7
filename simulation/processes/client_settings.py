"""What publishers and consumers of a workload do."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ConsumerSettings", "PublisherSettings"]


class PublisherSettings(NamedTuple):
    """What a publisher does."""

    queue: str
    rate: float = 20.0
    window: int = 1_000
    retry: bool = True
    confirms: bool = True
    mandatory: bool = True
    confirm_s: float = 0.007
    """From publishing to the confirm, where nothing is in the way."""
    payload: int = 256
    """Bytes of a message's body."""


class ConsumerSettings(NamedTuple):
    """What a consumer does."""

    queue: str
    vhost: str = "/"
    prefetch: int = 50
    auto: bool = False
    work_s: float = 0.0
    takes_s: float = 0.004
    """From the queue to the consumer, where nothing is in the way."""
