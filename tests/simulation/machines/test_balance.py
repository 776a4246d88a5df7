"""HAProxy's choice of a server: exact shares, as measured, and equal to a real HAProxy's."""

from __future__ import annotations

import itertools
import random
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.machines.balance import Balance, Member, from_design

ALGORITHMS: tuple[Any, ...] = (
    "roundrobin", "static-rr", "leastconn", "first", "source", "source-consistent", "random",
)  # fmt: skip


def members(*weights: int) -> list[Member]:
    """Give servers a, b, c, ... of these weights."""
    return [Member(name, weight) for name, weight in zip("abcdefgh", weights, strict=False)]


def picked(balance: Balance, number: int) -> str:
    """Give the next servers."""
    return "".join(balance.pick() or "-" for _ in range(number))


def test_round_robin_goes_round() -> None:
    """Equal weights: each in turn, so one dead server of three gets exactly each third connection."""
    assert picked(Balance("roundrobin", members(1, 1, 1)), 9) == "abcabcabc"


def test_a_returning_server_gets_its_plain_share_at_once() -> None:
    """Measured: a, c, b, a, c, b."""
    balance = Balance("roundrobin", members(1, 1, 1))
    picked(balance, 6)
    balance.set("b", up=False)
    assert set(picked(balance, 8)) == {"a", "c"}
    balance.set("b", up=True)
    assert Counter(picked(balance, 30)) == {"a": 10, "b": 10, "c": 10}


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from(["roundrobin", "static-rr"]))
def test_shares_are_as_the_weights(weights: list[int], algorithm: Any) -> None:
    """In as many connections as the weights add up to, each server gets its weight, give or take one."""
    balance = Balance(algorithm, members(*weights))
    rounds = 5
    found = Counter(picked(balance, rounds * sum(weights)))
    for name, weight in zip("abcdef", weights, strict=False):
        assert abs(found[name] - rounds * weight) <= (2 if algorithm == "roundrobin" else 0)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 3), st.booleans(), st.integers(1, 16)),
        st.tuples(st.just("pick"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("close"), st.integers(0, 3)),
    ),
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(ALGORITHMS),
    st.lists(st.integers(0, 4), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.integers(0, 3),
    EVENTS,
)
def test_only_servers_that_are_up_are_chosen(
    algorithm: Any, weights: list[int], backups: list[bool], maxconn: int, events: list[Any]
) -> None:
    """Active ones before backups, the avoided one only when alone, full ones never; none only when there is none."""
    servers = [Member(n, w, b, maxconn) for n, w, b in zip("abcd", weights, backups, strict=True)]
    balance = Balance(algorithm, servers, draw=random.Random(1).random)  # noqa: S311
    up, open_ = set("abcd"), []
    for event in events:
        name = "abcd"[event[1]] if event[0] != "close" else ""
        if event[0] == "set":
            balance.set(name, up=event[2], steps=event[3])
            (up.add if event[2] else up.discard)(name)
        elif event[0] == "close" and open_:
            balance.closed(open_.pop(event[1] % len(open_)))
        elif event[0] == "pick":
            usable = [m.name for m in servers if m.weight and m.name in up]
            active = [n for n in usable if not balance.members[n].backup]
            free = [n for n in active if not maxconn or balance.served[n] < maxconn]
            found = balance.pick(avoid=name if event[2] else None)
            assert balance.active == len(active)
            if not active:
                assert found == (usable[0] if usable else None)
            elif not free and algorithm not in {"source", "source-consistent"}:
                assert found is None
            elif found is not None:
                assert found in active
                if algorithm in {"roundrobin", "static-rr", "leastconn", "first"}:
                    assert found in free
                    assert found != name or not event[2] or free == [name]
            else:
                assert algorithm == "random"
            if found is not None:
                balance.opened(found)
                open_.append(found)


def test_leastconn_fills_a_returned_server() -> None:
    """Measured: it gets all new connections until it has as many as the others."""
    balance = Balance("leastconn", members(1, 1, 1))
    balance.set("c", up=False)
    for name in picked_and_opened(balance, 8):
        assert name in "ab"
    balance.set("c", up=True)
    assert "".join(picked_and_opened(balance, 4)) == "cccc"
    assert Counter(picked_and_opened(balance, 9)) == {"a": 3, "b": 3, "c": 3}


def picked_and_opened(balance: Balance, number: int) -> Iterator[str]:
    """Give the next servers, each of which keeps its connection."""
    for _ in range(number):
        name = balance.pick()
        assert name is not None
        balance.opened(name)
        yield name


def test_first_takes_the_first() -> None:
    """Everything goes to the first server, and back to it at once; with maxconn the rest to the next."""
    balance = Balance("first", members(1, 1))
    assert picked(balance, 3) == "aaa"
    balance.set("a", up=False)
    assert picked(balance, 2) == "bb"
    balance.set("a", up=True)
    assert picked(balance, 1) == "a"
    balance = Balance("first", [Member("a", maxconn=2), Member("b")])
    assert "".join(picked_and_opened(balance, 4)) == "aabb"


def test_a_source_keeps_its_server_until_the_servers_change() -> None:
    """The map: the address's 32 bits, modulo the total weight; a consistent hash moves only who has to move."""
    addresses = [f"172.16.2.{k}" for k in range(1, 60)]
    for algorithm, most in (("source", 60), ("source-consistent", 30)):
        balance = Balance(algorithm, members(1, 1, 1))  # type: ignore[arg-type]
        before = {a: balance.pick(source=a) for a in addresses}
        assert before == {a: balance.pick(source=a) for a in addresses}
        balance.set("b", up=False)
        after = {a: balance.pick(source=a) for a in addresses}
        assert "b" not in after.values()
        moved = [a for a in addresses if before[a] != after[a] and before[a] != "b"]
        assert len(moved) < most
        assert (algorithm == "source") is bool(moved)


def test_backups_wait_until_all_others_are_down() -> None:
    """Only the first of them, unless all are allowed; the way back is at once. Measured."""
    servers = [Member("a"), Member("x", backup=True), Member("y", backup=True)]
    for everyone, expected in ((False, "xxxx"), (True, "xyxy")):
        balance = Balance("roundrobin", servers, all_backups=everyone)
        assert picked(balance, 2) == "aa"
        balance.set("a", up=False)
        assert picked(balance, 4) == expected
        balance.set("a", up=True)
        assert picked(balance, 2) == "aa"


def test_a_server_in_slowstart_gets_less() -> None:
    """A sixteenth of its weight at first."""
    balance = Balance("roundrobin", members(1, 1))
    balance.set("b", up=False)
    balance.set("b", up=True, steps=1)
    picked(balance, 17)
    assert Counter(picked(balance, 17)) == {"a": 16, "b": 1}


def test_from_3_2_on_leastconn_draws_among_equals() -> None:
    """Equally loaded servers no longer stand in a row."""
    draws = itertools.cycle([0.0, 0.9, 0.5])
    balance = Balance("leastconn", members(1, 1, 1), random_ties=True, draw=lambda: next(draws))
    assert picked(balance, 3) == "acb"


def test_the_article_as_a_design() -> None:
    """Three servers of weight 1, round robin."""
    balance = from_design(load(Path("examples/article.yaml"), Topology), "rabbitmq_cluster")
    assert [balance.pick() for _ in range(4)] == ["rabbit1", "rabbit2", "rabbit3", "rabbit1"]


# -- beside a real HAProxy ----------------------------------------------------------------------------


@contextmanager
def haproxy(folder: Path, algorithm: str, weights: list[int]) -> Iterator[tuple[Any, Any]]:
    """Run one before servers that say their name; give what connects, and what commands it."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=64))) for _ in weights]
        front = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        port = front.getsockname()[1]
        front.close()
        lines = [
            "global", f"  stats socket {folder}/s level admin", "  nbthread 1",
            "defaults", "  mode tcp", "  timeout connect 5s", "  timeout client 9s", "  timeout server 9s",
            "listen l", f"  bind 127.0.0.1:{port}", f"  balance {algorithm}",
            *(f"  server {n} 127.0.0.1:{s.getsockname()[1]} weight {w}"
              for n, s, w in zip("abcdefgh", listeners, weights, strict=False)),
        ]  # fmt: skip
        (folder / "cfg").write_text("\n".join(lines) + "\n")
        process = subprocess.Popen(["haproxy", "-db", "-f", str(folder / "cfg")], stderr=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.kill)
        for listener in listeners:
            listener.settimeout(0)

        def connect() -> tuple[str, socket.socket]:
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
            for _ in range(2000):
                for name, listener in zip("abcdefgh", listeners, strict=False):
                    try:
                        stack.enter_context(closing(listener.accept()[0]))
                    except BlockingIOError:
                        continue
                    return name, client
                time.sleep(0.001)
            raise TimeoutError

        def command(words: str) -> None:
            with closing(socket.socket(socket.AF_UNIX)) as admin:
                admin.connect(f"{folder}/s")
                admin.sendall(f"{words}\n".encode())
                while admin.recv(4096):
                    pass

        for _ in range(300):
            try:
                command("show info")
            except OSError:
                time.sleep(0.01)
            else:
                break
        yield connect, command


@pytest.mark.slow
@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("algorithm", ["roundrobin", "static-rr", "leastconn", "first", "source"])
@pytest.mark.parametrize("weights", [[1, 1, 1], [3, 4, 4], [7, 1, 4, 2]])
def test_equals_a_real_haproxy(tmp_path: Path, algorithm: Any, weights: list[int]) -> None:
    """Sixty connections that stay, while servers leave and return."""
    plan = {12: ("b", False), 25: ("b", True), 33: ("a", False), 34: ("c", False), 41: ("c", True), 50: ("a", True)}
    balance = Balance(algorithm, members(*weights))
    with haproxy(tmp_path, algorithm, weights) as (connect, command):
        for number in range(60):
            if number in plan:
                name, up = plan[number]
                command(f"{'enable' if up else 'disable'} server l/{name}")
                balance.set(name, up=up)
            expected = balance.pick(source="127.0.0.1")
            assert expected is not None
            balance.opened(expected)
            assert (number, connect()[0]) == (number, expected)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=40, deadline=None)
@given(
    weights=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    before=st.lists(st.sampled_from("abcde"), max_size=5),
    turns=st.integers(0, 7),
    count=st.integers(0, 400),
)
def test_passers_by_leave_nothing_but_their_turns(
    algorithm: Any, weights: list[int], before: list[str], turns: int, count: int
) -> None:
    """Whoever comes next meets the same servers, in the same order, as after each of them one by one."""
    short, plain = (Balance(algorithm, members(*weights), draw=random.Random(1).random) for _ in range(2))  # noqa: S311
    for balance in (short, plain):
        for name in before:
            if name in balance.members:
                balance.opened(name)
        if len(weights) > 1 and turns % 2:
            balance.set("b", up=False)
        picked(balance, turns)
    short.pass_by(count)
    for _ in range(count):
        takers = plain.takers()
        if (name := plain.pick()) is not None:  # type: ignore[assignment]
            assert name in takers
            plain.opened(name)
            plain.closed(name)
    for balance in (short, plain):
        balance.set("a", up=True, steps=8)
    assert short.served == plain.served
    assert turned(short) == turned(plain)


def turned(balance: Balance) -> list[str | None]:
    """Give who gets the next connections, which stay."""
    found = []
    for _ in range(60):
        found.append(balance.pick())
        if found[-1] is not None:
            balance.opened(found[-1])
    return found
