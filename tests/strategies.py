"""Random designs for Hypothesis: each draw is a valid topology that uses the model widely."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from rmqha_model.errors import InconsistentDesign
from rmqha_model.topology import Topology

__all__ = ["documents", "hostile", "topologies"]

Draw = st.DrawFn

HOSTILE = [
    *("$(id)", "`id`", "'; id; '", '"; id; "', "a b", "#x", "%{Q}o", "{{ 7*7 }}", "{% raw %}", "\\n", "\\", "'", '"'),
    *(
        "$HOME",
        "${HOME}",
        "!",
        "!important",
        "*",
        "--help",
        "-rf",
        "<x>",
        "]]>",
        "|",
        "&",
        "é漢🐰",
        "a=b",
        "a:b",
        "[x]",
    ),
    *("@ref", "%s", "~"),
]
"""Values that mean something in some language that files are written in."""


def hostile(longest: int = 40) -> st.SearchStrategy[str]:
    """Text that a design may hold and a careless template would let do harm: one line, no control characters."""
    anything = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=longest)
    return st.one_of(st.sampled_from(HOSTILE), anything, st.builds(str.__add__, st.sampled_from(HOSTILE), anything))


def duration(*texts: str) -> st.SearchStrategy[str]:
    """One of some durations."""
    return st.sampled_from(texts)


def maybe(draw: Draw, target: dict[str, Any], key: str, values: st.SearchStrategy[Any]) -> None:
    """Set *key* in half of the draws."""
    if draw(st.booleans()):
        target[key] = draw(values)


@st.composite
def documents(draw: Draw, *, text: st.SearchStrategy[str] | None = None) -> dict[str, Any]:
    """Draw a document; *text* gives names of users, queues and the like."""
    if text is None:
        text = st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True)
    brokers = [f"rabbit{n}" for n in range(1, draw(st.integers(1, 5)) + 1)]
    balancers = draw(st.sampled_from([[], ["lb1"], ["lb1", "lb2"], brokers[:2]]))
    v6 = draw(st.booleans()) and draw(st.booleans())
    address = "2001:db8::{}/64" if v6 else "10.9.0.{}/24"
    hosts = {name: {"address": address.format(n)} for n, name in enumerate(dict.fromkeys([*brokers, *balancers]), 11)}
    for host in hosts.values():
        maybe(draw, host, "interface", st.sampled_from(["ens33", "eth1", "bond0.20"]))
        maybe(draw, host, "domain", st.sampled_from([{"rack": "a"}, {"zone": "z1", "power": "p2"}]))
    document: dict[str, Any] = {
        "name": draw(st.sampled_from(["orders", "x", "a-b-c"])),
        "versions": draw(versions()),
        "hosts": hosts,
        "rabbitmq": draw(rabbitmq(brokers, text)),
    }
    maybe(draw, document, "os", st.sampled_from([{"family": "rpm"}, {"tcp_retries2": 8, "open_files": None}]))
    if balancers:
        document["haproxy"] = draw(haproxy(balancers, brokers))
        if len(balancers) == 2 and draw(st.integers(0, 3)):
            document["keepalived"] = draw(keepalived(balancers, address))
    elif len(brokers) > 1 and not draw(st.integers(0, 3)):
        # Addresses that nothing listens behind.
        document["keepalived"] = draw(keepalived(brokers[:2], address)) | {"scripts": {}}
    kinds = st.sampled_from(["pika", "java", "dotnet", "go"])
    document["clients"] = {
        name: {"kind": draw(kinds), "confirms": draw(st.booleans()), "prefetch": draw(st.integers(0, 200))}
        for name in draw(st.sampled_from([["app"], ["api", "worker"]]))
    }
    return document


@st.composite
def versions(draw: Draw) -> dict[str, str]:
    """Releases that are supported."""
    return {
        "rabbitmq": draw(st.sampled_from(["3.8.9", "3.9.5", "3.10", "3.12", "3.13", "4.0", "4.1", "4.3"])),
        "haproxy": draw(st.sampled_from(["2.2", "2.4", "2.6", "3.0", "3.2"])),
        "keepalived": draw(st.sampled_from(["2.1", "2.2", "2.3"])),
    }


@st.composite
def rabbitmq(draw: Draw, brokers: list[str], text: st.SearchStrategy[str]) -> dict[str, Any]:
    """A cluster with users, queues and policies."""
    part: dict[str, Any] = {"nodes": brokers}
    maybe(draw, part, "formation", st.sampled_from([{"method": m} for m in ("classic_config", "join_script", "both")]))
    maybe(draw, part, "heartbeat", duration("5s", "15s", "60s"))
    maybe(draw, part, "memory_high_watermark", st.sampled_from([0.4, 0.6, "2GiB"]))
    maybe(draw, part, "disk_free_limit", st.sampled_from(["500MB", "2GiB", None]))
    maybe(draw, part, "raft_detector", st.sampled_from([{"poll_interval": "1s"}, {}]))
    maybe(draw, part, "definitions_at_boot", st.booleans())
    maybe(draw, part, "quorum_group_size", st.sampled_from([1, 3, 5]))
    maybe(draw, part, "delete_guest", st.booleans())
    maybe(draw, part, "log", st.sampled_from([{"level": "error"}, {"connection_level": "info"}, {"level": "debug"}]))
    names = draw(st.lists(text, min_size=1, max_size=3, unique=True))
    assume("guest" not in names)
    part["users"] = {name: {"tags": draw(st.sampled_from([[], ["monitoring"], ["administrator"]]))} for name in names}
    queues: list[dict[str, Any]] = []
    for name in draw(st.lists(text, max_size=3, unique=True)):
        queue = {"name": name, "type": draw(st.sampled_from(["quorum", "classic"]))}
        maybe(draw, queue, "max_length", st.integers(1, 10**6))
        maybe(draw, queue, "message_ttl", duration("1s", "1h"))
        queues.append(queue)
    part["queues"] = queues
    part["exchanges"] = [
        {"name": name, "type": draw(st.sampled_from(["direct", "topic", "fanout"]))}
        for name in draw(st.lists(text, max_size=2, unique=True))
    ]
    if part["exchanges"] and queues:
        source, destination = part["exchanges"][0]["name"], queues[0]["name"]
        part["bindings"] = [{"source": source, "destination": destination, "routing_key": draw(text)}]
    if draw(st.booleans()):
        definition = draw(st.sampled_from([{"max-length": 10}, {"overflow": "reject-publish"}, {"message-ttl": "5m"}]))
        part["policies"] = [{"name": draw(text), "pattern": re.escape(draw(text)), "definition": definition}]
    return part


@st.composite
def check(draw: Draw) -> dict[str, Any]:
    """A health check of any kind."""
    kind = draw(st.sampled_from(["amqp", "tcp", "http", "none"]))
    part: dict[str, Any] = {"kind": kind}
    if kind == "none":
        return part
    maybe(draw, part, "inter", duration("500ms", "2s", "5s"))
    maybe(draw, part, "fastinter", st.sampled_from(["250ms", "1s", None]))
    maybe(draw, part, "rise", st.integers(1, 10))
    maybe(draw, part, "fall", st.integers(1, 10))
    if kind == "http":
        part["path"] = "/api/health/checks/ready-to-serve-clients"
    return part


@st.composite
def haproxy(draw: Draw, hosts: list[str], brokers: list[str]) -> dict[str, Any]:
    """Load balancers with up to four listeners, on ports of their own."""
    server: dict[str, Any] = {}
    maybe(draw, server, "on_marked_down", st.just(None))
    maybe(draw, server, "slowstart", duration("500ms", "30s"))
    maybe(draw, server, "weight", st.integers(0, 256))
    maybe(draw, server, "maxconn", st.integers(1, 10**5))
    if draw(st.booleans()):
        server |= {"observe": "layer4", "error_limit": draw(st.integers(1, 50)), "on_error": "mark-down"}
    amqp: dict[str, Any] = {"kind": "amqp", "port": 5670, "server": server, "check": draw(check())}
    maybe(draw, amqp, "balance", st.sampled_from(["leastconn", "roundrobin", "static-rr", "first", "source", "random"]))
    maybe(draw, amqp, "bind", st.sampled_from(["any", "host", "vip"]))
    maybe(draw, amqp, "servers", st.just({brokers[0]: {}, **{b: {"backup": True} for b in brokers[1:]}}))
    maybe(draw, amqp, "timeouts", st.just({"tunnel": "1h", "client_fin": "10s", "queue": "5s"}))
    listeners: dict[str, Any] = {"amqp": amqp}
    maybe(
        draw, listeners, "stats", st.sampled_from([{"kind": "stats"}, {"kind": "stats", "auth": None, "admin": True}])
    )
    maybe(draw, listeners, "ui", st.just({"kind": "management", "port": 15670}))
    maybe(draw, listeners, "metrics", st.just({"kind": "prometheus"}))
    part: dict[str, Any] = {"hosts": hosts, "listeners": listeners}
    defaults: dict[str, Any] = {}
    maybe(draw, defaults, "redispatch", st.booleans())
    maybe(draw, defaults, "client_keepalive", st.sampled_from([None, {"idle": "30s", "interval": "5s", "count": 3}]))
    if defaults:
        part["defaults"] = defaults
    maybe(
        draw, part, "global", st.sampled_from([{"maxconn": 100, "nbthread": 2}, {"spread_checks": 5, "daemon": True}])
    )
    return part


def members(hosts: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Who takes part in an instance, with all kinds of priorities."""
    one, two = hosts
    master = {one: {"priority": 100, "state": "MASTER"}, two: {"priority": 50}}
    return st.sampled_from([{one: 100, two: 50}, {one: 1, two: 254}, {one: 255, two: 1}, master, {one: 100}])


@st.composite
def keepalived(draw: Draw, hosts: list[str], address: str) -> dict[str, Any]:
    """One or two VRRP instances over two hosts."""
    instances: dict[str, Any] = {}
    for number in range(1, draw(st.integers(1, 2)) + 1):
        instance: dict[str, Any] = {
            "virtual_router_id": draw(st.integers(1, 127)) + 128 * (number - 1),
            "virtual_addresses": [address.format(200 + number)],
        }
        maybe(draw, instance, "members", members(hosts))
        maybe(draw, instance, "unicast", st.booleans())
        maybe(draw, instance, "version", st.sampled_from([2, 3]))
        maybe(draw, instance, "advert_int", duration("1s", "2s", "500ms", "10ms"))
        if draw(st.booleans()):
            instance["preempt"] = True
            maybe(draw, instance, "preempt_delay", duration("1s", "300s"))
        maybe(draw, instance, "authentication", st.just({"password": {"secret": "vrrp"}}))
        maybe(draw, instance, "track_interfaces", st.sampled_from([[{"interface": "lo", "weight": -5}]]))
        maybe(draw, instance, "garp", st.just({"master_delay": 1, "master_repeat": 3, "master_refresh": 10}))
        maybe(draw, instance, "down_timer_adverts", st.integers(1, 10))
        instances[f"VI_{number}"] = instance
    part: dict[str, Any] = {"hosts": hosts, "instances": instances}
    scripts: dict[str, Any] = {"kind": draw(st.sampled_from(["observe", "self_healing"]))}
    maybe(draw, scripts, "weight", st.integers(-254, 254))
    maybe(draw, scripts, "rise", st.integers(1, 5))
    maybe(draw, part, "scripts", st.sampled_from([{"chk": scripts}, {}]))
    maybe(draw, part, "processes", st.sampled_from([{"hap": {"process": "haproxy", "weight": 10}}, {"hap": {}}]))
    maybe(draw, part, "global", st.sampled_from([{"version": 3}, {"startup_delay": "5s"}, {"script_security": False}]))
    return part


@st.composite
def topologies(draw: Draw, *, text: st.SearchStrategy[str] | None = None) -> Topology:
    """Draw a design; drafts whose parts contradict each other are drawn again."""
    try:
        return Topology.model_validate(draw(documents(text=text)))
    except InconsistentDesign:
        assume(False)  # noqa: FBT003
        raise
