"""The lab's parts that need no lab: its record, its addresses, its mirrors, its places."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from designs import design

from integration.errors import LabError
from integration.lab import mirrors, plan, processes, roots, stats
from integration.lab.confidential import secrets_of
from integration.lab.inside import within
from integration.lab.mirrors import Mirror, parse_targets, sources
from integration.lab.places import lab_folder
from integration.lab.record import Record
from rmqha_model.document import load
from rmqha_model.topology import Topology

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """The record of a lab that was begun."""
    monkeypatch.setenv("RMQHA_LAB_STATE", str(tmp_path / "labs"))
    begun = Record("one")
    begun.begin()
    return begun


# -- the record -------------------------------------------------------------------------------------


def test_record_reads_back_what_was_noted(record: Record) -> None:
    """Each kind by itself, in its order, by whoever looks."""
    record.note("namespace", name="a")
    record.note("process", pid=1, start=2)
    record.note("namespace", name="b")
    assert [entry["name"] for entry in Record("one").noted("namespace")] == ["a", "b"]
    assert record.of_this_boot


def test_record_survives_a_line_that_was_cut_off(record: Record) -> None:
    """A full disk or a power cut leaves half a line: the others count."""
    record.note("namespace", name="a")
    with (record.folder / "record.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "namesp')
    assert [entry["name"] for entry in record.noted("namespace")] == ["a"]


def test_record_and_its_folders_are_private(record: Record) -> None:
    """Passwords lie beside it."""
    modes = [
        path.stat().st_mode & 0o777 for path in (record.folder.parent, record.folder, record.folder / "record.jsonl")
    ]
    assert modes == [0o700, 0o700, 0o600]


def test_folder_that_others_may_use_is_refused(record: Record) -> None:
    """What others could write, the lab would undo in root's name."""
    record.folder.chmod(0o755)
    with pytest.raises(LabError, match="others may use"):
        record.begin()


def test_only_one_process_works_on_a_lab(record: Record) -> None:
    """The second one is told who the first is; when that one has died it may."""
    code = (
        "import sys; from integration.lab.record import Record\n"
        "with Record('one').held(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LabError, match=f"process {other.pid} is working on it"), record.held():
            pass
        other.kill()
    with record.held():
        pass


@pytest.mark.parametrize("name", ["", "Up", "a_b", "a--b", "../x", "a.b", "a" * 64])
def test_names_that_no_lab_can_have(name: str) -> None:
    """Nothing that would be another folder, or another lab's name when it stands before a host's."""
    with pytest.raises(LabError, match="name of a lab: found"):
        lab_folder(name)


# -- processes --------------------------------------------------------------------------------------


def test_a_number_that_has_another_owner_now_is_left_alone() -> None:
    """A process is who began when it was recorded, not who has its number."""
    with subprocess.Popen(["sleep", "60"]) as other:
        start = processes.start_time(other.pid)
        assert start is not None
        assert not processes.send(other.pid, start - 1, signal.SIGKILL)
        assert processes.alive(other.pid, start)
        assert processes.send(other.pid, start, signal.SIGKILL)
        other.wait()
    assert processes.start_time(other.pid) is None
    assert processes.inner_pid(os.getpid()) is None


# -- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_clients_have_an_address_of_their_own_in_each_network(path: Path) -> None:
    """Nobody else's, and one that a host could have."""
    topology = load(path, Topology)
    addresses = plan.client_addresses(topology)
    assert tuple(a.network for a in addresses) == topology.networks()
    taken = {topology.ip(host) for host in topology.hosts} | set(topology.virtual_ips)
    for address in addresses:
        assert str(address.ip) not in taken
        assert address.ip not in {address.network.network_address, address.network.broadcast_address}


def test_full_network_has_no_place_for_clients() -> None:
    """They come from the others then."""
    hosts = {"r1": {"address": "10.0.0.1/30", "addresses": ["fd00::1/64"]}, "r2": {"address": "10.0.0.2/30"}}
    topology = Topology.model_validate({"hosts": hosts, "rabbitmq": {"nodes": ["r1", "r2"]}})
    assert plan.client_addresses(topology) == (ipaddress.ip_interface("fd00::ffff:ffff:ffff:fffd/64"),)


def test_clients_come_from_where_the_packet_filter_lets_them() -> None:
    """Of a network that is let in in part, from that part; and from one that no host stands in, by a route."""
    topology = design(firewall={"clients": ["10.0.0.64/26", "10.9.0.0/24"]})
    addresses = plan.client_addresses(topology)
    assert [str(a) for a in addresses] == ["10.0.0.125/26", "10.9.0.253/24"]
    assert list(plan.client_routes(topology)) == ["10.0.0.0/24 dev DEV scope link src 10.0.0.125"]
    assert list(plan.host_routes(topology, "r1")) == ["10.9.0.0/24 dev DEV scope link"]


def test_hosts_of_several_networks_reach_each_other() -> None:
    """All stand on one cable: each has a route to the networks of the others, of its own family."""
    topology = design(hosts={"r3": "10.7.0.3/24", "lb2": {"address": "10.0.0.15/24", "addresses": ["fd00::2/64"]}})
    assert list(plan.host_routes(topology, "r1")) == ["10.7.0.0/24 dev DEV scope link"]
    assert list(plan.host_routes(topology, "r3")) == ["10.0.0.0/24 dev DEV scope link"]


# -- mirrors ----------------------------------------------------------------------------------------

TARGETS = """\
http://deb.example/debian/|bookworm|main|Debian|/etc/apt/sources.list.d/none.sources:1
http://deb.example/debian/|bookworm|contrib|Debian|/etc/apt/sources.list.d/none.sources:1
http://deb.example/debian/|bookworm-updates|main|Debian|/etc/apt/sources.list.d/none.sources:1
http://sec.example/debian-security/|bookworm-security|main|Debian|/etc/apt/sources.list.d/none.sources:2
https://elsewhere.example/apt/|nodistro|main|. nodistro|/etc/apt/sources.list.d/other.list:1
file:/srv/debian/|bookworm|main|Debian|/etc/apt/sources.list:3
"""


def test_mirrors_are_those_of_debian_that_apt_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once; what is not Debian's archive is none, and a folder of this machine is not seen inside a root."""
    monkeypatch.setattr(mirrors, "_keyring", lambda _: "/keys.gpg")
    found = parse_targets(TARGETS.splitlines())
    assert found == (
        Mirror("http://deb.example/debian/", security=False, keyring="/keys.gpg"),
        Mirror("http://sec.example/debian-security/", security=True, keyring="/keys.gpg"),
    )
    key = "[signed-by=/keys.gpg]"
    assert sources("trixie", found) == (
        f"deb {key} http://deb.example/debian/ trixie main",
        f"deb {key} http://sec.example/debian-security/ trixie-security main",
    )
    assert sources("sid", found) == (f"deb {key} http://deb.example/debian/ sid main",)


def test_keyring_is_the_one_the_source_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both forms of sources; Debian's own where nothing is named."""
    debian, own = tmp_path / "debian.gpg", tmp_path / "own.gpg"
    debian.touch()
    own.touch()
    monkeypatch.setattr(mirrors, "_KEYRING", str(debian))
    new, old, silent = tmp_path / "a.sources", tmp_path / "b.list", tmp_path / "c.list"
    new.write_text(f"Types: deb\nURIs: http://x/\nSigned-By: {own}\n", encoding="utf-8")
    old.write_text(f"deb [arch=amd64 signed-by={own}] http://x/ trixie main\n", encoding="utf-8")
    silent.write_text("deb http://x/ trixie main\n", encoding="utf-8")
    found = [mirrors._keyring(f"{path}:1") for path in (new, old, silent, tmp_path / "gone")]
    assert found == [str(own), str(own), str(debian), str(debian)]


# -- roots ------------------------------------------------------------------------------------------


def test_root_has_all_that_an_installer_asks_for() -> None:
    """The hosts have no way to a mirror: what install.sh would install must be there."""
    from generators import generate
    from generators.install import packages_of

    for path in EXAMPLES:
        topology = load(path, Topology).model_copy()
        from integration.lab.adapt import adapted

        made = adapted(topology, "trixie").topology
        from designs import secrets_of as fixed

        bundle = generate(made, fixed(made), templates=path.parent)
        for host in made.hosts:
            assert set(packages_of(made, host, bundle.of(host))) <= set(roots.PACKAGES)
    assert "nftables" in roots.PACKAGES


def test_releases_of_a_root_are_read_from_its_packages(tmp_path: Path) -> None:
    """Without epoch and without what Debian added."""
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: keepalived\nStatus: install ok installed\nVersion: 1:2.3.3-1\n\n"
        "Package: haproxy\nDescription: x\n Version: 9.9.9\nVersion: 3.0.11-1+deb13u5\n\n"
        "Package: bash\nVersion: 5.2.1-1\n",
        encoding="utf-8",
    )
    assert roots.releases_in(tmp_path) == {"keepalived": "2.3.3", "haproxy": "3.0.11"}


# -- places, passwords, statistics --------------------------------------------------------------------


def test_links_of_a_host_are_followed_inside_it(tmp_path: Path) -> None:
    """An absolute link means a place in the host, and ``..`` ends at its top."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "var/up").symlink_to("../../../etc")
    (tmp_path / "loop").symlink_to("loop")
    assert within(str(tmp_path), "/var/run/haproxy/admin.sock") == f"{tmp_path}/run/haproxy/admin.sock"
    assert within(str(tmp_path), "/var/up/passwd") == f"{tmp_path}/etc/passwd"
    assert within(str(tmp_path), "/a/../../b") == f"{tmp_path}/b"
    assert within(str(tmp_path), "/loop/x").startswith(str(tmp_path))


def test_secrets_from_elsewhere_are_not_fetched(tmp_path: Path) -> None:
    """A random value stands for each, the same in each process, and nothing is run or read."""
    users = {
        "a": {"password": {"command": ["touch", str(tmp_path / "ran")]}},
        "b": {"password": {"env": "PATH"}},
        "c": {"password": {"literal": "known", "insecure": True}},
        "d": {},
    }
    topology = design(rabbitmq={"users": users})
    values, notes = secrets_of(topology, tmp_path / "secrets.yaml")
    again, _ = secrets_of(topology, tmp_path / "secrets.yaml")
    assert dict(values) == dict(again)
    assert not (tmp_path / "ran").exists()
    assert values[topology.password_of("c")] == "known"
    assert values[topology.password_of("b")] != os.environ["PATH"]
    assert len(notes) == 2


def test_states_are_read_by_the_names_of_columns() -> None:
    """Releases add columns; a state has its count of checks."""
    text = "# pxname,svname,qcur,status,lastchg,\namqp,FRONTEND,,OPEN,,\namqp,r1,0,UP 2/3,7,\namqp,BACKEND,0,UP,7,\n"
    assert stats.parse(text) == {("amqp", "r1"): "UP 2/3"}
