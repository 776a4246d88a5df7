"""haproxy.cfg: what a design says stands in it, and HAProxy does it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from designs import design, merged, secrets_of

from generators import haproxy, keepalived
from rmqha_model.document import load
from rmqha_model.topology import Topology

PATH = "/etc/haproxy/haproxy.cfg"


def config(topology: Topology, host: str = "lb1") -> str:
    """The haproxy.cfg of a host."""
    made = {a.host: a for a in haproxy.artefacts(topology, secrets_of(topology))}
    return made[host].content


def section(text: str, title: str) -> list[str]:
    """The lines of a section."""
    lines = text.split(f"\n{title}\n", 1)[1].split("\n\n", 1)[0]
    return [line.strip() for line in lines.splitlines()]


def test_article_to_the_letter(root: Path) -> None:
    """The tutorial's haproxy.cfg comes out with its values, line by line."""
    text = config(load(root / "examples/article.yaml", Topology), "rabbit1")
    assert section(text, "listen rabbitmq_cluster") == [
        "bind :5671",
        "mode tcp",
        "balance roundrobin",
        "server rabbit1 rabbit1:5672 check inter 5000 rise 2 fall 3 weight 1",
        "server rabbit2 rabbit2:5672 check inter 5000 rise 2 fall 3 weight 1",
        "server rabbit3 rabbit3:5672 check inter 5000 rise 2 fall 3 weight 1",
    ]
    assert section(text, "listen monitor") == [
        "bind :8100",
        "mode http",
        "option httplog",
        "stats enable",
        "stats uri /stats",
        "stats refresh 5s",
    ]
    assert section(text, "global") == [
        "log 127.0.0.1 local0 info",
        "maxconn 4096",
        "chroot /usr/app/haproxy-2.4.3",
        "uid 99",
        "gid 99",
        "daemon",
        "pidfile /usr/app/haproxy-2.4.3/haproxy.pid",
    ]
    assert section(text, "defaults") == [
        "log global",
        "mode tcp",
        "option tcplog",
        "option dontlognull",
        "retries 3",
        "maxconn 2000",
        "timeout connect 5s",
        "timeout client 120s",
        "timeout server 120s",
    ]


def test_defaults_are_sound() -> None:
    """A design that says nothing gets leastconn, an AMQP check, redispatch and sessions that end with their server."""
    text = config(design())
    assert "option redispatch" in section(text, "defaults")
    listen = section(text, "listen amqp")
    assert "balance leastconn" in listen
    assert "tcp-check send-binary 414d515000000901" in listen
    assert listen[-1] == (
        "server r3 10.0.0.13:5672 check inter 2000 fastinter 500 downinter 2000 rise 2 fall 3 "
        "on-marked-down shutdown-sessions"
    )


def test_a_secret_makes_the_file_private() -> None:
    """With a stats login the file is for root only; without one anybody may read it."""
    with_login, *_ = haproxy.artefacts(design(), secrets_of(design()))
    open_page = design(haproxy={"listeners": {"amqp": {"kind": "amqp"}, "stats": {"kind": "stats", "auth": None}}})
    without, *_ = haproxy.artefacts(open_page, secrets_of(open_page))
    assert (with_login.secret, with_login.mode) == (True, 0o600)
    assert (without.secret, without.mode) == (False, 0o644)


def test_hosts_share_one_text() -> None:
    """Load balancers with the same configuration hold the same text, not copies of it."""
    one, two = haproxy.artefacts(design(), secrets_of(design()))
    assert one.content is two.content
    apart = design(haproxy={"listeners": {"amqp": {"kind": "amqp", "bind": "host"}}})
    one, two = haproxy.artefacts(apart, secrets_of(apart))
    assert "bind 10.0.0.14:5672" in one.content
    assert "bind 10.0.0.15:5672" in two.content


def test_http_check_with_a_login() -> None:
    """An HTTP check with a user asks port 15672 with basic authentication."""
    check = {"kind": "http", "path": "/api/health/checks/local-alarms", "user": "watch"}
    topology = design(
        rabbitmq={"users": {"watch": {"tags": ["monitoring"]}}},
        haproxy={"listeners": {"amqp": {"kind": "amqp", "check": check}}},
    )
    listen = section(config(topology), "listen amqp")
    assert any("uri /api/health/checks/local-alarms" in line and "Authorization 'Basic " in line for line in listen)
    assert "check port 15672" in listen[-1]


def test_check_of_another_port_speaks_tls_where_the_port_does() -> None:
    """A check speaks TLS when the port it goes to does, whatever the listener's clients speak."""
    files = {"certificate": "/tls/node.pem", "key": "/tls/node.key", "ca": "/tls/ca.pem"}
    listeners = {
        "amqp": {"kind": "amqp", "check": {"kind": "amqp", "port": 5671}},
        "amqps": {"kind": "amqps", "check": {"kind": "amqp", "port": 5672}},
    }
    text = config(design(rabbitmq={"tls": {"clients": files}}, haproxy={"listeners": listeners}))
    assert " check port 5671 check-ssl verify none inter" in section(text, "listen amqp")[-1]
    assert " check port 5672 inter" in section(text, "listen amqps")[-1]


@pytest.fixture
def running(
    tmp_path: Path, needs: Callable[[str], str]
) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], Path]]]:
    """Start HAProxy on the files of a design, on loopback; give its process and its check script."""
    program = needs("haproxy")
    needs("socat")
    processes: list[subprocess.Popen[bytes]] = []

    def start(**listeners: Any) -> tuple[subprocess.Popen[bytes], Path]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        bare = dict.fromkeys(("chroot", "user", "group"))
        topology = design(
            haproxy={
                "global": {**bare, "log": [], "stats_socket": str(tmp_path / "admin.sock")},
                "listeners": {"amqp": {"kind": "amqp", "port": port, "bind": ["127.0.0.1"], **listeners}},
            }
        )
        (tmp_path / "haproxy.cfg").write_text(config(topology))
        made = {a.path: a for a in keepalived.artefacts(topology, secrets_of(topology)) if a.host == "lb1"}
        script = tmp_path / "check.sh"
        script.write_text(made["/etc/keepalived/check_haproxy.sh"].content)
        script.chmod(0o755)
        process = subprocess.Popen([program, "-db", "-f", str(tmp_path / "haproxy.cfg")], stderr=subprocess.DEVNULL)
        processes.append(process)
        deadline = time.monotonic() + 10
        while not (tmp_path / "admin.sock").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return process, script

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def answers(script: Path) -> tuple[int, str, float]:
    """Exit status, words and duration of a run of a check script."""
    start = time.monotonic()
    done = subprocess.run([script], capture_output=True, text=True, check=False, timeout=10)
    return done.returncode, done.stderr, time.monotonic() - start


def await_stopped(pid: int) -> None:
    """Wait until every thread of a process has stopped; a loaded machine takes its time."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        states = {
            (task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()
        }
        if states == {"T"}:
            return
        time.sleep(0.01)
    pytest.fail("the process did not stop within 10 s")


@pytest.mark.slow
@pytest.mark.needs("haproxy", "socat")
def test_check_script_sees_what_haproxy_does(running: Callable[..., tuple[subprocess.Popen[bytes], Path]]) -> None:
    """The check passes while HAProxy serves, and fails in time when it is frozen and when it is dead."""
    process, script = running()
    status, words, _ = answers(script)
    assert (status, words) == (0, "")
    os.kill(process.pid, signal.SIGSTOP)
    await_stopped(process.pid)
    status, words, took = answers(script)
    assert status == 1
    assert "no answer" in words
    assert took < 2  # keepalived would kill it then
    os.kill(process.pid, signal.SIGCONT)
    assert answers(script)[0] == 0
    process.kill()
    process.wait()
    status, words, _ = answers(script)
    assert status == 1
    assert "no answer" in words


@pytest.mark.slow
@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("bind", ["any", "host", "vip", ["10.0.0.100"]])
def test_haproxy_accepts_every_way_to_bind(
    bind: Any,
    v6: bool,  # noqa: FBT001
    tmp_path: Path,
    needs: Callable[[str], str],
) -> None:
    """Every kind of bind address, in both families, is one HAProxy takes."""
    changes: dict[str, Any] = {"haproxy": {"listeners": {"amqp": {"kind": "amqp", "bind": bind}}}}
    if v6:
        hosts = {name: f"2001:db8::{n}/64" for n, name in enumerate(("r1", "r2", "r3", "lb1", "lb2"), 11)}
        vip = {"instances": {"VI": {"virtual_addresses": ["2001:db8::100/64"]}}}
        changes = merged(changes, {"hosts": hosts, "keepalived": vip})
        if isinstance(bind, list):
            changes["haproxy"]["listeners"]["amqp"]["bind"] = ["2001:db8::100"]
    text = config(design(**changes))
    (tmp_path / "haproxy.cfg").write_text(text)
    done = subprocess.run(
        [needs("haproxy"), "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + text
