"""Client programs and a real broker: what they tell is what happened, also when the broker is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from daemons.rabbit_cluster import Host, RabbitCluster, why_not

from integration.clients import ConsumeSpec, DeclareSpec, Login, ProbeSpec, PublishSpec, QueueSpec, Spec, Target
from integration.environment import environment
from integration.observe.watch import Tail
from integration.running.collect import shifted
from rmqha_model.ledger import Ledger, ledgers
from rmqha_model.scenario import Scenario
from rmqha_model.timeline import Head, Timeline

pytestmark = [pytest.mark.slow, pytest.mark.needs("rabbitmq-server", "rabbitmqctl")]

TARGET = Target((("10.0.0.11", 5672),), 2.0)
LOGIN = Login("app", "app", delay_s=0.3, jitter_s=0.2)
FLOW = {"login": LOGIN, "queue": "flow", "run": "abc"}
SOON_S = 60.0


@pytest.fixture(scope="module")
def broker() -> Iterator[Host]:
    """Give a host with a broker, a user and nothing else."""
    if reason := why_not():
        pytest.skip(reason)
    with RabbitCluster({"r1": "10.0.0.11/24"}) as cluster:
        host = cluster["r1"]
        host.start_broker()
        host.await_broker()
        host.ctl("add_user", "app", "app")
        host.ctl("set_permissions", "app", ".*", ".*", ".*")
        yield host


class Client:
    """A client program in the network of the broker's host."""

    def __init__(self, host: Host, folder: Path, what: str, spec: Spec) -> None:
        self.tail = Tail(folder / f"{spec.label}.jsonl")
        self.log = folder / f"{spec.label}.log"
        self.rows: list[dict[str, Any]] = []
        enter = ["nsenter", "--target", str(host.leader), "--net", sys.executable, "-m", "integration.clients", what]
        with self.tail.path.open("wb") as out, self.log.open("wb") as err:
            self.process = subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=out, stderr=err, env=environment())
        assert self.process.stdin is not None
        self.process.stdin.write(spec.line().encode())
        self.process.stdin.flush()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Give what it has told of one kind."""
        self.rows += self.tail.rows()
        return [row for row in self.rows if row["event"] == kind]

    def end(self) -> None:
        """Ask it to come to its end, and wait for that."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"end\n")
        self.process.stdin.flush()
        assert self.process.wait(SOON_S) == 0, self.log.read_text()
        self.process.stdin.close()


@contextmanager
def clients(host: Host, folder: Path) -> Iterator[Callable[[str, Spec], Client]]:
    """Start client programs; all have ended when this is left."""
    begun: list[Client] = []

    def begin(what: str, spec: Spec) -> Client:
        begun.append(Client(host, folder, what, spec))
        return begun[-1]

    try:
        yield begin
    finally:
        for client in begun:
            client.process.kill()
            client.process.wait()
            assert client.process.stdin is not None
            client.process.stdin.close()


def within(condition: Callable[[], Any], what: str) -> None:
    """Ask until the answer is true."""
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def counted(*told: Client) -> dict[str, Ledger]:
    """Give the ledgers of what clients told."""
    for client in told:
        client.events("")
    events = shifted([row for client in told for row in client.rows], 0.0, float("inf"))
    head = Head(world="lab", design="d", digest="d", scenario=Scenario(name="s"), duration_s=1)
    return ledgers(Timeline.of(head, events))


def test_the_ledger_is_exact_when_the_broker_is_killed(broker: Host, tmp_path: Path) -> None:
    """Every message that was confirmed is delivered, and each that was tried is accounted for, over a kill -9."""
    with clients(broker, tmp_path) as begin:
        queue = QueueSpec("flow", arguments={"x-queue-type": "quorum"})
        assert begin("declare", DeclareSpec("declare", TARGET, login=LOGIN, queues=(queue,))).process.wait(SOON_S) == 0
        probe = begin("probe", ProbeSpec("fresh", TARGET, every_s=0.05, patience_s=1))
        workers = begin("consume", ConsumeSpec("workers", TARGET, **FLOW, prefetch=10))
        orders = begin("publish", PublishSpec("orders", TARGET, **FLOW, count=2, rate=200, payload=64))
        within(lambda: len(workers.events("delivered")) > 300, "messages flow")
        killed = time.monotonic()
        for pid in broker.run("pgrep", "-x", "beam.smp").stdout.split():
            broker.run("kill", "-9", pid)
        within(lambda: len(orders.events("connection")) >= 4, "both publishers notice")
        time.sleep(1)
        broker.start_broker()
        broker.await_broker()
        before = len(workers.events("delivered"))
        within(lambda: len(workers.events("delivered")) > before + 300, "messages flow again")
        for client in (probe, orders, workers):
            client.end()
        drain = begin("consume", ConsumeSpec("drain", TARGET, **FLOW, until_empty=True))
        assert drain.process.wait(SOON_S) == 0
        found = counted(orders, workers, drain)
    assert set(found) == {"orders-1", "orders-2"}
    for ledger in found.values():
        assert (ledger.lost, ledger.vanished, ledger.unknown, ledger.nacked, ledger.returned) == (0, 0, 0, 0, 0)
        assert ledger.attempted == ledger.confirmed == ledger.delivered > 300
    lost = [row for row in orders.events("connection") if row["state"] == "lost"]
    assert len(lost) == 2
    assert all(killed < row["t"] < killed + 2 for row in lost)
    assert {row["outcome"] for row in probe.events("attempt")} <= {"ok", "refused", "reset"}
    assert [row["outcome"] for row in probe.events("attempt") if row["t"] < killed - 0.1][-1] == "ok"
    assert "refused" in {row["outcome"] for row in probe.events("attempt") if row["t"] > killed}


def test_a_message_that_goes_nowhere_is_returned(broker: Host, tmp_path: Path) -> None:
    """With `mandatory` a publisher to a queue that is not there hears so, and nothing counts as lost."""
    with clients(broker, tmp_path) as begin:
        nowhere = {**FLOW, "queue": "nowhere"}
        orders = begin("publish", PublishSpec("orders", TARGET, **nowhere, rate=50))
        within(lambda: len(orders.events("returned")) > 5, "messages come back")
        orders.end()
        (ledger,) = counted(orders).values()
    assert ledger.returned == ledger.attempted
    assert (ledger.confirmed, ledger.lost) == (0, 0)


def test_a_wrong_password_is_told_and_tried_again(broker: Host, tmp_path: Path) -> None:
    """A client that may not log in fails with the broker's words, and its password stands in no log."""
    with clients(broker, tmp_path) as begin:
        wrong = {**FLOW, "login": Login("app", "not-the-word", delay_s=0.1, jitter_s=0.1)}
        workers = begin("consume", ConsumeSpec("workers", TARGET, **wrong))
        within(lambda: len(workers.events("connection")) > 1, "two attempts")
        workers.end()
    assert {row["state"] for row in workers.events("connection")} == {"failed"}
    assert "ACCESS_REFUSED" in workers.events("connection")[0]["reason"]
    assert "not-the-word" not in workers.log.read_text() + workers.tail.path.read_text()


@pytest.mark.parametrize("how", ["stdin", "SIGTERM"])
def test_a_client_ends_with_whoever_started_it(broker: Host, tmp_path: Path, how: str) -> None:
    """It ends at once when standard input closes, and in an orderly way on SIGTERM."""
    with clients(broker, tmp_path) as begin:
        probe = begin("probe", ProbeSpec("fresh", TARGET))
        within(lambda: probe.events("attempt"), "it probes")
        assert probe.process.stdin is not None
        if how == "stdin":
            probe.process.stdin.close()
        else:
            os.kill(probe.process.pid, signal.SIGTERM)
        assert probe.process.wait(10) == 0
