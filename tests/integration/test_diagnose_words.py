"""What the diagnosis makes of what hosts answer: each finding names its cause."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_stack import FakeStack

from generators.identity import HOSTS
from generators.rabbitmq import COOKIE
from integration.diagnose import Finding, addresses, balancers, brokers, definitions, diagnose, files, names, units
from integration.diagnose.queues import Copies, members_wanted, mirrors_wanted, of_queue
from rmqha_model.document import load
from rmqha_model.queues import ClassicQueue, QuorumQueue
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from generators.bundle import Artefact

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def design() -> Topology:
    """The three-host design that is sound."""
    return load(EXAMPLES / "article-fixed.yaml", Topology)


@pytest.fixture
def stack(design: Topology) -> FakeStack:
    """That design on played hosts."""
    return FakeStack(design)


def artefact(stack: FakeStack, host: str, path: str) -> Artefact:
    """One generated file."""
    return stack.bundle.find(host, path)


def as_made(made: Artefact) -> files.Seen:
    """A file as it stands when nobody has touched it."""
    return files.Seen("file", made.owner, made.group, made.mode, hashlib.sha256(made.content.encode()).hexdigest())


def told(findings: object) -> str:
    """All findings as one text."""
    return "\n".join(map(str, findings))  # type: ignore[call-overload]


def test_finding_says_where_what_and_what_to_do() -> None:
    """A finding is one sentence with all four parts."""
    assert str(Finding("file", "a:/b", "no file", "a file", "make one")) == (
        "a:/b: found no file; expected: a file; to do: make one"
    )


def test_file_as_made_is_no_finding(stack: FakeStack) -> None:
    """A file with its bytes, owner, group and mode is not mentioned."""
    made = artefact(stack, "rabbit1", "/etc/rabbitmq/rabbitmq.conf")
    assert list(files.of_artefact(stack, made, as_made(made))) == []


def test_changed_file_is_shown_by_its_difference(stack: FakeStack) -> None:
    """A file changed by hand is named, with the first lines that differ."""
    made = artefact(stack, "rabbit1", "/etc/rabbitmq/rabbitmq.conf")
    stack.hosts["rabbit1"].answers["^/bin/cat"] = made.content + "oops = 1\n"
    seen = files.Seen("file", made.owner, made.group, made.mode, "0" * 64)
    text = told(files.of_artefact(stack, made, seen))
    assert "rabbit1:/etc/rabbitmq/rabbitmq.conf: found a file changed by hand" in text
    assert "+oops = 1" in text
    assert "install.sh on rabbit1" in text


def test_changed_secret_file_is_not_shown(stack: FakeStack) -> None:
    """Of a file that holds secrets nothing is quoted."""
    made = artefact(stack, "rabbit1", "/etc/rabbitmq/definitions.json")
    stack.hosts["rabbit1"].answers["cat"] = "password_hash"
    text = told(files.of_artefact(stack, made, files.Seen("file", made.owner, made.group, made.mode, "0" * 64)))
    assert "holds secrets" in text
    assert "password_hash" not in text


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (files.Seen("absent"), "no file"),
        (files.Seen("other"), "something that is no file"),
        (files.Seen("file", "root", "root", 0o644, "x"), "owner root, group root, mode 0644"),
        (files.Seen("file", "rabbitmq", "rabbitmq", 0o444, "x"), "the broker does not start with it"),
        (files.Seen("file", "rabbitmq", "rabbitmq", 0o400, "x"), "another Erlang cookie than the design's"),
    ],
)
def test_cookie_is_judged(stack: FakeStack, seen: files.Seen, words: str) -> None:
    """A cookie that is gone, readable by others or another one is told as what it is, without its value."""
    text = told(files.of_artefact(stack, artefact(stack, "rabbit1", COOKIE), seen))
    assert words in text
    assert stack.secrets[stack.topology.rabbitmq.cookie] not in text


def test_rules_of_the_other_packet_filter_are_not_missed(stack: FakeStack) -> None:
    """A host with nftables needs no file of firewalld."""
    made = files.installed(stack, "rabbit1")
    seen = {a.path: as_made(a) for a in made if not a.path.startswith("/etc/firewalld/")}
    seen |= {a.path: files.Seen("absent") for a in made if a.path not in seen}
    assert not [a.path for a in files.wanted(made, seen) if a.path.startswith("/etc/firewalld/")]
    assert [a.path for a in files.wanted(made, seen) if a.path.startswith("/etc/nftables.d/")]


def test_block_of_names_is_compared_alone(stack: FakeStack) -> None:
    """Lines of the host's own in /etc/hosts are its affair; the block is the design's."""
    made = artefact(stack, "rabbit1", HOSTS)
    stack.hosts["rabbit1"].answers["cat"] = "10.0.0.1 other\n" + made.content
    assert list(files.of_artefact(stack, made, as_made(made))) == []
    stack.hosts["rabbit1"].answers["cat"] = made.content.replace("172.16.2.85 rabbit2", "172.16.2.99 rabbit2")
    assert "+172.16.2.99 rabbit2" in told(files.of_artefact(stack, made, as_made(made)))


@pytest.mark.parametrize(
    ("answers", "hosts", "words"),
    [
        ("rabbit2 127.0.1.1 172.16.2.85", "127.0.1.1 rabbit2\n", "rabbit2 resolved to 127.0.1.1, a loopback address"),
        ("rabbit2 172.16.2.99", "# x\n172.16.2.99 a rabbit2\n", "(line 2 of /etc/hosts)"),
        ("rabbit2", "", "no address for rabbit2"),
    ],
)
def test_wrong_name_is_told_with_its_line(stack: FakeStack, answers: str, hosts: str, words: str) -> None:
    """A name that leads elsewhere, to loopback or nowhere is told, with the line that says so."""
    right = "rabbit1 172.16.2.84\nrabbit3 172.16.2.86\n"
    host = stack.hosts["rabbit1"]
    host.answers |= {"getent": f"{right}{answers}\n", "cat /etc/hosts": hosts, "kernel/hostname": "rabbit1\n"}
    (finding,) = names.of_host(stack, "rabbit1")
    assert words in finding.found
    assert finding.expected == "172.16.2.85"


def test_second_address_of_a_name_is_told(stack: FakeStack) -> None:
    """Erlang takes the first line of the file, also where the resolver puts the right address first."""
    host = stack.hosts["rabbit1"]
    right = "rabbit1 172.16.2.84\nrabbit2 172.16.2.85 10.9.9.9\nrabbit3 172.16.2.86\n"
    lines = "10.9.9.9 rabbit2\n172.16.2.85 rabbit2\n"
    host.answers |= {"getent": right, "cat /etc/hosts": lines, "kernel/hostname": "rabbit1\n"}
    (finding,) = names.of_host(stack, "rabbit1")
    assert finding.found == "rabbit2 has the address 10.9.9.9 in line 1 of /etc/hosts"
    assert finding.expected == "172.16.2.85 alone"


def test_wrong_host_name_is_told(stack: FakeStack) -> None:
    """A host that calls itself otherwise is told so."""
    right = "".join(f"{host} {stack.topology.ip(host)}\n" for host in stack.topology.hosts)
    stack.hosts["rabbit1"].answers |= {"getent": right, "kernel/hostname": "localhost\n"}
    assert [finding.found for finding in names.of_host(stack, "rabbit1")] == ["host name localhost"]


HAPROXY_2_6 = """\
[NOTICE]   (312) : haproxy version is 2.6.12-1+deb12u4
[ALERT]    (312) : config : parsing [/etc/haproxy/haproxy.cfg:23] : unknown keyword 'balanse' in 'listen' section
[ALERT]    (312) : config : Error(s) found in configuration file : /etc/haproxy/haproxy.cfg
[ALERT]    (312) : config : Fatal errors found in configuration.
"""
HAPROXY_2_2 = """\
[ALERT] 326/083005 (82) : parsing [/etc/haproxy/haproxy.cfg:23] : unknown keyword 'balanse' in 'listen' section
[ALERT] 326/083005 (82) : Error(s) found in configuration file : /etc/haproxy/haproxy.cfg
"""


@pytest.mark.parametrize("said", [HAPROXY_2_6, HAPROXY_2_2], ids=["2.6", "2.2"])
def test_haproxy_that_cannot_start_is_quoted(stack: FakeStack, said: str) -> None:
    """HAProxy's own line, with file and number, is the cause; its frame around it is left out."""
    stack.hosts["rabbit1"].answers["haproxy -c"] = (1, "", said)
    unit = units.Unit("haproxy", "loaded", "failed", "failed", "enabled", "exit-code")
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    wanted = "    parsing [/etc/haproxy/haproxy.cfg:23] : unknown keyword 'balanse' in 'listen' section"
    assert finding.found == f"failed (failed, exit-code); it says:\n{wanted}"
    assert "mend /etc/haproxy/haproxy.cfg on rabbit1" in finding.todo


@pytest.mark.parametrize(
    ("status", "said", "refused"),
    [
        (0, "", False),
        (143, "", False),
        (6, "SECURITY VIOLATION - scripts are being executed but script_security not enabled.", False),
        (0, "(/etc/keepalived/keepalived.conf: Line 12) Unknown keyword 'foo'", True),
        (6, "Unsafe permissions found for script '/etc/keepalived/check.sh' - disabling.", True),
        (5, "Non-existent interface specified in configuration", True),
    ],
)
def test_keepalived_is_read_whatever_its_status(stack: FakeStack, status: int, said: str, *, refused: bool) -> None:
    """Keepalived 2.1 ends with 0 whatever it finds, and 2.2.7 by SIGTERM when all is well."""
    stack.hosts["rabbit1"].answers["keepalived -t"] = (status, "", said)
    assert bool(units.refused_by_keepalived(stack.hosts["rabbit1"])) is refused


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (units.Unit("keepalived", "masked", "inactive", "dead", "masked", ""), "a masked unit"),
        (units.Unit("keepalived", "not-found", "inactive", "dead", "", ""), "its package is not installed"),
        (units.Unit("keepalived", "loaded", "active", "running", "disabled", "success"), "a unit that is disabled"),
    ],
)
def test_unit_is_judged(stack: FakeStack, unit: units.Unit, words: str) -> None:
    """A unit that is masked, missing or not enabled is told as what it is."""
    assert words in told(units.of_unit(stack, "rabbit1", unit))


def test_taken_port_is_told_with_its_holder(stack: FakeStack) -> None:
    """A daemon whose port somebody else has: the port, and who has it."""
    host = stack.hosts["rabbit1"]
    binding = "[ALERT] (9) : Binding [/etc/haproxy/haproxy.cfg:30] for proxy monitor: "
    host.answers["journalctl"] = f"{binding}cannot bind socket (Address already in use) for [0.0.0.0:8100]\n"
    host.answers["ss -Hltnp"] = 'LISTEN 0 5 0.0.0.0:8100 0.0.0.0:* users:(("python3",pid=77,fd=3))\n'
    unit = units.Unit("haproxy", "loaded", "failed", "failed", "enabled", "exit-code")
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    assert "port 8100 is taken by process python3 (77)" in finding.found
    assert finding.todo.startswith("end what listens on port 8100")


def test_start_that_hangs_is_told_as_what_it_is(stack: FakeStack) -> None:
    """A broker that waits for ever after its host was back too soon; one whose start has gone on since is not."""
    unit = units.Unit("rabbitmq-server", "loaded", "activating", "start", "enabled", "success")
    host = stack.hosts["rabbit1"]
    host.answers["Global hang"] = "[info] Global hang workaround: global state on rabbit@rabbit3 seems broken\n"
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    assert units.HANG in finding.found
    assert finding.todo == "systemctl restart rabbitmq-server on rabbit1"
    host.answers["Global hang"] = "[info]  Starting RabbitMQ 3.10.8 on Erlang 25.2.3 [jit]\n"
    (finding,) = units.of_unit(stack, "rabbit1", unit)
    assert units.HANG not in finding.found


def status(**changes: object) -> str:
    """What rabbitmqctl says of a healthy cluster, with some of it otherwise."""
    nodes = [f"rabbit@rabbit{number}" for number in (1, 2, 3)]
    healthy = {"disk_nodes": nodes, "ram_nodes": [], "running_nodes": nodes, "partitions": {}, "alarms": []}
    return json.dumps(healthy | changes)


def test_whole_cluster_is_no_finding(stack: FakeStack) -> None:
    """Three brokers that see each other are not mentioned."""
    for host in stack.hosts.values():
        host.answers["cluster_status"] = status()
    assert list(brokers.of_cluster(stack)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"disk_nodes": ["rabbit@rabbit1"], "running_nodes": ["rabbit@rabbit1"]},
            "a broker that is a cluster of its own",
        ),
        ({"running_nodes": ["rabbit@rabbit1", "rabbit@rabbit3"]}, "rabbit@rabbit2 not running, or not reached"),
        ({"partitions": {"rabbit@rabbit1": ["rabbit@rabbit2"]}}, "a partition: it and rabbit@rabbit2"),
        ({"alarms": [{"resource": "memory", "node": "rabbit@rabbit2"}]}, "memory alarm of rabbit@rabbit2"),
    ],
)
def test_ill_cluster_is_told(stack: FakeStack, changes: dict[str, object], words: str) -> None:
    """Not joined, not seen, partitioned, or with an alarm: each in words of its own."""
    stack.hosts["rabbit1"].answers["cluster_status"] = status(**changes)
    assert words in told(brokers.of_view(stack, brokers.view(stack, "rabbit1")))


@pytest.mark.parametrize(
    ("said", "topic", "words"),
    [
        ("* Authentication failed (rejected by the remote node), please check the Erlang cookie", "cookie", "cookie"),
        ("* epmd reports node 'rabbit' not running at all", "node", "it is not running"),
        ("* unable to connect to epmd (port 4369) on rabbit1: nxdomain (non-existing domain)", "name", "no address"),
        (
            "* unable to connect to epmd (port 4369) on rabbit1: address (cannot connect to host/port)",
            "node",
            "no epmd",
        ),
    ],
)
def test_broker_that_does_not_answer_is_told_why(stack: FakeStack, said: str, topic: str, words: str) -> None:
    """What rabbitmqctl says when it reaches nobody is translated, and quoted."""
    stack.hosts["rabbit1"].answers["cluster_status"] = (69, "", f"Error: unable to perform an operation\n{said}\n")
    (finding,) = brokers.of_view(stack, brokers.view(stack, "rabbit1"))
    assert (finding.topic, words in finding.found) == (topic, True)
    assert said in finding.found


def test_node_under_another_name_is_told(stack: FakeStack) -> None:
    """A broker that runs as another node than the design's."""
    host = stack.hosts["rabbit1"]
    host.answers["cluster_status"] = (69, "", "* epmd reports node 'rabbit' not running at all")
    host.answers["pidof"] = "/var/log/rabbitmq/hare@rabbit1.log\n/dev/null\n"
    (finding,) = brokers.of_view(stack, brokers.view(stack, "rabbit1"))
    assert finding.topic == "name"
    assert "a node that runs as hare@rabbit1" in finding.found


def test_definitions_are_compared(stack: FakeStack) -> None:
    """What is missing, other or too much is told; what newer releases add to arguments is not."""
    there = json.loads(stack.bundle.find("rabbit1", "/etc/rabbitmq/definitions.json").content)
    assert list(definitions.differences(stack, there)) == []
    there["queues"][0]["arguments"]["x-queue-leader-locator"] = "balanced"
    there["users"][0]["tags"] = ["management"]
    there["permissions"][0]["write"] = "^a"
    del there["queues"][1]
    there["users"].append({"name": "guest", "tags": "administrator"})
    there["policies"].append({"vhost": "/", "name": "stranger"})
    text = told(definitions.differences(stack, there))
    for words in (
        "user admin: found tags",
        'write "^a"',
        "queue / worker_order.dead: found nothing of that name",
        "user guest: found the well-known account",
        "policy / stranger: found a policy that the design does not have",
    ):
        assert words in text
    assert text.count("found") == 5


def test_exports_of_other_shapes_say_the_same() -> None:
    """A rabbitmqctl that writes nested values as pairs, and leaves out what is false, says what the design says."""
    stack = FakeStack(load(EXAMPLES / "five-brokers-two-vips.yaml", Topology))
    there = json.loads(stack.bundle.find("rabbit1", "/etc/rabbitmq/definitions.json").content)
    policy = next(each for each in there["parameters"] if each["component"] == "operator_policy")
    policy["value"]["definition"] = [["max-length", 5000000]]
    del there["exchanges"][0]["internal"]
    assert list(definitions.differences(stack, there)) == []
    policy["value"]["definition"] = [["max-length", 1]]
    assert "parameter orders operator_policy bounds" in told(definitions.differences(stack, there))


def test_replicas_are_counted(stack: FakeStack) -> None:
    """A quorum queue with too few members, and one whose member is not online."""
    queue = stack.topology.rabbitmq.queues[0]
    nodes = tuple(stack.topology.node_name(host) for host in stack.topology.brokers)
    assert members_wanted(stack, queue) == 3
    assert list(of_queue(stack, queue, Copies("quorum", "running", nodes[0], nodes, nodes))) == []
    assert "found 2 members" in told(of_queue(stack, queue, Copies("quorum", "", nodes[0], nodes[:2], nodes[:2])))
    lagging = told(of_queue(stack, queue, Copies("quorum", "", nodes[0], nodes, nodes[:2])))
    assert "members not online on rabbit@rabbit3" in lagging
    assert "a classic queue" in told(of_queue(stack, queue, Copies("classic", "", nodes[0], nodes[:1], nodes[:1])))
    assert "no such queue" in told(of_queue(stack, queue, None))


def test_mirrors_follow_from_the_policy_that_wins() -> None:
    """Of several policies that match, the one with the highest priority says how many mirrors there are."""
    stack = FakeStack(load(EXAMPLES / "article.yaml", Topology))
    assert mirrors_wanted(stack, ClassicQueue(name="any", type="classic")) == 3
    assert members_wanted(stack, QuorumQueue(name="any")) == 3


SHOW_STAT = """\
# pxname,svname,status,check_status,last_chk
rabbitmq_cluster,FRONTEND,OPEN,,
rabbitmq_cluster,rabbit1,UP,L7OK,
rabbitmq_cluster,rabbit2,DOWN,L4CON,Connection refused
rabbitmq_cluster,BACKEND,UP,,
"""


def test_servers_that_are_down_are_told_with_their_last_check(stack: FakeStack) -> None:
    """A server that is DOWN, with what its check said; and one that is not there."""
    stack.hosts["rabbit1"].answers["socat"] = SHOW_STAT
    text = told(balancers.of_servers(stack, "rabbit1"))
    assert "server rabbit2 of rabbitmq_cluster: found DOWN (its last check: L4CON Connection refused)" in text
    assert "server rabbit3 of rabbitmq_cluster: found no such server" in text
    assert "server rabbit1" not in text


def holding(*ips: str) -> str:
    """What ``ip -j address`` says of a host that has these addresses."""
    return json.dumps([{"addr_info": [{"local": ip} for ip in ips]}])


RUNS = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nResult=success\n"
DEAD = RUNS.replace("=active", "=failed")


@pytest.mark.parametrize(
    ("owners", "states", "words"),
    [
        ((), (RUNS, RUNS), "no host that has it"),
        (("rabbit1", "rabbit2"), (RUNS, RUNS), "do not accept each other's (unicast adverts, protocol 112)"),
        (("rabbit1", "rabbit2"), (DEAD, RUNS), "keepalived on rabbit1 is dead and left the address behind"),
    ],
)
def test_owners_are_judged(stack: FakeStack, owners: tuple[str, ...], states: tuple[str, str], words: str) -> None:
    """No owner, two that do not hear each other, and a dead one that left the address behind."""
    for host, state in zip(("rabbit1", "rabbit2"), states, strict=True):
        stack.hosts[host].answers |= {
            "ip -j address": holding("172.16.2.200") if host in owners else holding(),
            "systemctl show": state,
        }
    assert words in told(addresses.of_owners(stack))


def test_why_nobody_has_the_address_is_quoted(stack: FakeStack) -> None:
    """Keepalived's own last word about the instance is the cause."""
    for host in ("rabbit1", "rabbit2"):
        stack.hosts[host].answers |= {
            "ip -j address": holding(),
            "systemctl show": RUNS,
            "journalctl": "(VI_1) Entering FAULT STATE\nScript `check_haproxy` now returning 1\n",
        }
    assert "keepalived on rabbit1: Script `check_haproxy` now returning 1" in told(addresses.of_owners(stack))


def test_failing_check_script_is_told(stack: FakeStack) -> None:
    """A check script's exit status, and what it said."""
    stack.hosts["rabbit1"].answers["check_haproxy.sh"] = (1, "", "no answer at /run/haproxy/admin.sock")
    text = told(addresses.of_scripts(stack, "rabbit1"))
    assert "check script check_haproxy: found exit status 1: no answer at /run/haproxy/admin.sock" in text


def test_host_without_power_is_told_once(stack: FakeStack) -> None:
    """Of a host that is off nothing else is said than that."""
    stack.power_off(["rabbit3"])
    about = [finding for finding in diagnose(stack) if finding.where.startswith("rabbit3")]
    assert [finding.topic for finding in about] == ["power"]
