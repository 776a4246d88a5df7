"""The path of a message, for real: generated client, HAProxy and RabbitMQ on generated files, in their own network.

What the design promises is measured: a check that speaks AMQP finds a frozen broker within the predicted time, where
one that only connects never does; sessions of a broker that is down are closed; no confirmed message is lost.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from daemons.rabbit_cluster import Host, RabbitCluster, why_not
from designs import secrets_of

from generators import generate
from generators.validate.program import installed
from rmqha_model.timers.balancer import back_up, frozen, proxies
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from rmqha_model.timers.span import Span

pytestmark = [pytest.mark.slow, pytest.mark.needs("rabbitmq-server", "haproxy", "openssl")]

TLS = "/etc/rabbitmq/tls"
ADMIN = "/run/haproxy/admin.sock"
DEFINITIONS = "/etc/rabbitmq/definitions.json"
SOON_S = 30.0
"""For what takes no time of its own: a busy machine may be slow."""
EARLY_S, LATE_S = 0.25, 1.5
"""How far from a prediction a measurement may lie: an attempt that was under way, a machine that does other things."""

DESIGN: dict[str, Any] = {
    "name": "path",
    "hosts": {"r1": "10.0.0.11/24", "lb1": "10.0.0.21/24"},
    "rabbitmq": {
        "nodes": ["r1"],
        "tls": {"clients": {"certificate": f"{TLS}/node.pem", "key": f"{TLS}/node.key", "ca": f"{TLS}/node.pem"}},
        "queues": [{"name": "orders", "type": "quorum"}],
    },
    "haproxy": {
        "hosts": ["lb1"],
        # What it has to say goes to standard error: the host has no syslog.
        "global": {"log": []},
        "listeners": {
            "amqp": {"kind": "amqp"},
            "amqps": {"kind": "amqps"},
            "connect": {"kind": "amqp", "port": 5673, "check": {"kind": "tcp"}},
        },
    },
    "clients": {"app": {"listener": "amqp", "reconnect": {"delay": "200ms", "jitter": "100ms"}}},
}

# Connects to an address and a port, and ends when the other side hangs up.
SESSION = """
import os, sys, pika
login = pika.PlainCredentials("app", os.environ["RMQHA_PASSWORD"])
connection = pika.BlockingConnection(pika.ConnectionParameters(sys.argv[1], int(sys.argv[2]), "/", login, heartbeat=0))
print("connected", flush=True)
try:
    while True:
        connection.process_data_events(time_limit=None)
except pika.exceptions.StreamLostError:
    sys.exit(0)
"""


def within(seconds: float, condition: Callable[[], Any], what: str) -> None:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.1f} s: {what}"
        time.sleep(0.02)


@dataclass
class Stack:
    """A broker, a load balancer, and clients beside the latter."""

    topology: Topology
    folder: Path
    broker: Host
    balancer: Host
    environment: dict[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def ask(self, command: str) -> str:
        """Give HAProxy's answer to a command of its runtime API; empty while it does not run."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(SOON_S)
            try:
                admin.connect(str(self.balancer.path(ADMIN)))
                admin.sendall(f"{command}\n".encode())
                return b"".join(iter(lambda: admin.recv(65536), b"")).decode()
            except OSError:
                return ""

    def row(self, listener: str, server: str = "r1") -> dict[str, str]:
        """Give the statistics of a server, or of the FRONTEND of a listener."""
        rows = csv.DictReader(io.StringIO(self.ask("show stat").removeprefix("# ")))
        return next((row for row in rows if (row["pxname"], row["svname"]) == (listener, server)), {})

    def status(self, listener: str) -> str:
        """Give the state of the server behind a listener: its first word, without the way to the next one."""
        return self.row(listener).get("status", "").partition(" ")[0]

    def sent(self) -> int:
        """Give how many bytes left the load balancer for the broker."""
        lines = Path(f"/proc/{self.balancer.leader}/net/dev").read_text(encoding="ascii").splitlines()
        # /proc/net/dev: eight columns of what came in, then those of what went out.
        return next(int(line.split()[9]) for line in lines if line.split()[0] == "ens33:")

    def start_balancer(self) -> None:
        """Start HAProxy, and wait until every server is up."""
        program = self.balancer.begin("haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg")
        self.processes.append(program)
        names = [name for name, _ in proxies(self.topology)]
        # Between checks it is "L7OK", while one is under way "* L7OK".
        within(SOON_S, lambda: all(self.row(n).get("check_status", "").endswith("OK") for n in names), "servers are up")

    def kill_balancer(self) -> None:
        """Kill HAProxy, as a crash would."""
        (number,) = (line.split()[1] for line in self.ask("show info").splitlines() if line.startswith("Pid:"))
        assert self.balancer.run("kill", "-KILL", number).returncode == 0
        self.processes[-1].wait(SOON_S)

    def declare(self) -> None:
        """Bring users and queues into the broker, and wait until they are there."""
        self.broker.ctl("import_definitions", DEFINITIONS)
        within(SOON_S, lambda: "orders" in self.broker.ctl("list_queues", "name").split(), "the queue")

    def broker_number(self) -> str:
        """Give the broker's process number on its own host."""
        return self.broker.ctl("eval", "io:put_chars(os:getpid()).").split("ok")[0].strip()

    @contextlib.contextmanager
    def running(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """Run a Python program beside the load balancer while the block lasts; what it says comes line by line."""
        command = ["nsenter", "--target", str(self.balancer.leader), "--net", sys.executable, *argv]
        with (self.folder / "stderr").open("a", encoding="utf-8") as errors:
            pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": errors}
            process = subprocess.Popen(command, env=self.environment, text=True, **pipes)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def client(self, *argv: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """Run the generated client program while the block lasts."""
        return self.running(str(self.folder / "client.py"), *argv)


def messages(consumer: subprocess.Popen[str], wanted: int) -> list[str]:
    """Give the bodies a consumer prints until so many different ones are there."""
    assert consumer.stdout is not None
    output = consumer.stdout.fileno()
    os.set_blocking(output, False)
    said = b""

    def bodies() -> list[str]:
        whole, _, _ = said.rpartition(b"\n")
        return [line.removesuffix("(again)").strip() for line in whole.decode().splitlines()]

    def enough() -> bool:
        nonlocal said
        assert consumer.poll() is None, "the consumer ended"
        with contextlib.suppress(BlockingIOError):
            said += os.read(output, 65536)
        return len(set(bodies())) >= wanted

    within(2 * SOON_S, enough, f"{wanted} different messages")
    return bodies()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Broker and load balancer of the design, up."""
    if reason := why_not():
        pytest.skip(f"NOT RUN: {reason}")
    programs = {"rabbitmq": installed("rabbitmq-server"), "haproxy": installed("haproxy")}
    versions = {name: program.version for name, program in programs.items() if program}
    topology = Topology.model_validate(DESIGN | {"versions": versions})
    secrets = secrets_of(topology)
    bundle = generate(topology, secrets)
    folder = tmp_path_factory.mktemp("path")
    (folder / "client.py").write_text(bundle.find(None, "clients/app/client.py").content, encoding="utf-8")
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=r1"]
    environment = {"PATH": os.environ["PATH"], "RMQHA_PASSWORD": secrets[topology.password_of("app")]}
    with RabbitCluster(DESIGN["hosts"]) as hosts:
        broker, balancer = hosts["r1"], hosts["lb1"]
        # /etc/hosts is the cluster's: the generated one is a block of it, which its script merges.
        files = [a for a in bundle.artefacts if a.path.startswith(("/etc/rabbitmq/", "/etc/haproxy/", "/var/lib/"))]
        broker.install(files)
        balancer.install(files)
        broker.path(TLS).mkdir()
        made = broker.run(*certificate, "-keyout", f"{TLS}/node.key", "-out", f"{TLS}/node.pem")
        assert made.returncode == 0, made.stderr
        os.chown(broker.path(f"{TLS}/node.key"), *broker.owner("rabbitmq", "rabbitmq"))
        balancer.path(ADMIN).parent.mkdir()
        broker.start_broker()
        broker.await_broker()
        stack = Stack(topology, folder, broker, balancer, environment)
        stack.declare()
        try:
            stack.start_balancer()
            yield stack
        finally:
            for process in stack.processes:
                process.kill()
                process.wait()
                assert process.stdout is not None
                process.stdout.close()


@pytest.fixture
def errors(stack: Stack) -> Callable[[], str]:
    """What the client programs of this test said on standard error, up to now."""
    file = stack.folder / "stderr"
    file.write_text("", encoding="utf-8")
    return lambda: file.read_text(encoding="utf-8")


def test_a_broker_that_answers_is_up(stack: Stack) -> None:
    """The check that speaks AMQP gets its answer, in the clear and inside TLS."""
    text = stack.balancer.path("/etc/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    assert text.count("tcp-check send-binary 414d515000000901") == 2
    assert "server r1 10.0.0.11:5671 check check-ssl verify none" in text
    shown = {name: (stack.status(name), stack.row(name)["check_status"]) for name, _ in proxies(stack.topology)}
    assert shown == {"amqp": ("UP", "L7OK"), "amqps": ("UP", "L7OK"), "connect": ("UP", "L4OK")}


def test_a_frozen_broker_is_down_in_time(stack: Stack) -> None:
    """A stopped broker is DOWN within the predicted time, its sessions end then; a check that connects sees nothing."""
    listeners = dict(proxies(stack.topology))
    number = stack.broker_number()
    with contextlib.ExitStack() as programs:
        sessions = {
            name: programs.enter_context(stack.running("-c", SESSION, "10.0.0.21", str(listeners[name].port)))
            for name in ("amqp", "connect")
        }
        for session in sessions.values():
            assert session.stdout is not None
            assert session.stdout.readline() == "connected\n"
        try:
            down = times(stack, number, "STOP", "DOWN")
            # Its own heartbeat is off: nothing but HAProxy ends it.
            assert sessions["amqp"].wait(LATE_S) == 0
            assert sessions["connect"].poll() is None
            assert stack.status("connect") == "UP"
            assert stack.row("connect")["chkdown"] == "0"
            reasons = {name: stack.row(name)["check_status"] for name in ("amqp", "amqps")}
        finally:
            up = times(stack, number, "CONT", "UP")
        assert sessions["connect"].poll() is None
    assert reasons == {"amqp": "L7TOUT", "amqps": "L6TOUT"}
    for name in ("amqp", "amqps"):
        fits(down[name], frozen(stack.topology, listeners[name]))
        fits(up[name], back_up(stack.topology, listeners[name]))


def times(stack: Stack, number: str, name: str, state: str) -> dict[str, float]:
    """How long after a signal to the broker the servers of both AMQP-speaking listeners reach a state."""
    begin = time.monotonic()
    assert stack.broker.run("kill", f"-{name}", number).returncode == 0
    found: dict[str, float] = {}

    def both() -> bool:
        for listener in ("amqp", "amqps"):
            if listener not in found and stack.status(listener) == state:
                found[listener] = time.monotonic() - begin
        return len(found) == 2

    within(SOON_S, both, f"{state} after {name}; {found}")
    return found


def fits(measured: float, predicted: Span) -> None:
    """Measured is as predicted, give or take what a busy machine does."""
    told = f"measured {measured:.2f} s, predicted {predicted.min_s}..{predicted.max_s} s: {predicted.formula}"
    assert predicted.min_s - EARLY_S <= measured <= predicted.max_s + LATE_S, told


def test_client_publishes_and_consumes(stack: Stack, errors: Callable[[], str]) -> None:
    """Twenty messages, each confirmed, go through HAProxy into the quorum queue, and a consumer gets all of them."""
    with stack.client("publish", "20") as publisher:
        assert publisher.wait(SOON_S) == 0, errors()
    assert stack.broker.ctl("list_queues", "name", "type").split()[-2:] == ["orders", "quorum"]
    with stack.client("consume") as consumer:
        assert messages(consumer, 20) == [f"message {number}" for number in range(20)]
        within(SOON_S, lambda: stack.broker.ctl("list_queues", "messages").split()[-1] == "0", "all are acknowledged")
    assert not errors()


def test_client_survives_a_restart_of_haproxy(stack: Stack, errors: Callable[[], str]) -> None:
    """HAProxy dies and comes back while a client publishes: it goes on, and every confirmed message is there."""
    count = 2_000
    with stack.client("publish", str(count)) as publisher:
        before = stack.sent()
        within(SOON_S, lambda: stack.sent() > before + 100_000, "some hundred messages on their way")
        publisher.send_signal(signal.SIGSTOP)
        assert publisher.poll() is None, "it published everything before HAProxy died"
        stack.kill_balancer()
        publisher.send_signal(signal.SIGCONT)
        within(SOON_S, lambda: "lost the connection" in errors(), "the client notices")
        stack.start_balancer()
        assert publisher.wait(2 * SOON_S) == 0, errors()
    with stack.client("consume") as consumer:
        assert set(messages(consumer, count)) == {f"message {number}" for number in range(count)}


def test_client_waits_for_its_queue(stack: Stack, errors: Callable[[], str]) -> None:
    """A consumer whose queue is not there, as in a cluster that is not whole yet, tries until it is."""
    stack.broker.ctl("delete_queue", "orders")
    with stack.client("consume") as consumer:
        within(SOON_S, lambda: "no queue 'orders'" in errors(), "the client is refused")
        stack.declare()
        with stack.client("publish", "1") as publisher:
            assert publisher.wait(SOON_S) == 0, errors()
        assert messages(consumer, 1) == ["message 0"]
