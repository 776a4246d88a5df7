"""What the tutorial shows by hand: which queues survive the loss of a broker, and how the address moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from integration.diagnose import Finding, addresses, queues
from integration.suite.clients import do, login
from integration.suite.plugin import refuse
from integration.suite.suffer import suffered
from rmqha_model.usual import OWN, mirrors, usual_client

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []

_MESSAGES = 10
_USABLE_S = 60.0
"""How long a client keeps trying: detection by HAProxy, election, and its own waits fit into it."""

_STOPPED = "broker_stop_app"
"""How a broker is stopped: its application, as the tutorial does it."""

Note = Callable[[str], None]


@pytest.fixture(scope="module")
def vhost(stack: Stack) -> Iterator[str]:
    """A vhost of the suite's own, in which no policy of the design applies."""
    topology = stack.topology
    seed = stack.hosts[topology.rabbitmq.seed]
    users = {topology.user_of(usual_client(topology)[1])}
    users |= {
        name for name, user in topology.rabbitmq.users.items() if {"administrator", "monitoring"} & set(user.tags)
    }
    # A run that was killed leaves it behind.
    seed.run("rabbitmqctl", "delete_vhost", OWN)
    seed.check("rabbitmqctl", "add_vhost", OWN)
    try:
        for user in sorted(users):
            seed.check("rabbitmqctl", "set_permissions", "-p", OWN, user, ".*", ".*", ".*")
        if mirrors(topology):
            mirrored = '{"ha-mode":"all","ha-sync-mode":"automatic"}'
            seed.check("rabbitmqctl", "set_policy", "-p", OWN, f"{OWN}-mirrored", "^mirrored$", mirrored)
        yield OWN
    finally:
        seed.run("rabbitmqctl", "delete_vhost", OWN)


@pytest.mark.usefixtures("healthy")
def test_plain_queue_is_unusable_while_its_home_is_down(stack: Stack, vhost: str, note: Note) -> None:
    """A queue that nobody copies is gone with its broker, and back with it, messages and all."""
    _needs_two(stack)
    words = _filled(stack, vhost, "plain", "classic")
    home = _leader(stack, vhost, "plain")
    with suffered(stack, _STOPPED, home):
        said = _until(stack, {"do": "look", "queue": "plain", **words}, lambda answer: "NOT_FOUND" in str(answer))
        if "NOT_FOUND" not in said.get("error", ""):
            found = f"it usable, or another refusal: {said}"
            todo = "see whether a policy of the suite's vhost replicates it"
            refuse([Finding("queue", f"plain queue, its home {home} stopped", found, "no such queue to be had", todo)])
        note(f"home {home} stopped: {said['error']}")
    said = _until(stack, {"do": "consume", "queue": "plain", "count": _MESSAGES, **words}, _got_all)
    if not _got_all(said):
        todo = f"look at the log of {home}: the queue must come back with its broker"
        refuse([Finding("queue", "plain queue, its home started again", str(said), f"{_MESSAGES} messages", todo)])


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("kind", ["mirrored", "quorum"])
def test_replicated_queue_stays_usable(stack: Stack, vhost: str, kind: str, note: Note) -> None:
    """A queue with copies takes messages and gives them while the broker that led it is down."""
    _needs_two(stack)
    if kind == "mirrored" and not mirrors(stack.topology):
        pytest.skip(f"RabbitMQ {stack.topology.versions.rabbitmq} has no mirrored queues")
    if kind == "quorum" and len(stack.topology.brokers) < 3:
        pytest.skip("with fewer than three brokers a quorum queue survives no loss")
    words = _filled(stack, vhost, kind, "quorum" if kind == "quorum" else "classic")
    home = _leader(stack, vhost, kind)
    with suffered(stack, _STOPPED, home):
        began = time.monotonic()
        more = {"do": "publish", "queue": kind, "count": _MESSAGES, "first": _MESSAGES + 1, **words}
        said = _until(stack, more, lambda answer: len(answer.get("confirmed", ())) == _MESSAGES)
        note(f"its leader {home} stopped: published {time.monotonic() - began:.1f} s later")
        both = {"do": "consume", "queue": kind, "count": 2 * _MESSAGES, **words}
        got = do(stack, both)[0]
    wanted = set(range(1, 2 * _MESSAGES + 1))
    found = set(got.get("delivered", ()))
    if len(said.get("confirmed", ())) != _MESSAGES or found != wanted:
        todo = f"rabbitmqctl list_queues -p {vhost} name leader members online"
        words_of = f"{said}; then {got}"
        where = f"{kind} queue, its leader {home} stopped"
        refuse([Finding("queue", where, words_of, f"{_MESSAGES} more confirms and all messages delivered", todo)])


@pytest.mark.usefixtures("healthy")
def test_stopping_keepalived_moves_the_address(stack: Stack, instance: str, note: Note) -> None:
    """``systemctl stop keepalived`` on the owner: another host has the address, and clients go on there."""
    keepalived = stack.topology.keepalived
    assert keepalived is not None
    ip = keepalived.instances[instance].ips[0]
    if len(keepalived.members(instance)) < 2:
        pytest.skip("the design has one host only that could have the address")
    owner = addresses.owners(stack)[ip][0]
    with suffered(stack, "keepalived_stop", owner) as stopped:
        deadline = time.monotonic() + 30
        while (now := addresses.owners(stack)[ip]) in {(), (owner,)} and time.monotonic() < deadline:
            time.sleep(0.1)
        took = time.monotonic() - stopped.began
        if len(now) != 1 or now[0] == owner:
            todo = f"journalctl -u keepalived on {' and '.join(stack.topology.vrrp_hosts)}"
            words = f"it on {' and '.join(now) or 'no host'} after {took:.0f} s"
            refuse([Finding("address", f"virtual address {ip}", words, f"it on another host than {owner}", todo)])
        note(f"{ip} went from {owner} to {now[0]} within {took:.1f} s")
        said = _through(stack, ip)
        if said and "error" in said:
            todo = f"look at HAProxy on {now[0]}"
            refuse([Finding("path", f"client through {ip} on {now[0]}", said["error"], "a login", todo)])


def _through(stack: Stack, ip: str) -> dict[str, Any]:
    """Log in through *ip* as the first client that knows it; nothing where none does."""
    for client in stack.topology.clients.values():
        endpoints = [each for each in stack.topology.endpoints_of(client) if each[0] == ip]
        if endpoints:
            return do(stack, {"do": "login", **login(stack, client, endpoints=endpoints)})[0]
    return {}


def _needs_two(stack: Stack) -> None:
    if len(stack.topology.brokers) < 2:
        pytest.skip("the design has one broker: what it holds is gone with it")
    if queues.look(stack, ()) is None:
        pytest.skip("the design has no user with the tag administrator or monitoring to ask where a queue is")


def _filled(stack: Stack, vhost: str, queue: str, kind: str) -> dict[str, Any]:
    """Declare a queue and publish to it; give the words of requests that go on with it."""
    _, client = usual_client(stack.topology)
    words = login(stack, client, vhost=vhost, timeout_s=20)
    declared, published = do(
        stack,
        {"do": "declare", "queue": queue, "arguments": {"x-queue-type": kind}, **words},
        {"do": "publish", "queue": queue, "count": _MESSAGES, **words},
    )
    if "error" in declared or len(published.get("confirmed", ())) != _MESSAGES:
        todo = "rmqha lab status --diagnose says which layer is ill"
        refuse([Finding("path", f"{queue} queue", f"{declared}; {published}", f"{_MESSAGES} confirms", todo)])
    return words


def _leader(stack: Stack, vhost: str, queue: str) -> str:
    """Give the host whose broker leads *queue*, once all its copies are in step."""
    deadline = time.monotonic() + 20
    while True:
        copies = (queues.look(stack, [vhost]) or {}).get((vhost, queue))
        ready = copies is not None and copies.leader and set(copies.members) == set(copies.in_step)
        if copies is not None and (ready or time.monotonic() > deadline):
            return next(host for host in stack.topology.brokers if stack.topology.node_name(host) == copies.leader)
        assert time.monotonic() < deadline, f"no broker tells where {queue} is"
        time.sleep(0.5)


def _until(stack: Stack, request: dict[str, Any], good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Do *request* again and again until its answer is *good*, or the time is over; give the last answer."""
    deadline = time.monotonic() + _USABLE_S
    while True:
        (said,) = do(stack, request)
        if good(said) or time.monotonic() > deadline:
            return said
        time.sleep(1)


def _got_all(answer: dict[str, Any]) -> bool:
    return sorted(set(answer.get("delivered", ()))) == list(range(1, _MESSAGES + 1))
