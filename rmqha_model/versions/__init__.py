"""What each release of RabbitMQ, HAProxy and keepalived can do.

A design names its releases; ``supports`` answers whether they can do a thing by its name in ``features()``;
``refusal`` and ``refusal_sentence`` say it to the user. Each row of the table names its source. A two-part release
such as ``3.10`` is the newest patch of its series; see ``Version``.
"""

from __future__ import annotations

from rmqha_model.versions.ask import Refusal, Releases, features, refusal, refusal_sentence, supports
from rmqha_model.versions.feature import Feature
from rmqha_model.versions.releases import DEBIAN, SERIES, DebianRelease, known
from rmqha_model.versions.version import Version

__all__ = [
    "DEBIAN",
    "SERIES",
    "DebianRelease",
    "Feature",
    "Refusal",
    "Releases",
    "Version",
    "features",
    "known",
    "refusal",
    "refusal_sentence",
    "supports",
]
