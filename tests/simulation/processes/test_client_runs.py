"""Runs of messages: what is cut, shifted and taken out is what it would be message by message."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.processes.client_runs import Run, Train

RUNS = st.builds(
    Run,
    st.integers(1, 50),
    st.integers(1, 20),
    st.integers(0, 40).map(lambda n: n / 4),
    st.sampled_from([0.0, 0.25, 0.5, 1.25]),
    st.sampled_from([1, 2, 3]),
)
TIMES = st.integers(0, 80).map(lambda n: n / 4)


@settings(max_examples=60)
@given(RUNS, TIMES, st.integers(1, 4))
def test_a_run_is_its_messages(run: Run, t: float, count: int) -> None:
    """Counting, flooring and sharing agree with the messages one by one."""
    messages = list(run.each())
    assert len(messages) == run.size
    assert messages[-1][1] == run.end
    assert run.until(t) == sum(at <= t for _, at in messages)
    assert run.before(t) == sum(at < t for _, at in messages)
    floored = [each for part in run.not_before(t) for each in part.each()]
    assert floored == [(number, max(at, t)) for number, at in messages]
    shares = [list(run.share(index, count).each()) for index in range(count)]
    assert shares == [messages[index::count] for index in range(count)]
    assert [each for part in run.cut(run.size // 2) for each in part.each()] == messages
    assert [at for _, at in run.later(1.0).each()] == [at + 1.0 for _, at in messages]


def listed(runs: Any) -> list[tuple[int, float]]:
    """Give messages one by one."""
    return [each for run in runs for each in run.each()]


@settings(max_examples=60)
@given(st.lists(RUNS, max_size=4), st.integers(0, 30), TIMES)
def test_a_train_is_its_messages(runs: list[Run], count: int, t: float) -> None:
    """Taking from the front, from the end and by time agree with a list."""
    messages = listed(runs)
    train = Train(runs)
    assert listed(train.take(count)) == messages[:count]
    assert listed(train) == messages[count:]
    assert train.count == len(messages[count:])
    train = Train(runs)
    train.drop_last(count)
    assert listed(train) == messages[: max(0, len(messages) - count)]
    train = Train(runs)
    assert listed(train.due(t)) == [each for each in messages if each[1] <= t]
    assert listed(train) == [each for each in messages if each[1] > t]
    assert train.count == len(listed(train))
    train.put_first(runs)
    assert listed(train)[: len(messages)] == messages


@given(st.integers(1, 30), st.integers(1, 10), st.sampled_from([1, 2]))
def test_messages_are_dropped_by_number(first: int, size: int, stride: int) -> None:
    """Wherever they stand."""
    train = Train([Run(1, 10, 0.0, 0.5), Run(11, 10, 9.0)])
    train.drop(Run(first, size, 3.0, 0.0, stride))
    gone = set(range(first, first + size * stride, stride))
    left = [number for number in range(1, 21) if number not in gone]
    assert [number for number, _ in listed(train)] == left
    assert train.count == len(left)
