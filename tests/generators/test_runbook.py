"""The runbook and the plan for changes: links lead somewhere, commands are right, times are those of the design."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from designs import design, secrets_of
from hypothesis import HealthCheck, given, settings
from strategies import hostile, topologies

from generators import cluster, keepalived, runbook, system
from generators.runbook.hops import hops
from generators.runbook.rolling import order
from generators.titles import anchor
from rmqha_model.document import load
from rmqha_model.topology import Topology

EXAMPLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))

MIRRORS = {"policies": [{"name": "ha", "pattern": "^", "definition": {"ha-mode": "all"}}]}


def documents(topology: Topology) -> dict[str, str]:
    """Both documents by name."""
    return {a.path: a.content for a in runbook.artefacts(topology, secrets_of(topology))}


def book(**changes: Any) -> str:
    """The runbook of a design."""
    return documents(design(**changes))[runbook.RUNBOOK]


def plan(**changes: Any) -> str:
    """The plan for changes of a design."""
    return documents(design(**changes))[runbook.PLAN]


def section(text: str, title: str) -> str:
    """What stands under a heading, to the next one."""
    return re.split(r"^##+ ", text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(text: str) -> str:
    """All commands to copy."""
    return "\n".join(re.findall(r"^ *```bash\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL))


# -- the documents hold together --------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    """Each link inside a document has its heading, and each to a file its file."""
    made = documents(load(path, Topology))
    for text in made.values():
        headings = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        links = set(re.findall(r"\]\(#([^)]*)\)", text))
        assert links <= headings
        assert set(re.findall(r"\]\(([a-z-]+\.md)\)", text)) <= set(made)
    assert len(set(re.findall(r"^### (.*)$", made[runbook.RUNBOOK], re.MULTILINE))) == made[runbook.RUNBOOK].count(
        "\n### "
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_tables_are_whole(path: Path) -> None:
    """Each row of a table has as many cells as its head."""
    for text in documents(load(path, Topology)).values():
        for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
            widths = {line.count("|") for line in table.splitlines()}
            assert len(widths) == 1, table


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_paths_are_those_that_are_made(path: Path) -> None:
    """Scripts and files that people are sent to are among the files of the hosts."""
    topology = load(path, Topology)
    secrets = secrets_of(topology)
    parts = (cluster, keepalived, system)
    made = {artefact.path for part in parts for artefact in part.artefacts(topology, secrets)}
    text = "\n".join(documents(topology).values())
    for found in re.findall(r"/(?:usr/local/sbin|etc/keepalived|etc/systemd)/[\w./-]*\w", text):
        assert found in made, found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_host_address_and_client_is_there(path: Path) -> None:
    """Whoever looks for a name of the design finds it."""
    topology = load(path, Topology)
    text = documents(topology)[runbook.RUNBOOK]
    for host in topology.hosts:
        assert f"| `{host}` | `{topology.ip(host)}` |" in text
    for word in (*topology.virtual_ips, *topology.clients, *map(topology.node_name, topology.brokers)):
        assert f"`{word}`" in text


@given(topology=topologies(text=hostile()))
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_no_secret_is_shown(topology: Topology) -> None:
    """No document holds a secret, whatever the design."""
    text = "\n".join(documents(topology).values())
    assert not [value for value in secrets_of(topology).values() if value in text]


@pytest.mark.slow
@given(topology=topologies(text=hostile()))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_commands_are_shell(topology: Topology) -> None:
    """Bash can read every command, whatever the names of queues and vhosts are."""
    for text in documents(topology).values():
        done = subprocess.run(["bash", "-n"], input=blocks(text), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


# -- what is said follows the design ----------------------------------------------------------------


def test_times_of_the_tutorial(root: Path) -> None:
    """The tutorial's own times are what people are told to expect, with their arithmetic."""
    text = documents(load(root / "examples/article.yaml", Topology))[runbook.RUNBOOK]
    down = section(text, "A broker is down")
    assert "| HAProxy's `rabbitmq_cluster` sends nobody to it | **10 to 15 s** | phase 0..5 + 2 x inter 5 |" in down
    assert "is closed after | **3 s** | 3 x pause 1 |" in down
    silent = section(text, "A broker is frozen or cut off")
    assert "| **25 to 30 s** | phase 0..5 + 3 x attempt 5 + 2 x inter 5 |" in silent
    assert "Frozen, it stays UP for HAProxy's `rabbitmq_cluster`" in silent
    assert "| **59.9 to 75 s** |" in silent
    assert "host lost or cut off | **2.77 to 3.77 s** |" in section(text, "A load balancer is down")


def test_parts_that_are_absent_are_not_spoken_of() -> None:
    """A design without load balancers has no sections on them, and none on addresses."""
    made = documents(design(haproxy=None, keepalived=None))
    for text in made.values():
        assert not re.search("keepalived|virtual address|load balancer", text, re.IGNORECASE)
    assert "## Brokers" in made[runbook.RUNBOOK]


def test_one_broker_has_no_partition() -> None:
    """With one broker there is nothing to see apart, and no majority to lose."""
    text = book(rabbitmq={"nodes": ["r1"]})
    assert "do not see each other" not in text
    assert "Most brokers are down" not in text
    assert "it is the only broker" in text


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("ignore", "Nothing heals by itself"),
        ("pause_minority", "has paused, and comes back by itself"),
        ("autoheal", "restart by themselves and take the other side's state"),
        ({"strategy": "pause_if_all_down", "nodes": ["r1"]}, "sees none of the watched nodes"),
    ],
)
def test_partitions_heal_as_the_strategy_says(strategy: Any, words: str) -> None:
    """What to do after a partition depends on what the brokers do by themselves."""
    text = book(versions={"rabbitmq": "3.13"}, rabbitmq={"partition_handling": strategy})
    assert words in section(text, "The brokers do not see each other").replace("\n", " ")


def test_khepri_heals_by_raft() -> None:
    """4.3 has no strategy: Raft decides, and a lost majority is left in another way."""
    text = book(versions={"rabbitmq": "4.3"})
    assert "Raft decides" in section(text, "The brokers do not see each other")
    assert "force_standalone_khepri_boot" in section(text, "The whole site was without power")
    assert "force_boot`" not in text


def test_the_tutorials_script_is_warned_of(root: Path) -> None:
    """A check script that stops keepalived leaves work for people, and what never moves is said."""
    text = section(
        documents(load(root / "examples/article.yaml", Topology))[runbook.RUNBOOK], "A load balancer is down"
    )
    assert "stops keepalived when HAProxy does not come up at once" in text
    assert "Nothing moves by itself when `VI_1` leaves rabbit1: HAProxy frozen" in text


def test_socket_or_page() -> None:
    """HAProxy is asked over its runtime API; where there is none, at its statistics page."""
    assert "echo 'show stat' | socat -t 2 - UNIX-CONNECT:/run/haproxy/admin.sock" in book()
    no_socket = {"haproxy": {"global": {"stats_socket": None}}, "keepalived": {"scripts": {}}}
    assert "curl -s --user stats 'http://10.0.0.14:8404/stats;csv'" in book(**no_socket)


def test_alerts_name_their_sections() -> None:
    """A section says which alerts lead to it."""
    assert "Alerts: `RabbitMQBrokerDown`." in section(book(), "A broker is down")


def test_installation_in_order() -> None:
    """The seed's host first, then brokers, then load balancers; joining only where a script joins."""
    text = section(book(rabbitmq={"formation": {"method": "join_script", "seed": "r2"}}), "First installation")
    hosts = re.findall(r"ssh root@10\.0\.0\.(\d+)", text)
    assert hosts == ["12", "11", "13", "14", "15"]
    assert text.index(cluster.JOIN) < text.index(cluster.USERS_SCRIPT) < text.index(cluster.QUEUES)
    assert cluster.JOIN not in book()


# -- changes ----------------------------------------------------------------------------------------


def test_order_of_hosts() -> None:
    """Brokers, the seed last of them; then load balancers, owners of addresses last."""
    assert order(design()) == ("r2", "r3", "r1", "lb2", "lb1")
    amqp = {"amqp": {"kind": "amqp", "port": 5670}}
    both = design(haproxy={"hosts": ["r1", "r2"], "listeners": amqp}, keepalived={"hosts": ["r1", "r2"]})
    assert order(both) == ("r3", "r2", "r1")


@pytest.mark.parametrize(
    ("release", "words", "absent"),
    [
        ("3.8.2", ["quorum_status"], ["rabbitmq-upgrade", "check_if_node_is_quorum_critical"]),
        ("3.8.7", ["await_online_quorum_plus_one", "check_if_node_is_quorum_critical"], ["upgrade drain"]),
        ("3.8.9", ["rabbitmq-upgrade drain", "feature flag is not enabled", "enable_feature_flag NAME"], ["flag all"]),
        ("4.1", ["rabbitmq-upgrade drain", "enable_feature_flag all"], ["mirror", "feature flag is not enabled"]),
    ],
)
def test_plan_uses_what_the_release_has(release: str, words: list[str], absent: list[str]) -> None:
    """Gates and drains are those the release's tools have."""
    text = plan(versions={"rabbitmq": release})
    assert not [word for word in words if word not in text]
    assert not [word for word in absent if word in text]


def test_mirrors_are_gated() -> None:
    """Mirrored queues are synchronised before their node goes."""
    text = plan(versions={"rabbitmq": "3.10"}, rabbitmq=MIRRORS)
    for word in ("check_if_node_is_mirror_sync_critical", "await_online_synchronized_mirror", "sync_queue"):
        assert word in text
    assert "no `ha-` policy left" in text


def test_effects_in_seconds() -> None:
    """Each step says what it costs: the times of the design."""
    text = plan()
    assert "HAProxy's `amqp` sends nobody there after 1 to 3 s." in text
    assert "the address is gone for 0.45 s" in text
    assert "client `app` tries again after 2 to 5 s" in text


@pytest.mark.parametrize(
    ("release", "starts"),
    [
        ("3.8.9", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "4.0", "4.1", "4.2"]),
        ("3.13", ["3.13", "4.0", "4.1", "4.2"]),
        ("4.2", ["4.2"]),
        ("4.3", ["4.3"]),
    ],
)
def test_hops(release: str, starts: list[str]) -> None:
    """The way up begins at the design's series and leaves none out."""
    assert [hop.start for hop in hops(design(versions={"rabbitmq": release}))] == starts


def test_no_load_balancer_is_reloaded_for_nothing() -> None:
    """A reload of HAProxy tells how long old sessions live on."""
    assert "old sessions live on in the old process for up to 1800 s, unchecked" in plan()


# -- the real programs ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.needs("rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-queues", "rabbitmq-upgrade")
def test_commands_exist() -> None:
    """Each command that people are told is one that the installed release has."""
    tools = ("rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-queues", "rabbitmq-upgrade")
    said = subprocess.run(["rabbitmqctl", "version"], capture_output=True, text=True, check=True).stdout.strip()
    mirrors = MIRRORS if said.startswith("3.") else {}
    text = "\n".join(documents(design(versions={"rabbitmq": said}, rabbitmq=mirrors)).values())
    for tool in tools:
        listed = subprocess.run([tool, "help", "--list-commands"], capture_output=True, text=True, check=True).stdout
        known = set(re.findall(r"^\s+([a-z_]+)\s", listed, re.MULTILINE))
        named = set(re.findall(rf"\b{tool}(?: -q| --node \S+)? ([a-z_]+)", text))
        assert named, tool
        assert not named - known, tool
