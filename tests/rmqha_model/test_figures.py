"""A timeline in figures."""

from __future__ import annotations

import math
from pathlib import Path

from rmqha_model.figures import Figure, figures
from rmqha_model.timeline import Timeline

EVIDENCE = Path(__file__).parents[2] / "docs/evidence/bookworm/article-fixed/timelines"


def measured(case: str) -> dict[Figure, float]:
    """The figures of a run on real hosts."""
    return figures(Timeline.read(EVIDENCE / f"{case}.jsonl.gz"))


def test_every_measure_has_a_name() -> None:
    """Clients, address and load balancers, each with what is told of it."""
    found = measured("broker_hang-leader")
    assert {figure.what for figure in found} == {
        "outage_s", "failed_share", "confirm_gap_s", "consumer_gap_s", "absent_s", "shared_s", "owners", "moves",
        "down_after_s", "up_after_s", "lost", "vanished", "duplicated", "unknown",
    }  # fmt: skip
    assert found[Figure("failed_share", "fresh")] == 1
    assert 5 < found[Figure("down_after_s", "rabbit1/rabbitmq_cluster")] < 9
    assert found[Figure("lost", "quorum-publisher")] == 0


def test_what_never_happened_is_infinite() -> None:
    """A link that flaps for a second each time is noticed by nobody."""
    assert measured("link_flap-broker")[Figure("down_after_s", "rabbit1/rabbitmq_cluster")] == math.inf


def test_an_address_that_moves_is_on_no_host_for_a_while() -> None:
    """By the skew of the one that takes it over."""
    found = measured("keepalived_stop-vip_owner")
    assert found[Figure("moves", "172.16.2.200")] == 1
    assert 0.3 < found[Figure("absent_s", "172.16.2.200")] < 0.6
