"""Drop-ins, sysctl, tmpfiles, rsyslog and logrotate: what is said, what is left out, and that it works."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest
import throwaway
from designs import design, secrets_of
from hypothesis import given
from strategies import topologies

from generators import logs, system
from rmqha_model.document import load
from rmqha_model.topology import Topology

SYSCTL = "/etc/sysctl.d/60-rmqha.conf"
RSYSLOG = "/etc/rsyslog.d/49-haproxy.conf"
TMPFILES = "/etc/tmpfiles.d/rmqha.conf"


def files(topology: Topology, host: str = "lb1") -> dict[str, str]:
    """What a host gets: path to text."""
    return {a.path: a.content for a in system.artefacts(topology, secrets_of(topology)) if a.host == host}


def unit(topology: Topology, host: str, name: str) -> dict[str, str]:
    """The settings of a drop-in, whatever their section."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(files(topology, host).get(system.DROP_INS[name], ""))
    return {key: value for section in parser.sections() for key, value in parser[section].items()}


def kernel(topology: Topology, host: str) -> dict[str, str]:
    """The kernel settings of a host."""
    lines = files(topology, host).get(SYSCTL, "").splitlines()
    return dict(line.split(" = ", 1) for line in lines if line and not line.startswith("#"))


def test_rabbitmq_may_wait_for_its_peers() -> None:
    """A start may take 600 s, a death is followed by a restart, and there is no limit of starts."""
    settings = unit(design(), "r1", "rabbitmq-server")
    assert settings["TimeoutStartSec"] == "600"
    assert (settings["Restart"], settings["RestartSec"]) == ("on-failure", "10")
    assert settings["StartLimitIntervalSec"] == "0"
    assert settings["LimitNOFILE"] == "65536"


@pytest.mark.parametrize(
    ("release", "limit"),
    [("3.8.35", "600"), ("3.9", "600"), ("3.9.1", "infinity"), ("3.9.2", "600"), ("3.9.5", "600"), ("4.0", "600")],
)
def test_a_paused_node_is_not_killed(release: str, limit: str) -> None:
    """RabbitMQ 3.9.0 and 3.9.1 seem to stop while they are paused in a minority: they get all the time there is."""
    topology = design(versions={"rabbitmq": release})
    assert unit(topology, "r1", "rabbitmq-server")["TimeoutStopSec"] == limit


@pytest.mark.parametrize(
    ("maxconn", "limit"), [(None, "65536"), (20_000, "65536"), (100_000, str(2 * 100_000 + system.HAPROXY_OWN_FILES))]
)
def test_haproxy_gets_the_files_its_connections_need(maxconn: int | None, limit: str) -> None:
    """The limit of open files follows the limit of connections where the design's own is too low."""
    topology = design(haproxy={"global": {"maxconn": maxconn}})
    assert unit(topology, "lb1", "haproxy")["LimitNOFILE"] == limit


def test_keepalived_is_restarted_when_it_failed_only() -> None:
    """Whoever stops keepalived on purpose finds it stopped; one that was killed comes back, after HAProxy."""
    settings = unit(design(), "lb1", "keepalived")
    assert settings["Restart"] == "on-failure"
    assert "haproxy.service" in settings["After"]


def test_without_supervision_only_limits_are_left() -> None:
    """`supervise: false` leaves the units as the packages have them, but for open files."""
    topology = design(os={"supervise": False})
    assert unit(topology, "r1", "rabbitmq-server") == {"LimitNOFILE": "65536"}
    assert unit(topology, "lb1", "haproxy") == {"LimitNOFILE": "65536"}
    assert unit(topology, "lb1", "keepalived") == {}


def test_null_leaves_a_kernel_setting_alone() -> None:
    """What is null is not written; with nothing to write there is no file."""
    names = ("tcp_retries2", "tcp_keepalive_time", "tcp_keepalive_interval", "tcp_keepalive_probes", "somaxconn")
    assert SYSCTL not in files(design(os=dict.fromkeys(names)), "r1")
    assert kernel(design(os={"tcp_retries2": None}), "r1")["net.ipv4.tcp_keepalive_time"] == "60"


def test_the_users_own_kernel_settings_win() -> None:
    """Further settings are added, and replace those the model would write."""
    own = {"vm.swappiness": 1, "net.ipv4.tcp_retries2": "9"}
    settings = kernel(design(os={"sysctl": own}), "r1")
    assert (settings["vm.swappiness"], settings["net.ipv4.tcp_retries2"]) == ("1", "9")


@pytest.mark.parametrize(
    ("bind", "os", "host", "wanted"),
    [
        ("any", {}, "lb1", None),
        ("vip", {}, "lb1", "1"),
        ("vip", {}, "r1", None),
        ("vip", {"ip_nonlocal_bind": False}, "lb1", "0"),
        ("any", {"ip_nonlocal_bind": True}, "r1", "1"),
    ],
)
def test_binding_the_virtual_address(bind: str, os: dict[str, Any], host: str, wanted: str | None) -> None:
    """A load balancer that binds the VIP may bind it without owning it; what the design says itself goes first."""
    topology = design(os=os, haproxy={"listeners": {"amqp": {"kind": "amqp", "bind": bind}}})
    assert kernel(topology, host).get("net.ipv4.ip_nonlocal_bind") == wanted
    assert "net.ipv6.ip_nonlocal_bind" not in kernel(topology, host)


def test_a_host_may_differ() -> None:
    """A host with settings of its own has files of its own; the others share theirs."""
    topology = design(hosts={"r3": {"address": "10.0.0.13/24", "os": {"tcp_retries2": 4}}})
    assert kernel(topology, "r3")["net.ipv4.tcp_retries2"] == "4"
    assert kernel(topology, "r1")["net.ipv4.tcp_retries2"] == "6"
    texts = {id(a.content) for a in system.artefacts(topology, secrets_of(topology)) if a.path == SYSCTL}
    assert len(texts) == 3  # brokers, the broker that differs, load balancers


def test_folders_that_no_package_brings() -> None:
    """A chroot and a folder for the socket are made where the packages have none."""
    assert TMPFILES not in files(design(), "lb1")
    assert "d /run/haproxy 0755 root root -\n" in files(design(os={"family": "rpm"}), "lb1")[TMPFILES]
    own = {"chroot": "/srv/jail", "stats_socket": "/run/proxy/admin.sock", "pidfile": "/run/haproxy.pid"}
    text = files(design(haproxy={"global": own}), "lb1")[TMPFILES]
    assert [line for line in text.splitlines() if line.startswith("d ")] == [
        "d /srv/jail 0755 root root -",
        "d /run/proxy 0755 root root -",
    ]


@pytest.mark.parametrize(
    ("target", "chroot", "line"),
    [
        ("/dev/log", "/srv/jail", 'input(type="imuxsock" Socket="/srv/jail/dev/log" CreatePath="on")'),
        ("127.0.0.1", "/srv/jail", 'input(type="imudp" address="127.0.0.1" port="514")'),
        ("localhost", None, 'input(type="imudp" address="127.0.0.1" port="514")'),
    ],
)
def test_rsyslog_listens_where_haproxy_logs(target: str, chroot: str | None, line: str) -> None:
    """A socket inside the chroot, or UDP on the loopback."""
    made = files(design(haproxy={"global": {"log": [{"target": target}], "chroot": chroot}}), "lb1")
    assert line in made[RSYSLOG].splitlines()
    assert ("imudp" in made[RSYSLOG]) is ("imudp" in line)


@pytest.mark.parametrize("target", ["10.9.9.9", "stdout", "loghost.example"])
def test_a_log_that_goes_elsewhere_needs_nothing_here(target: str) -> None:
    """No rsyslog and no logrotate file for a log that is kept by somebody else."""
    made = files(design(haproxy={"global": {"log": [{"target": target}]}}), "lb1")
    assert RSYSLOG not in made
    assert logs.LOGROTATE not in made


def test_the_tutorial_is_left_untouched(root: Path) -> None:
    """The tutorial's design asks for nothing of the system but what HAProxy needs."""
    article = load(root / "examples/article.yaml", Topology)
    assert sorted(files(article, "rabbit1")) == [logs.LOGROTATE, RSYSLOG, TMPFILES]
    assert files(article, "rabbit3") == {}


@given(topology=topologies())
def test_nothing_is_written_twice(topology: Topology) -> None:
    """Any valid design gives each host each file once, each with its header."""
    seen: set[tuple[str | None, str]] = set()
    for artefact in system.artefacts(topology, secrets_of(topology)):
        assert (artefact.host, artefact.path) not in seen
        seen.add((artefact.host, artefact.path))
        assert "Generated by rmqha from the design" in artefact.content.splitlines()[1]


LOGGING = r"""
if [ -e /etc/tmpfiles.d/rmqha.conf ]; then systemd-tmpfiles --create /etc/tmpfiles.d/rmqha.conf; fi
rsyslogd -N1 2>/dev/null
rsyslogd
for _ in $(seq 50); do [ -S /dev/log ] && break; sleep 0.1; done
cat >/tmp/haproxy.cfg <<END
global
    LOG
    CHROOT
defaults
    log global
    mode http
    option httplog
    timeout connect 1s
    timeout client 1s
    timeout server 1s
listen door
    bind 127.0.0.1:7777
    stats enable
    stats uri /stats
END
haproxy -D -f /tmp/haproxy.cfg -p /tmp/haproxy.pid
exec 3<>/dev/tcp/127.0.0.1/7777
printf 'GET /stats HTTP/1.0\r\n\r\n' >&3
cat <&3 >/dev/null
for _ in $(seq 50); do [ -s /var/log/haproxy.log ] && break; sleep 0.1; done
echo "lines: $(grep -c 'GET /stats' /var/log/haproxy.log)"
echo "elsewhere: $(grep -l 'GET /stats' /var/log/syslog /var/log/messages 2>/dev/null | wc -l)"
logrotate --force --state /tmp/state /etc/logrotate.conf && echo rotated
ls /var/log/haproxy.log.1
"""


@pytest.mark.slow
@pytest.mark.needs("haproxy", "rsyslogd", "logrotate", "systemd-tmpfiles", "unshare")
@pytest.mark.parametrize(
    "settings",
    [
        {"log": [{"target": "/dev/log"}], "chroot": "/var/lib/haproxy"},
        {"log": [{"target": "127.0.0.1"}], "chroot": "/srv/jail"},
        {"log": [{"target": "/dev/log"}], "chroot": None},
    ],
    ids=["socket in the chroot", "UDP", "no chroot"],
)
def test_haproxys_log_arrives_once(tmp_path: Path, settings: dict[str, Any]) -> None:
    """A request shows up in the log file once and nowhere else, and the file is rotated, beside the packages' files."""
    for path, text in files(design(haproxy={"global": settings}), "lb1").items():
        place = tmp_path / "files" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    script = LOGGING.replace("LOG\n", f"log {settings['log'][0]['target']} local0\n", 1)
    script = script.replace("CHROOT", f"chroot {settings['chroot']}" if settings["chroot"] else "")
    ran = throwaway.run(tmp_path, script, bring={tmp_path / "files": "/"})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines() == ["lines: 1", "elsewhere: 0", "rotated", "/var/log/haproxy.log.1"]
