"""Generated files and scripts on real brokers: they boot, find each other, join, refuse, and hold what was asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemons.rabbit_cluster import Host, RabbitCluster, why_not
from designs import secrets_of

from generators import cluster, rabbitmq
from generators.definitions import password_hash
from rmqha_model.document import load
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from generators.bundle import Artefact

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("rabbitmq-server", "rabbitmqctl", "unshare", "nsenter", "ip", "setpriv", "runuser"),
]


@pytest.fixture(scope="module")
def release() -> str:
    """The release that is installed: files are made for it. Skips where hosts in namespaces cannot be had."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    if not shutil.which("rabbitmqctl"):
        pytest.skip("rabbitmqctl is not installed")
    asked = subprocess.run(["rabbitmqctl", "version"], capture_output=True, text=True, timeout=60, check=True)
    return asked.stdout.strip()


def example(name: str, release: str) -> Topology:
    """An example for that release, less the policies that it does not take."""
    topology = load(Path(__file__).resolve().parents[2] / f"examples/{name}.yaml", Topology)
    versions = topology.versions.model_copy(update={"rabbitmq": release})
    changes = {} if versions.can("rabbitmq.mirrored_queues") else {"policies": ()}
    return topology.model_copy(update={"versions": versions, "rabbitmq": topology.rabbitmq.model_copy(update=changes)})


def files(topology: Topology) -> list[Artefact]:
    """What the design puts on its brokers."""
    secrets = secrets_of(topology)
    return [*rabbitmq.artefacts(topology, secrets), *cluster.artefacts(topology, secrets)]


def hosts(topology: Topology) -> RabbitCluster:
    """The broker hosts of the design."""
    addresses = {host: str(topology.hosts[host].address) for host in topology.brokers}
    interface = topology.hosts[topology.brokers[0]].interface
    return RabbitCluster(addresses, interface=interface, domain=topology.domain or "")


def boot(machines: RabbitCluster, topology: Topology) -> None:
    """Install the files on all hosts, start all brokers at once, wait for all."""
    made = files(topology)
    for host in machines.hosts.values():
        host.install(made)
        host.start_broker()
    for host in machines.hosts.values():
        host.await_broker()


def ok(host: Host, script: str, *arguments: str) -> str:
    """Run a script that must succeed; gives what it says."""
    done = host.run(script, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr + host.logs()
    return done.stderr


def on_all_at_once(machines: RabbitCluster, script: str) -> list[str]:
    """Run a script on every host at the same time; each must succeed; gives what they say."""
    running = {host.name: host.begin(script) for host in machines.hosts.values()}
    said = []
    for name, process in running.items():
        said.append(process.communicate(timeout=240)[0])
        assert process.returncode == 0, f"{name}: {said[-1]}"
    return said


def nodes(topology: Topology) -> set[str]:
    """The names of all nodes."""
    return {topology.node_name(host) for host in topology.brokers}


def await_cluster(machines: RabbitCluster, topology: Topology) -> None:
    """Wait until each node sees all others."""
    deadline = time.monotonic() + 60
    for host in machines.hosts.values():
        while host.running_nodes() != nodes(topology):
            assert time.monotonic() < deadline, host.logs()
            time.sleep(1)


def applied(machines: RabbitCluster, host: str) -> None:
    """Run the scripts for users, policies and queues, each twice, on one host."""
    for script in (cluster.USERS_SCRIPT, cluster.POLICIES, cluster.QUEUES):
        first = ok(machines[host], script)
        assert ok(machines[host], script) == first


@pytest.fixture(scope="class")
def topology(release: str) -> Topology:
    """The tutorial's design."""
    return example("article", release)


@pytest.fixture(scope="class")
def machines(topology: Topology) -> Iterator[RabbitCluster]:
    """Its three hosts, with brokers that know nothing of each other."""
    with hosts(topology) as made:
        boot(made, topology)
        yield made


class TestJoin:
    """The tutorial's design: nodes that stand alone until the script joins them."""

    def test_1_node_with_data_is_not_wiped(self, topology: Topology, machines: RabbitCluster) -> None:
        """A queue of the design with a message, and a stranger's user, keep the second node from joining."""
        second = machines["rabbit2"]
        guest = ("guest", "guest")
        queue = '{"durable": true}'
        message = '{"properties": {}, "routing_key": "worker_order", "payload": "1", "payload_encoding": "string"}'
        api = "http://127.0.0.1:15672/api"
        assert second.http("PUT", f"{api}/queues/%2F/worker_order", *guest, queue)[0] == 201
        assert second.http("POST", f"{api}/exchanges/%2F/amq.default/publish", *guest, message)[0] == 200
        second.ctl("add_user", "bob", "secret")
        done = second.run(cluster.JOIN)
        assert done.returncode == 1
        assert "user bob" in done.stderr
        assert "queue worker_order with 1 messages" in done.stderr
        assert second.running_nodes() == {topology.node_name("rabbit2")}
        second.ctl("delete_user", "bob")
        assert second.http("DELETE", f"{api}/queues/%2F/worker_order/contents", *guest)[0] == 204

    def test_2_wrong_cookie_is_named(self, topology: Topology, machines: RabbitCluster) -> None:
        """A host whose cookie differs from the seed's says so when the wait is over, and its node still runs."""
        third = machines["rabbit3"]
        cookie = third.path(rabbitmq.COOKIE)
        right = cookie.read_text(encoding="ascii")
        third.ctl("stop")
        third.brokers[-1].wait(timeout=60)
        cookie.chmod(0o600)
        cookie.write_text("ANOTHER", encoding="ascii")
        cookie.chmod(0o400)
        third.start_broker()
        third.await_broker()
        done = third.run(cluster.JOIN, "--timeout", "1")
        assert done.returncode == 1
        assert "cookie differs" in done.stderr
        assert third.running_nodes() == {topology.node_name("rabbit3")}
        third.ctl("stop")
        third.brokers[-1].wait(timeout=60)
        cookie.chmod(0o600)
        cookie.write_text(right, encoding="ascii")
        cookie.chmod(0o400)
        third.start_broker()
        third.await_broker()

    def test_3_all_join_at_once(self, topology: Topology, machines: RabbitCluster) -> None:
        """Started at the same moment on all hosts, the script makes one cluster; the seed joins nobody."""
        said = on_all_at_once(machines, cluster.JOIN)
        assert "is the seed" in said[0]
        assert all("is a member now" in text for text in said[1:])
        await_cluster(machines, topology)

    def test_4_again_changes_nothing(self, topology: Topology, machines: RabbitCluster) -> None:
        """Run again on all hosts at once, it finds that all is done."""
        said = on_all_at_once(machines, cluster.JOIN)
        assert all("is a member already" in text for text in said[1:])
        await_cluster(machines, topology)

    def test_5_users_policies_queues(self, topology: Topology, machines: RabbitCluster) -> None:
        """The tutorial's user logs in on every host; its policy and its queue are there."""
        applied(machines, "rabbit2")
        for host in machines.hosts.values():
            assert host.http("GET", f"http://{host.address}:15672/api/whoami", "admin", "123456")[0] == 200
            assert host.http("GET", f"http://{host.address}:15672/api/whoami", "admin", "1234567")[0] == 401
        # Another password in the design is another hash in the file.
        users = machines["rabbit1"].path(rabbitmq.USERS)
        made = users.read_text(encoding="utf-8")
        right = password_hash("123456", "article", "admin")
        users.write_text(made.replace(right, password_hash("changed", "article", "admin")), encoding="utf-8")
        ok(machines["rabbit1"], cluster.USERS_SCRIPT)
        whoami = f"http://{machines['rabbit2'].address}:15672/api/whoami"
        assert machines["rabbit2"].http("GET", whoami, "admin", "changed")[0] == 200
        assert machines["rabbit2"].http("GET", whoami, "admin", "123456")[0] == 401
        rows = machines["rabbit3"].ctl("list_queues", "name", "type", "policy").splitlines()
        policy = "ha-all" if topology.rabbitmq.policies else ""
        assert rows == [f"worker_order\tclassic\t{policy}"]
        assert "guest\t" in machines["rabbit1"].ctl("list_users")

    def test_6_member_that_was_made_anew(self, topology: Topology, machines: RabbitCluster) -> None:
        """A host that lost its disk is refused, and told with ``--reset`` it takes its old place."""
        third = machines["rabbit3"]
        third.ctl("stop")
        third.brokers[-1].wait(timeout=60)
        shutil.rmtree(third.path("/var/lib/rabbitmq/mnesia"))
        third.start_broker()
        third.await_broker()
        refused = third.run(cluster.JOIN)
        assert refused.returncode == 1
        assert "--reset forgets the old member first" in refused.stderr
        ok(third, cluster.JOIN, "--reset")
        await_cluster(machines, topology)


def test_peers_find_each_other_and_queues_have_members(release: str) -> None:
    """Three sound nodes booted at once form the cluster by themselves; the join script finds nothing to do."""
    topology = example("article-fixed", release)
    with hosts(topology) as machines:
        boot(machines, topology)
        await_cluster(machines, topology)
        for host in machines.hosts.values():
            assert "is the seed" in (said := ok(host, cluster.JOIN)) or "is a member already" in said
        applied(machines, "rabbit3")
        first = machines["rabbit1"]
        rows = dict(row.split("\t") for row in first.ctl("list_queues", "name", "type").splitlines())
        assert rows == {"worker_order": "quorum", "worker_order.dead": "quorum"}
        password = secrets_of(topology)[topology.password_of("admin")]
        assert first.http("GET", "http://127.0.0.1:15672/api/overview", "admin", password)[0] == 200
        assert first.http("GET", "http://127.0.0.1:15672/api/overview", "guest", "guest")[0] == 401
        # The whole document is taken too, by who prefers it to the scripts.
        first.ctl("import_definitions", rabbitmq.DEFINITIONS)


def test_tls_between_all(release: str, tmp_path: Path) -> None:
    """With certificates in place nodes find each other over TLS, and no port without it is open to clients."""
    topology = example("tls", release)
    certificates(topology, tmp_path)
    with hosts(topology) as machines:
        for host in machines.hosts.values():
            folder = host.path("/etc/rabbitmq/tls")
            folder.mkdir()
            for name, kept in (
                (f"{host.name}.pem", "server.pem"),
                (f"{host.name}.key", "server.key"),
                ("ca.pem", "ca.pem"),
            ):
                shutil.copyfile(tmp_path / name, folder / kept)
                os.chown(folder / kept, *host.owner("rabbitmq", "rabbitmq"))
                (folder / kept).chmod(0o400)
        boot(machines, topology)
        await_cluster(machines, topology)
        first = machines["rabbit1"]
        ok(first, cluster.USERS_SCRIPT)
        password = secrets_of(topology)[topology.password_of("admin")]
        assert first.http("GET", "https://127.0.0.1:15671/api/whoami", "admin", password)[0] == 200
        status = json.loads(first.ctl("cluster_status", "--formatter", "json"))
        ports = {row["port"] for row in status["listeners"][topology.node_name("rabbit1")]}
        assert {5671, 15671} <= ports
        assert not {5672, 15672} & ports
        assert "inet_tls" in first.ctl("eval", "init:get_argument(proto_dist).")


def certificates(topology: Topology, folder: Path) -> None:
    """Make an authority and a certificate for every broker."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test")
    for host in topology.brokers:
        name = topology.full_name(host)
        usage = f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth,clientAuth\n"
        (folder / "extensions").write_text(usage, encoding="ascii")
        openssl("req", *key, "-keyout", f"{host}.key", "-out", f"{host}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
        openssl("x509", "-req", "-in", f"{host}.csr", "-out", f"{host}.pem", *signed)


def test_every_setting_reaches_the_broker(release: str) -> None:
    """A node with everything unusual boots, over IPv6, and its environment holds what the design says."""
    addresses = {"address": "2001:db8::1/64", "interface": "ens33"}
    topology = Topology.model_validate(
        {
            "versions": {"rabbitmq": release},
            "hosts": {"rabbit1": addresses},
            "rabbitmq": {
                "nodes": ["rabbit1"],
                "node_prefix": "hare-x",
                "bind": "host",
                "ports": {"epmd": 4370, "distribution": 25680, "amqp": 5673, "management": 15680, "prometheus": 15699},
                "raft_detector": {
                    "poll_interval": "1s",
                    "heartbeat_interval": "200ms",
                    "scaling_factor": 2,
                    "detection_threshold": 0.95,
                },
                "quorum_group_size": 1,
                "memory_high_watermark": "1GiB",
                "consumer_timeout": "1h",
                "channel_max": 100,
                "max_message_size": "1MiB",
                "net_ticktime": "30s",
                "definitions_at_boot": True,
                "queues": [{"name": "q", "type": "quorum"}],
            },
        }
    )
    expected = {
        "application:get_env(aten, poll_interval)": "{ok,1000}",
        "application:get_env(aten, heartbeat_interval)": "{ok,200}",
        "application:get_env(aten, scaling_factor)": "{ok,2.0}",
        "application:get_env(aten, detection_threshold)": "{ok,0.95}",
        "application:get_env(rabbit, quorum_cluster_size)": "{ok,1}",
        "application:get_env(rabbit, vm_memory_high_watermark)": "{ok,{absolute,1073741824}}",
        "application:get_env(rabbit, consumer_timeout)": "{ok,3600000}",
        "application:get_env(rabbit, channel_max)": "{ok,100}",
        "application:get_env(rabbit, max_message_size)": "{ok,1048576}",
        "application:get_env(rabbit, heartbeat)": "{ok,15}",
        "net_kernel:get_net_ticktime()": "30",
        "node()": "'hare-x@rabbit1'",
    }
    with hosts(topology) as machines:
        boot(machines, topology)
        first = machines["rabbit1"]
        asked = first.ctl("eval", f'io:format("~0p~n", [[{", ".join(expected)}]]).').splitlines()[0]
        assert asked == f"[{','.join(expected.values())}]"
        assert first.ctl("list_queues", "name").split() == ["q"]
        password = secrets_of(topology)[topology.password_of("admin")]
        for address in ("[2001:db8::1]", "127.0.0.1"):
            assert first.http("GET", f"http://{address}:15680/api/whoami", "admin", password)[0] == 200
        status = json.loads(first.ctl("cluster_status", "--formatter", "json"))
        listeners = {(row["port"], row["interface"]) for row in status["listeners"]["hare-x@rabbit1"]}
        assert {port for port, _ in listeners} == {5673, 15680, 15699, 25680}
        assert (5673, "2001:db8::1") in {(port, interface.strip("[]")) for port, interface in listeners}
