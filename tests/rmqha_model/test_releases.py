"""Releases: named, listed, or by a Debian release."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rmqha_model.releases import Versions


def test_debian_names_stand_for_their_packages() -> None:
    """A Debian release's name gives the three releases it has."""
    expected = Versions(rabbitmq="3.10.8", haproxy="2.6.12", keepalived="2.2.7")
    assert Versions.model_validate("bookworm") == expected


@pytest.mark.parametrize(
    "bad", ["bookwrm", {"rabbitmq": "3.7"}, {"rabbitmq": "3.14"}, {"haproxy": "x"}, {"keepalived": "2.4"}]
)
def test_unknown_releases_are_refused(bad: object) -> None:
    """Releases outside the supported series are refused with what is allowed."""
    with pytest.raises(ValidationError) as caught:
        Versions.model_validate(bad)
    error = caught.value.errors()[0]
    assert error["type"] == "rmqha"
    assert "3.8" in error["ctx"]["allowed"] or "2." in error["ctx"]["allowed"] or "trixie" in error["ctx"]["allowed"]


def test_abilities_follow_the_release() -> None:
    """Mirrored queues end with RabbitMQ 3.13; the refusal says what to use instead."""
    assert Versions(rabbitmq="3.13").can("rabbitmq.mirrored_queues")
    refusal = Versions(rabbitmq="4.0").refusal("rabbitmq.mirrored_queues")
    assert refusal is not None
    assert "quorum" in refusal[2]
