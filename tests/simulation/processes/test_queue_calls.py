"""New channels at a quorum queue whose recorded leader is silent."""

from __future__ import annotations

import pytest
from queue_world import QueueWorld

from simulation.processes.queues import QueueSet


def world(seed: int, release: str = "3.10.8") -> QueueWorld:
    """Give one queue, led by r1."""
    return QueueWorld({"name": "q", "type": "quorum"}, seed=seed, used=("q",), versions={"rabbitmq": release})


def entered(one: QueueWorld, broker: str, *, publishes: bool = False) -> list[float]:
    """Begin a call now; the list is given its end."""
    ends: list[float] = []
    assert isinstance(one.queues, QueueSet)
    one.queues.enters("q", broker, lambda: ends.append(one.world.now), publishes=publishes)
    return ends


def test_a_call_is_answered_at_once_mostly() -> None:
    """While the leader is there, and for queues of other kinds."""
    one = world(1)
    one.until(5.0)
    assert entered(one, "r2") == [5.0]
    ends: list[float] = []
    one.queues.enters("unknown", "r2", lambda: ends.append(1.0), publishes=True)
    assert ends == [1.0]


@pytest.mark.parametrize("seed", range(12))
def test_a_silent_leader_is_waited_for_though_another_leads(seed: int) -> None:
    """Until it is heard again; then a consumer's answer may be lost, and it waits for net_ticktime + 5 s in all."""
    one = world(seed)
    one.until(6.0)
    one.brokers.hang("r1")
    one.until(20.0)
    leader = one.queues.leader("q")
    assert leader in {"r2", "r3"}
    other = "r3" if leader == "r2" else "r2"
    consumer, near = entered(one, other), entered(one, leader)
    publisher = entered(one, other, publishes=True)
    one.until(25.0)
    assert not consumer
    assert not publisher
    one.brokers.resume("r1")
    one.until(30.0)
    assert publisher == near == [25.0]
    one.until(100.0)
    assert consumer in ([25.0], [85.0])


@pytest.mark.parametrize(("release", "publishes"), [("3.10.8", False), ("4.0.5", False), ("4.0.5", True)])
def test_the_answer_is_lost_in_some_runs_and_not_in_others(release: str, publishes: bool) -> None:  # noqa: FBT001
    """Either link may go on first; a publisher of 4.0 asks for no version before it registers."""
    found = set()
    for seed in range(12):
        one = world(seed, release)
        one.until(6.0)
        one.brokers.hang("r1")
        one.until(20.0)
        ends = entered(one, "r3" if one.queues.leader("q") == "r2" else "r2", publishes=publishes)
        one.until(25.0)
        one.brokers.resume("r1")
        one.until(100.0)
        found.update(ends)
    assert found == {25.0, 85.0}


def test_the_time_limit_ends_a_call_to_who_stays_silent() -> None:
    """Then the next member is asked."""
    one = world(2)
    one.until(6.0)
    one.brokers.hang("r1")
    ends = entered(one, "r2")
    one.until(100.0)
    assert ends == [71.0]


def test_who_is_known_to_be_gone_is_not_waited_for() -> None:
    """The next member is asked as soon as the link is down."""
    one = world(3)
    one.until(6.0)
    one.brokers.power_off("r1")
    ends = entered(one, "r2")
    one.until(40.0)
    assert not ends
    one.brokers.lose("r1")
    one.until(41.0)
    assert ends == [40.0]
    assert entered(one, "r2") == [41.0]


def test_khepri_records_a_new_leader_without_the_silent_one() -> None:
    """Whoever comes then asks the new one."""
    one = world(4, "4.2.1")
    one.until(6.0)
    one.brokers.hang("r1")
    one.until(20.0)
    assert one.queues.leader("q") != "r1"
    assert entered(one, "r2") == entered(one, "r3", publishes=True) == [20.0]
