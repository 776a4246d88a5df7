"""The article's demonstrations break a stack as faults do: what undoes them is on the disk while they last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from idle_stack import Stack

from integration.diagnose import addresses
from integration.errors import NotPossible
from integration.faults import journal as journals
from integration.faults import sweep
from integration.suite import test_demonstrations as demonstrations
from integration.suite.suffer import suffered
from rmqha_model.document import load
from rmqha_model.topology import Topology


@pytest.fixture
def stack(root: Path, tmp_path: Path) -> Iterator[Any]:
    """Three hosts that run nothing, and say that they run broker and keepalived."""
    made = Stack(load(root / "examples/article-fixed.yaml", Topology), tmp_path / "faults.jsonl")
    for host in made.hosts.values():
        host.answers["rabbitmqctl -q eval"] = "{rmqha,0,ok}"
        host.answers["sh -c systemctl show --property MainPID"] = (
            "10\n10 (beam.smp) S 1 0\n11 (keepalived) S 10 0\n"  # whichever unit is asked for
        )
    yield made
    journals.of(made.journal).release()


def swept(stack: Any, folder: Path) -> tuple[list[str], list[str]]:
    """Give what the next program says and does if this one is killed now: the kernel lets go of the journal."""
    left: Any = Stack(stack.topology, folder / "left.jsonl")
    left.journal.write_bytes(stack.journal.read_bytes() if stack.journal.exists() else b"")
    for host in left.hosts.values():
        host.answers["rabbitmqctl -q eval"] = "{rmqha,0,ok}"
    return sweep(left), [line for line in left.log if "start" in line]


@pytest.mark.parametrize(
    ("fault", "stops", "starts"),
    [
        ("broker_stop_app", "rabbit:stop()", "rabbit:start()"),
        ("keepalived_stop", "--no-block stop keepalived.service", "--no-block start keepalived.service"),
    ],
)
def test_what_is_stopped_is_started_by_whoever_is_left(
    stack: Any, tmp_path: Path, fault: str, stops: str, starts: str
) -> None:
    """By this program when it is left; by the next one, if this one is killed meanwhile."""
    with suffered(stack, fault, "rabbit2"):
        assert len(stack.told(stops)) == 1
        assert not stack.told(starts)
        told, done = swept(stack, tmp_path)
    assert told == [f"{fault} on rabbit2, left by a program that was ended: undone"]
    assert len(done) == 1
    assert done[0].startswith("rabbit2: ")
    assert starts in done[0]
    assert len(stack.told(starts)) == 1
    assert stack.journal.read_bytes() == b""


def test_failed_demonstration_leaves_nothing_stopped(stack: Any) -> None:
    """The test's own words come through."""
    with pytest.raises(pytest.fail.Exception, match="not so"), suffered(stack, "keepalived_stop", "rabbit1"):
        pytest.fail("not so")
    assert len(stack.told("start keepalived.service")) == 1
    assert stack.journal.read_bytes() == b""


def test_hosts_that_cannot_be_asked_have_the_test_skipped(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with each fault; nothing was done."""

    def refuse(*_: object) -> None:
        raise NotPossible("no timer")

    monkeypatch.setattr(stack, "insure", refuse, raising=False)
    monkeypatch.setattr(stack, "release", lambda _: None, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no timer"), suffered(stack, "broker_stop_app", "rabbit1"):
        pytest.fail("was done")
    assert not stack.told("rabbit:stop()")
    assert stack.journal.read_bytes() == b""


def test_stopping_keepalived_is_written_down(stack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration as it is: while the address moves, a sweep would start keepalived."""
    looks: list[list[str]] = []

    def owners(_: object) -> dict[str, tuple[str, ...]]:
        looks.append(swept(stack, tmp_path)[1])
        return {"172.16.2.200": ("rabbit1",) if len(looks) < 3 else ("rabbit2",)}

    monkeypatch.setattr(addresses, "owners", owners)
    monkeypatch.setattr(demonstrations, "_through", lambda *_: {})
    notes: list[str] = []
    instance = next(iter(stack.topology.keepalived.instances))
    demonstrations.test_stopping_keepalived_moves_the_address(stack, instance, notes.append)
    start = ["rabbit1: systemctl --no-block start keepalived.service"]
    assert looks == [[], start, start]
    assert notes[0].startswith("172.16.2.200 went from rabbit1 to rabbit2 within ")
    assert stack.told("start keepalived.service") == start


def test_losing_a_broker_is_written_down(stack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration as it is: while clients go on without the leader, a sweep would start it."""
    asked: list[tuple[str, list[str]]] = []

    def do(_: object, request: dict[str, Any]) -> tuple[dict[str, Any]]:
        asked.append((request["do"], swept(stack, tmp_path)[1]))
        return ({"confirmed": list(range(11, 21)), "delivered": list(range(1, 21))},)

    monkeypatch.setattr(demonstrations, "do", do)
    monkeypatch.setattr(demonstrations, "_needs_two", lambda _: None)
    monkeypatch.setattr(demonstrations, "_filled", lambda *_: {})
    monkeypatch.setattr(demonstrations, "_leader", lambda *_: "rabbit3")
    demonstrations.test_replicated_queue_stays_usable(stack, "v", "quorum", lambda _: None)
    assert [(what, len(done), "rabbit:start()" in done[0]) for what, done in asked] == [
        ("publish", 1, True),
        ("consume", 1, True),
    ]
    assert len(stack.told("rabbit:start()")) == 1
