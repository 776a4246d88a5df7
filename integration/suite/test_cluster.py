"""The brokers are one cluster, of the right nodes and releases, and reach each other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from generators.rabbitmq import COOKIE
from integration.diagnose import Finding, brokers
from integration.diagnose.asking import ask
from integration.suite.plugin import refuse
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []


@pytest.fixture(scope="module")
def views(stack: Stack) -> dict[str, brokers.View]:
    """The cluster as each broker sees it."""
    return {view.host: view for view in brokers.views(stack)}


def test_cookie_is_the_same_everywhere(stack: Stack) -> None:
    """All brokers have one Erlang cookie."""
    marks = {host: stack.hosts[host].check("sha256sum", COOKIE).split()[0] for host in stack.topology.brokers}
    secret = stack.secrets[stack.topology.rabbitmq.cookie]
    right = hashlib.sha256(secret.encode()).hexdigest()
    todo = "put the design's cookie back with install.sh, and restart rabbitmq-server"
    refuse(
        Finding("cookie", f"{host}:{COOKIE}", "another cookie", "the design's", todo)
        for host, mark in marks.items()
        if mark != right
    )


def test_broker_sees_a_whole_cluster(stack: Stack, views: dict[str, brokers.View], broker: str) -> None:
    """Each broker has all others as members that run, and knows of no partition and no alarm."""
    refuse(brokers.of_view(stack, views[broker]))


def test_broker_has_its_name(stack: Stack, broker: str) -> None:
    """Each Erlang VM runs under the node name of the design."""
    found, wanted = brokers.running_name(stack, broker), stack.topology.node_name(broker)
    todo = f"compare RABBITMQ_NODENAME in /etc/rabbitmq/rabbitmq-env.conf on {broker}, and restart rabbitmq-server"
    refuse([Finding("name", broker, f"node {found or 'none'}", wanted, todo)] if found != wanted else [])


def test_broker_is_of_the_designs_release(stack: Stack, views: dict[str, brokers.View], broker: str) -> None:
    """Each broker is of the release that the files were made for, as far as its series."""
    wanted = Version.parse(stack.topology.versions.rabbitmq)
    node = stack.topology.node_name(broker)
    found = views[broker].versions.get(node, "")
    if not found:
        pytest.skip(f"RabbitMQ on {broker} does not tell its release")
    todo = "set the design's versions to what is installed, and generate again"
    other = Version.parse(".".join(found.split("-")[0].split("+")[0].split(".")[:3])).series != wanted.series
    refuse([Finding("node", broker, f"RabbitMQ {found}", str(wanted), todo)] if other else [])


def test_stable_feature_flags_are_enabled(stack: Stack, views: dict[str, brokers.View]) -> None:
    """Every stable feature flag is on, so that the next upgrade may happen."""
    if not stack.topology.rabbitmq.enable_feature_flags:
        pytest.skip("the design leaves feature flags alone")
    off = sorted({name for view in views.values() for name, state in view.flags.items() if state == "disabled"})
    todo = "rabbitmqctl enable_feature_flag all"
    refuse(
        [Finding("cluster", "feature flags", f"disabled: {', '.join(off)}", "all stable ones on", todo)] if off else []
    )


def test_brokers_reach_each_other(stack: Stack, broker: str) -> None:
    """The ports of epmd and of the Erlang distribution of every other broker take connections from this one."""
    ports = stack.topology.rabbitmq.ports
    wanted = [
        (other, port, word)
        for other in stack.topology.brokers
        if other != broker
        for port, word in ((ports.epmd, "epmd"), (ports.distribution, "the distribution port"))
    ]
    requests = [{"ask": "connect", "host": stack.topology.ip(other), "port": port} for other, port, _ in wanted]
    answers = ask(stack, requests, host=broker)
    refuse(
        Finding(
            "cluster",
            f"{broker} to {word} of {other}, port {port}",
            answer["error"],
            "a connection",
            f"look at rabbitmq-server and the packet filter of {other}",
        )
        for (other, port, word), answer in zip(wanted, answers, strict=True)
        if "error" in answer
    )
