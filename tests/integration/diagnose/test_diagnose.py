"""The diagnosis as a whole: what each finding says, and which comes first."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from generators.identity import HOSTS
from generators.rabbitmq import COOKIE
from integration.diagnose import Finding, ailments, diagnose
from integration.diagnose.finding import TOPICS, ordered

if TYPE_CHECKING:
    from fake_stack import FakeHost, FakeStack

RUNS = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nResult=success\n"
DEAD = RUNS.replace("=active", "=failed").replace("=success", "=exit-code")


def well(stack: FakeStack) -> None:
    """Let every host answer as the design has it, as far as its own files, names, services and cluster go."""
    for name, host in stack.hosts.items():
        made = {artefact.path: artefact for artefact in stack.bundle.of(name)}

        def facts(_: tuple[str, ...], asked: str, made: dict = made) -> tuple[int, str, str]:
            seen = (made[path] for path in asked.splitlines())
            lines = (f"{a.owner} {a.group} {a.mode:o} {hashlib.sha256(a.content.encode()).hexdigest()}" for a in seen)
            return 0, "\n".join(lines), ""

        def resolved(_: tuple[str, ...], asked: str) -> tuple[int, str, str]:
            return 0, "".join(f"{one} {stack.topology.ip(one)}\n" for one in asked.splitlines()), ""

        host.answers |= {
            "stat -L": facts,
            "getent": resolved,
            f"cat {HOSTS}": made[HOSTS].content,
            "kernel/hostname": f"{name}\n",
            "cluster_status": cluster("rabbit1", "rabbit2", "rabbit3"),
            "ip -j address": json.dumps([]),
        }
        services(host)


def services(host: FakeHost, *dead: str) -> None:
    """Let the services of a host run, all but some."""

    def units(command: tuple[str, ...], _: str) -> tuple[int, str, str]:
        asked = (word.removesuffix(".service") for word in command if word.endswith(".service"))
        return 0, "\n".join(DEAD if unit in dead else RUNS for unit in asked), ""

    host.answers["systemctl show"] = units


def cluster(*running: str) -> str:
    """What rabbitmqctl says of a cluster of three, some of which run."""
    nodes = [f"rabbit@rabbit{number}" for number in (1, 2, 3)]
    return json.dumps({"disk_nodes": nodes, "running_nodes": [f"rabbit@{host}" for host in running]})


def test_finding_says_where_what_and_what_to_do() -> None:
    """A finding is one sentence with all four parts."""
    assert str(Finding("file", "a:/b", "no file", "a file", "make one")) == (
        "a:/b: found no file; expected: a file; to do: make one"
    )


def test_host_without_power_is_told_once(stack: FakeStack) -> None:
    """Of a host that is off nothing else is said than that."""
    stack.power_off(["rabbit3"])
    about = [finding for finding in diagnose(stack) if finding.where.startswith("rabbit3")]
    assert [finding.topic for finding in about] == ["power"]


def test_causes_come_first_whoever_finds_them() -> None:
    """Findings are ordered by what they are about, once each; of one topic those found first stay first."""
    found = [Finding(topic, where, "x", "y", "z") for where in ("b", "a") for topic in reversed(TOPICS)]
    told = [(finding.topic, finding.where) for finding in ordered([*found, *found])]
    assert told == [(topic, where) for topic in TOPICS for where in ("b", "a")]


def test_several_causes_at_once_come_before_what_follows(stack: FakeStack) -> None:
    """A name and a cookie before the cluster that is not whole, HAProxy that cannot start before the lost address."""
    well(stack)
    first, second, third = stack.hosts.values()
    for host in (first, second):
        services(host, "haproxy")
        host.answers["haproxy -c"] = (1, "", "[ALERT] (9) : config : parsing [haproxy.cfg:23] : unknown keyword 'x'\n")
        host.answers["check_haproxy"] = (1, "", "no answer")
        host.answers["cluster_status"] = cluster("rabbit1", "rabbit2")
    second.answers[f"cat {HOSTS}"] += "127.0.1.1 rabbit1\n"
    third.answers["cluster_status"] = (69, "", "* Authentication failed, please check the Erlang cookie\n")
    files = third.answers["stat -L"]
    right = hashlib.sha256(stack.bundle.find("rabbit3", COOKIE).content.encode()).hexdigest()
    third.answers["stat -L"] = lambda *asked: (0, files(*asked)[1].replace(right, "0" * 64), "")
    told = [(finding.topic, finding.where) for finding in diagnose(stack)]
    assert told == [
        ("name", "rabbit2"),
        ("cookie", f"rabbit3:{COOKIE}"),
        ("cookie", "rabbit3: rabbitmq-server"),
        ("unit", "rabbit1: haproxy"),
        ("unit", "rabbit2: haproxy"),
        ("cluster", "rabbit1"),
        ("cluster", "rabbit2"),
        ("check", "rabbit1: check script check_haproxy"),
        ("check", "rabbit2: check script check_haproxy"),
        ("address", "virtual address 172.16.2.200"),
    ]


def test_what_ails_is_ordered_too(stack: FakeStack) -> None:
    """A service that does not run comes before the servers and the address that are lost by it."""
    well(stack)
    services(stack.hosts["rabbit2"], "rabbitmq-server")
    topics = [finding.topic for finding in ailments(stack)]
    assert topics == sorted(topics, key=TOPICS.index)
    assert (topics[0], topics[-1]) == ("unit", "address")
    assert "balancer" in topics
