"""Prometheus: it asks every target, alerts wait as long as the design's timers say, and promtool takes all of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from daemons.rabbit_cluster import RabbitCluster, why_not
from designs import design, secrets_of
from hypothesis import HealthCheck, given, settings
from strategies import hostile, topologies

from generators import haproxy, identity, prometheus, rabbitmq, runbook
from generators.titles import anchor
from rmqha_model.document import load
from rmqha_model.topology import Topology

EXAMPLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))

METRICS = {"metrics": {"kind": "prometheus"}, "amqp": {"kind": "amqp"}, "ui": {"kind": "management"}}
WATCHED: dict[str, Any] = {"haproxy": {"listeners": METRICS}, "monitoring": {"node_exporter": 9100}}
"""What makes every alert there is."""


def files(topology: Topology) -> dict[str, str]:
    """The files by path."""
    return {a.path: a.content for a in prometheus.artefacts(topology, secrets_of(topology))}


def rules(topology: Topology) -> dict[str, dict[str, Any]]:
    """The alerts by name, as Prometheus reads them; of equal names the last."""
    read = yaml.safe_load(files(topology)[prometheus.RULES])
    return {rule["alert"]: rule for group in read["groups"] for rule in group["rules"]}


def jobs(topology: Topology) -> dict[str, dict[str, Any]]:
    """The scrape jobs by name."""
    return {job["job_name"]: job for job in yaml.safe_load(files(topology)[prometheus.CONFIG])["scrape_configs"]}


def targets(topology: Topology, job: str) -> list[str]:
    """The addresses a job asks."""
    return [one for entry in jobs(topology)[job]["static_configs"] for one in entry["targets"]]


def promtool(topology: Topology, folder: Path) -> None:
    """Have promtool check the configuration and the rules, and run the tests of the rules."""
    for path, content in files(topology).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, "utf-8")
    for *words, path in (
        ("check", "config", prometheus.CONFIG),
        ("check", "rules", prometheus.RULES),
        ("test", "rules", prometheus.TESTS),
    ):
        command = ["promtool", *words, str(folder / path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "lint error" not in done.stdout + done.stderr


# -- who is asked -----------------------------------------------------------------------------------


def test_every_target_with_its_labels() -> None:
    """Brokers, load balancers, virtual addresses and hosts, each with its host, role and failure domains."""
    topology = design(hosts={"r1": {"address": "10.0.0.11/24", "domain": {"rack": "a", "zone": "z"}}}, **WATCHED)
    assert targets(topology, "rmqha-rabbitmq") == ["10.0.0.11:15692", "10.0.0.12:15692", "10.0.0.13:15692"]
    assert targets(topology, "rmqha-haproxy") == ["10.0.0.14:8405", "10.0.0.15:8405"]
    assert targets(topology, "rmqha-virtual-address") == ["10.0.0.100:8405"]
    assert len(targets(topology, "rmqha-hosts")) == 5
    assert jobs(topology)["rmqha-rabbitmq"]["static_configs"][0]["labels"] == {
        "design": "test",
        "host": "r1",
        "role": "broker",
        "zone": "z",
        "rack": "a",
        "node": "rabbit@r1",
    }
    assert jobs(topology)["rmqha-rabbitmq-queues"]["params"] == {"family": ["ra_metrics", "queue_coarse_metrics"]}


def test_ipv6_targets_have_brackets() -> None:
    """An IPv6 address and a port are told apart."""
    hosts = {name: f"2001:db8::{n}/64" for n, name in enumerate(("r1", "r2", "r3", "lb1", "lb2"), 1)}
    instance = {"virtual_addresses": ["2001:db8::100/64"]}
    topology = design(hosts=hosts, keepalived={"instances": {"VI": instance}}, **WATCHED)
    assert targets(topology, "rmqha-rabbitmq")[0] == "[2001:db8::1]:15692"
    assert targets(topology, "rmqha-virtual-address") == ["[2001:db8::100]:8405"]


@pytest.mark.parametrize(
    ("bind", "own", "virtual"),
    [
        ("any", ["10.0.0.14:8405", "10.0.0.15:8405"], ["10.0.0.100:8405"]),
        ("host", ["10.0.0.14:8405", "10.0.0.15:8405"], []),
        ("vip", [], ["10.0.0.100:8405"]),
        (["10.0.0.15", "10.0.0.100"], ["10.0.0.15:8405"], ["10.0.0.100:8405"]),
    ],
)
def test_metrics_are_asked_for_where_they_are(bind: Any, own: list[str], virtual: list[str]) -> None:
    """A listener is asked at the addresses it binds, and nowhere else."""
    topology = design(
        haproxy={"listeners": {"metrics": {"kind": "prometheus", "bind": bind}, "amqp": {"kind": "amqp"}}}
    )
    found = jobs(topology)
    assert (targets(topology, "rmqha-haproxy") if "rmqha-haproxy" in found else []) == own
    assert (targets(topology, "rmqha-virtual-address") if "rmqha-virtual-address" in found else []) == virtual


def test_what_is_not_watched_is_said(root: Path) -> None:
    """The tutorial's design has no metrics at all: both files say so, and are valid nevertheless."""
    article = load(root / "examples/article.yaml", Topology)
    made = files(article)
    for path in (prometheus.CONFIG, prometheus.RULES):
        assert "rabbitmq_prometheus is not among rabbitmq.plugins" in made[path].replace("\n# ", " ")
    assert yaml.safe_load(made[prometheus.CONFIG])["scrape_configs"] == []
    assert yaml.safe_load(made[prometheus.RULES])["groups"] == []


def test_timeouts_fit_into_intervals() -> None:
    """Prometheus refuses a timeout longer than the interval, and has 10 s of its own."""
    for interval, timeout in (("5s", "5s"), ("30s", "10s")):
        topology = design(monitoring={"scrape_interval": interval})
        assert yaml.safe_load(files(topology)[prometheus.CONFIG])["global"]["scrape_timeout"] == timeout


# -- when it alerts ---------------------------------------------------------------------------------


def test_waiting_times_follow_the_timers() -> None:
    """An alert waits until the stack should have dealt with the fault by itself, and one scrape more."""
    check = {"kind": "tcp", "inter": "5s", "fastinter": None, "fall": 3}
    listeners = METRICS | {"amqp": {"kind": "amqp", "check": check}}
    timeouts = {"connect": "5s", "client": "60s", "server": "60s"}
    slow = design(
        haproxy={"listeners": listeners, "defaults": {"timeouts": timeouts}}, monitoring={"node_exporter": 9100}
    )
    found = rules(slow)
    assert found["RabbitMQBrokerDown"]["for"] == "45s"  # 30 + 15
    assert (
        "25 to 30 s where its host is silent (phase 0..5 + 3 x attempt 5 + 2 x inter 5)"
        in (found["RabbitMQBrokerDown"]["annotations"]["description"])
    )
    # Two runs of the script at most, the successor's skew of (256 - 140) / 256 s, and a scrape.
    assert found["HAProxyDown"]["for"] == found["VirtualAddressUnreachable"]["for"] == "20s"
    assert found["RabbitMQQuorumQueueWithoutMajority"]["for"] == "27s"  # 11.15 + 15
    quick = rules(design(monitoring={"scrape_interval": "5s"}))
    assert quick["RabbitMQBrokerDown"]["for"] == "14s"  # 9 + 5


def test_without_haproxy_the_election_decides() -> None:
    """Clients that hold the list of brokers are well again when queues have leaders."""
    topology = design(haproxy=None, keepalived=None)
    assert rules(topology)["RabbitMQBrokerDown"]["for"] == "27s"
    assert not [name for name in rules(topology) if name.startswith(("HAProxy", "VirtualAddress"))]


def test_numbers_follow_the_design() -> None:
    """Majorities, members and limits are those of the design."""
    hosts = {f"r{n}": f"10.0.1.{n}/24" for n in range(1, 6)}
    queues = [{"name": "few", "type": "quorum", "initial_group_size": 3}, {"name": "a.b", "type": "quorum"}]
    part = {"nodes": list(hosts), "quorum_group_size": 5, "queues": queues}
    topology = design(hosts=hosts, rabbitmq=part, clients={"app": {"prefetch": 10, "connections": 4}}, **WATCHED)
    found = rules(topology)
    assert found["RabbitMQMajorityLost"]["expr"].endswith("<= 2")
    assert "> 20 " in found["RabbitMQUnacknowledgedGrowing"]["expr"]
    exprs = [
        rule["expr"]
        for group in yaml.safe_load(files(topology)[prometheus.RULES])["groups"]
        for rule in group["rules"]
        if rule["alert"] == "RabbitMQQuorumQueueMembersMissing"
    ]
    assert 'queue=~"few"' in exprs[0]
    assert ") < 3 and" in exprs[0]
    assert "unless" in exprs[1]
    assert ") < 5 and" in exprs[1]


@pytest.mark.parametrize(
    ("release", "metric"),
    [
        ("3.8.35", None),
        ("3.9.6", None),
        ("3.9.7", "rabbitmq_detailed_raft_term_total"),
        ("4.1", "rabbitmq_detailed_raft_term_total"),
        ("4.2", "rabbitmq_detailed_raft_term"),
    ],
)
def test_queue_metrics_by_release(release: str, metric: str | None) -> None:
    """Members of quorum queues have another metric in each time of RabbitMQ, and none before 3.9.7."""
    found = rules(design(versions={"rabbitmq": release}))
    assert ("RabbitMQQuorumQueueMembersMissing" in found) is (metric is not None)
    if metric:
        assert f"({metric}{{" in found["RabbitMQQuorumQueueMembersMissing"]["expr"]


@pytest.mark.parametrize(
    ("release", "expected"),
    [("3.8.24", False), ("3.8.25", True), ("3.9.3", False), ("3.9.4", True), ("3.8", True), ("4.0", True)],
)
def test_alarm_metrics_by_release(release: str, expected: bool) -> None:  # noqa: FBT001 - a column
    """Releases without metrics of alarms compare what is used with the limit."""
    expr = rules(design(versions={"rabbitmq": release}))["RabbitMQMemoryAlarm"]["expr"]
    assert ("rabbitmq_alarms_memory_used_watermark" in expr) is expected
    assert expected or "rabbitmq_process_resident_memory_bytes" in expr


def test_states_of_servers_by_release() -> None:
    """HAProxy before 2.4 tells states as numbers, and since then as labels."""
    old = rules(design(versions={"haproxy": "2.2"}, **WATCHED))["HAProxyServerDown"]["expr"]
    new = rules(design(versions={"haproxy": "2.4"}, **WATCHED))["HAProxyServerDown"]["expr"]
    assert old.endswith("} == 0")
    assert new.endswith('state="DOWN"} == 1')


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_alerts_are_complete(path: Path) -> None:
    """Each has a severity, a summary, a description, and a section of the runbook that exists."""
    topology = load(path, Topology)
    headings = re.findall(
        r"^#+ (.*)$", next(a.content for a in runbook.artefacts(topology, secrets_of(topology))), re.MULTILINE
    )
    anchors = {f"runbook.md#{anchor(heading)}" for heading in headings}
    for name, rule in rules(topology).items():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert rule["labels"]["design"] == topology.name
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] in anchors, name


@given(topology=topologies(text=hostile()))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_no_secret_and_no_broken_line(topology: Topology) -> None:
    """Whatever the names are, no secret is in the files, and YAML reads them as they were meant."""
    made = files(topology)
    for value in secrets_of(topology).values():
        assert not any(value in content for content in made.values())
    for content in made.values():
        yaml.safe_load(content)


# -- the real programs ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.needs("promtool")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_promtool_takes_every_example(path: Path, tmp_path: Path) -> None:
    """Configuration, rules and the tests of the rules pass."""
    promtool(load(path, Topology), tmp_path)


@pytest.mark.slow
@pytest.mark.needs("promtool")
@pytest.mark.parametrize("interval", ["5s", "7s", "1m"])
@pytest.mark.parametrize("release", ["3.8.9", "3.10", "4.2"])
def test_promtool_takes_every_alert(release: str, interval: str, tmp_path: Path) -> None:
    """With everything watched, each alert fires when it should and not before, whatever the interval."""
    versions = {"rabbitmq": release, "haproxy": "2.2" if release == "3.8.9" else "3.0"}
    queues = [{"name": "a b\\.|\"'", "type": "quorum", "initial_group_size": 2}]
    instances = {"V2": {"virtual_router_id": 9, "virtual_addresses": ["10.0.0.101/24"]}}
    monitoring = WATCHED["monitoring"] | {"scrape_interval": interval}
    changes = WATCHED | {"versions": versions, "monitoring": monitoring}
    topology = design(rabbitmq={"queues": queues}, keepalived={"instances": instances}, **changes)
    promtool(topology, tmp_path)


@pytest.mark.slow
@pytest.mark.needs("promtool")
@given(topology=topologies(text=hostile()))
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_promtool_takes_any_design(tmp_path_factory: pytest.TempPathFactory, topology: Topology) -> None:
    """Whatever the design, promtool takes the files, and each alert passes its test."""
    promtool(topology, tmp_path_factory.mktemp("prometheus"))


def named(topology: Topology, prefix: str) -> set[str]:
    """The metrics with a prefix that rules stand on."""
    return {m for rule in rules(topology).values() for m in re.findall(rf"\b{prefix}\w+(?=\{{)", rule["expr"])}


@pytest.mark.slow
@pytest.mark.needs("haproxy")
def test_haproxy_has_the_metrics(tmp_path: Path) -> None:
    """Each metric of HAProxy that a rule names is one that HAProxy gives, with the labels the rule picks."""
    said = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout
    release = re.search(r"version (\d+\.\d+)", said)
    assert release
    topology = design(versions={"haproxy": release[1]}, **WATCHED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = next(a.content for a in haproxy.artefacts(topology, secrets_of(topology)) if a.path == haproxy.PATH)
    unwanted = re.compile(r" +(chroot|user|group|stats socket|log /dev/log) .*")
    lines = [line for line in text.splitlines() if not unwanted.fullmatch(line)]
    text = "\n".join(re.sub(r"bind :(\d+)", rf"bind unix@{tmp_path}/\1", line) for line in lines)
    text = text.replace(f"bind unix@{tmp_path}/8405", f"bind 127.0.0.1:{port}")
    (tmp_path / "haproxy.cfg").write_text(text + "\n", "utf-8")
    daemon = subprocess.Popen(["haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")], stderr=subprocess.PIPE)
    try:
        got = _metrics(f"http://127.0.0.1:{port}/metrics")
    finally:
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.communicate()
    wanted = named(topology, "haproxy_")
    assert len(wanted) >= 7
    assert not {metric for metric in wanted if f"\n{metric}{{" not in got and f"\n{metric} " not in got}
    assert 'haproxy_server_status{proxy="amqp",server="r1",state="DOWN"}' in got


def _metrics(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 20
    while True:
        try:
            return opener.open(url, timeout=5).read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.needs("rabbitmqctl", "unshare", "nsenter", "ip", "setpriv")
def test_rabbitmq_has_the_metrics() -> None:
    """Each metric of RabbitMQ that a rule names is one that RabbitMQ gives."""
    if reason := why_not():
        pytest.skip(reason)
    said = subprocess.run(["rabbitmqctl", "version"], capture_output=True, text=True, check=True).stdout
    topology = design(
        versions={"rabbitmq": said.strip()},
        hosts={"r1": "10.77.0.1/24"},
        rabbitmq={"nodes": ["r1"], "queues": [{"name": "q", "type": "quorum"}]},
        haproxy=None,
        keepalived=None,
    )
    with RabbitCluster({"r1": "10.77.0.1/24"}) as cluster:
        host = cluster["r1"]
        secrets = secrets_of(topology)
        host.install(a for part in (identity, rabbitmq) for a in part.artefacts(topology, secrets))
        host.start_broker()
        host.await_broker()
        host.ctl("import_definitions", rabbitmq.DEFINITIONS)
        got = ""
        for job in jobs(topology).values():
            query = "&".join(f"family={one}" for one in job.get("params", {}).get("family", []))
            url = f"http://10.77.0.1:15692{job['metrics_path']}?{query}"
            status, body = host.http("GET", url, "", "")
            assert status == 200, url
            got += "\n" + body
    wide = design(versions={"rabbitmq": said.strip()})
    wanted = named(wide, "rabbitmq_")
    assert len(wanted) >= 9
    # A gauge of peers has no row on a node that is alone: its name is in the help text.
    assert not {metric for metric in wanted if f"\n{metric}{{" not in got and f"\n{metric} " not in got}
    assert "erlang_vm_dist_node_state" in got
    metric = next(metric for metric in wanted if "raft_term" in metric)
    assert re.search(rf'^{metric}{{(vhost="/",queue="q"|queue="q",vhost="/")}} ', got, re.MULTILINE)
