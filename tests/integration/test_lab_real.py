"""The lab on this machine: its network, its faults, and that nothing of it is left, whoever is killed when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from designs import design

from integration.lab import cgroups, down, names
from integration.lab.network import CLIENTS, Network
from integration.lab.record import Record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("ip", "nft", "nsenter"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces"),
]

LAB = "test-lab-real"
TOPOLOGY = design()

CONNECT = """
import socket, sys
tried = socket.socket()
tried.settimeout(0.4)
try:
    tried.connect((sys.argv[1], 9))
except ConnectionRefusedError:
    print("reached")
except OSError as error:
    print(type(error).__name__)
"""
LISTEN = """
import socket, sys
group, address, wait = sys.argv[1], sys.argv[2], float(sys.argv[3])
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(("", 5000))
heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(address))
heard.settimeout(wait)
print("ready", flush=True)
count = 0
try:
    while True:
        heard.recv(100)
        count += 1
except TimeoutError:
    print(count)
"""
SEND = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    sender.sendto(b"x", (sys.argv[1], 5000))
"""
GROUP = "224.0.0.18"  # VRRP's, RFC 5798 5.1.1.2


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for labs of this test's own; whatever happens, they are taken down."""
    folder = tmp_path / "labs"
    monkeypatch.setenv("RMQHA_LAB_STATE", str(folder))
    yield folder
    for name in names():
        down(name)


@pytest.fixture
def network(state: Path) -> Network:
    """The network of five hosts, without the hosts."""
    assert not state.exists()
    record = Record(LAB)
    record.begin()
    made = Network(LAB, TOPOLOGY, record)
    made.make()
    return made


def inside(network: Network, host: str, code: str, *arguments: object) -> list[str]:
    """The command line that runs Python *code* with the network of *host*."""
    where = ["ip", "netns", "exec", network.namespace(host)]
    return [*where, sys.executable, "-I", "-c", code, *map(str, arguments)]


def reaches(network: Network, source: str, target: str) -> bool:
    """Whether a connection from *source* is answered by *target*, where nobody listens."""
    line = inside(network, source, CONNECT, TOPOLOGY.ip(target))
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip() == "reached"


def heard(network: Network, source: str, target: str, count: int = 1) -> int:
    """How many of *count* multicast packets of *source* arrive at *target*."""
    listen = inside(network, target, LISTEN, GROUP, TOPOLOGY.ip(target), 0.4)
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout
        assert listener.stdout.readline() == "ready\n"
        subprocess.run(inside(network, source, SEND, GROUP, TOPOLOGY.ip(source), count), check=True)
        return int(listener.stdout.read())


def left() -> list[str]:
    """What there is on this machine by the name of this test's lab."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    namespaces = [path.name for path in Path("/run/netns").glob("*")] if Path("/run/netns").is_dir() else []
    groups = [str(path) for path in Path("/sys/fs/cgroup").rglob(LAB)]
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if f"/{LAB}/" in text or f".{LAB}" in text:
            commands.append(text)
    return [what for what in (*mounts, *namespaces, *groups, *commands) if LAB in what]


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for *condition*."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def test_network_has_no_way_out(network: Network) -> None:
    """Hosts and clients reach each other; no interface is in the machine's own namespace, and no route leads on."""
    assert reaches(network, "r1", "lb2")
    assert reaches(network, CLIENTS, "r1")
    here = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout)
    assert not {link["ifname"] for link in here} & {network.port(host) for host in TOPOLOGY.hosts}
    for host in (*TOPOLOGY.hosts, CLIENTS):
        command = ["ip", "-n", network.namespace(host), "route", "show", "default"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_cuts_are_one_way_and_end_one_by_one(network: Network) -> None:
    """What a cut drops arrives nowhere, multicasts neither; the other cut stays when one ends."""
    with network.cut(["lb1"], ["lb2", CLIENTS]):
        assert heard(network, "lb1", "lb2") == 0
        assert heard(network, "lb2", "lb1") == 1
        assert heard(network, "lb1", "r1") == 1
        with network.cut(["r1"], ["r2"]):
            assert not reaches(network, "r1", "r2")
        until(lambda: reaches(network, "r1", "r2"))  # when it asks for the hardware address again, once a second
        assert not reaches(network, CLIENTS, "lb1")
    assert heard(network, "lb1", "lb2") == 1
    until(lambda: reaches(network, CLIENTS, "lb1"))


def test_cuts_of_a_process_that_died_can_be_healed(network: Network) -> None:
    """Its rules stay when it is killed; whoever comes next takes them away."""
    cut = network.cut(["r1"], ["r2"])
    cut.__enter__()
    assert not reaches(network, "r1", "r2")
    network.heal()
    until(lambda: reaches(network, "r1", "r2"))
    cut.__exit__(None, None, None)


def test_losses_are_of_the_share_that_is_asked(network: Network) -> None:
    """A third of the packets to and from one host, and none of the others'."""
    with network.lose("lb1", 1 / 3):
        # 2000 packets: the share that arrives has a standard deviation of 0.011.
        assert heard(network, "r1", "lb1", 2000) / 2000 == pytest.approx(2 / 3, abs=0.06)
        assert heard(network, "lb1", "r1", 2000) / 2000 == pytest.approx(2 / 3, abs=0.06)
        assert heard(network, "r1", "r2", 200) == 200
    with network.lose("lb1", 1):
        assert heard(network, "r1", "lb1", 10) == 0


def test_pulled_cable_is_seen_by_its_host(network: Network) -> None:
    """No carrier while it is out, and all as before when it is back."""
    network.links(["r1"], up=False)
    flags = ["ip", "-n", network.namespace("r1"), "-o", "link", "show", "eth0"]
    assert "NO-CARRIER" in subprocess.run(flags, capture_output=True, text=True, check=True).stdout
    assert not reaches(network, "r2", "r1")
    network.links(["r1"], up=True)
    until(lambda: reaches(network, "r2", "r1"))


def test_host_that_had_no_power_has_forgotten_its_addresses(network: Network) -> None:
    """The kernel is a new one: a virtual address it had is not there, and what the design gives it is."""
    inside_r1 = ["ip", "-n", network.namespace("lb1")]
    subprocess.run([*inside_r1, "address", "add", "10.0.0.100/24", "dev", "eth0"], check=True)
    before = subprocess.run([*inside_r1, "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert network.owners(["lb1", "lb2"], "10.0.0.100") == ["lb1"]
    network.unplug("lb1")
    network.plug_in("lb1")
    assert network.owners(["lb1", "lb2"], "10.0.0.100") == []
    assert network.owners(TOPOLOGY.hosts, "10.0.0.14") == ["lb1"]
    after = subprocess.run([*inside_r1, "-o", "link"], capture_output=True, text=True, check=True).stdout
    hardware = [text.split("link/ether ")[1].split()[0] for text in (before, after)]
    assert hardware[0] == hardware[1]
    until(lambda: reaches(network, "r1", "lb1"))


def test_nothing_is_left_of_a_network(network: Network) -> None:
    """Nor of a client in it that nobody ended; taking it down again finds none."""
    with subprocess.Popen(["ip", "netns", "exec", network.clients, "sleep", "60"]) as client:
        until(
            lambda: (
                str(client.pid)
                in subprocess.run(
                    ["ip", "netns", "pids", network.clients], capture_output=True, text=True, check=True
                ).stdout.split()
            )
        )
        assert down(LAB)
        assert client.wait(10) == -signal.SIGKILL
    assert left() == []
    assert not down(LAB)


@pytest.mark.needs("systemd-nspawn", "mmdebstrap", "setpriv")
@pytest.mark.parametrize("moment", ["network", "launch", "booting", "installing"])
def test_nothing_is_left_when_its_maker_is_killed(state: Path, moment: str) -> None:
    """By kill -9 of ``lab up`` at any moment, then ``lab down``: no mount, namespace, process, group or file of it."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "rmqha_model", "lab"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    record = Record(LAB)
    begun = {
        "network": lambda: bool(left()),
        "launch": lambda: bool(record.noted("cgroup")),
        "booting": lambda: len(record.noted("process")) == 3,
        "installing": lambda: any("installing on" in line for line in told),
    }
    told: list[str] = []
    up = [*command, "up", str(root / "examples/no-vip.yaml"), "--name", LAB]
    with subprocess.Popen(up, env=environment, stderr=subprocess.PIPE, text=True, bufsize=1) as maker:
        assert maker.stderr
        os.set_blocking(maker.stderr.fileno(), False)

        def come() -> bool:
            assert maker.poll() is None, told
            told.extend(iter(maker.stderr.readline, "") if maker.stderr else ())
            return begun[moment]()

        until(come, timeout_s=300)  # the first one on a machine makes the root
        if moment == "installing":
            time.sleep(2)
        maker.kill()
    assert left() != []
    done = subprocess.run([*command, "down", LAB], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert left() == []
    assert not (state / LAB).exists()
    assert not list(cgroups.mounted().glob(f"rmqha/{LAB}"))


@pytest.mark.needs("systemd-nspawn", "mmdebstrap", "setpriv")
@pytest.mark.parametrize(("number", "later_s"), [(signal.SIGINT, 0), (signal.SIGTERM, 4)])
def test_interrupted_maker_takes_down_what_it_made(state: Path, number: int, later_s: float) -> None:
    """Ctrl-C while hosts boot, or a polite end while they install: the command takes all away, and says 130."""
    root = Path(__file__).resolve().parents[2]
    record = Record(LAB)
    command = [sys.executable, "-m", "rmqha_model", "lab", "up", str(root / "examples/no-vip.yaml"), "--name", LAB]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as maker:
        until(lambda: len(record.noted("process")) == 3, timeout_s=300)
        time.sleep(later_s)
        maker.send_signal(number)
        _, said = maker.communicate(timeout=60)
    assert maker.returncode == 130, said
    assert ("installing on" in said) == bool(later_s)
    assert left() == []
    assert not (state / LAB).exists()
