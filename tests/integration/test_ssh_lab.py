"""The hosts of a lab reached by ssh, as a user's own are: looked at without a change, broken, and left alone with it.

Runs on a lab that is up, which ``RMQHA_LAB`` names, of a design with load balancers and a virtual address; it starts a
sshd on each host. Everything goes from the clients' place in the lab:

    rmqha lab up examples/article-fixed.yaml --name NAME
    RMQHA_LAB=NAME pytest tests/integration/test_ssh_lab.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs("ssh", "ssh-keygen", "systemd-nspawn", "nsenter")]

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 15
STATE = r"""
for unit in rabbitmq-server haproxy keepalived; do systemctl show --property InvocationID,ActiveState "$unit"; done
find /etc /usr/local /var/lib/rabbitmq/.erlang.cookie -type f -newer "$1"
nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
systemctl list-timers --all --no-legend --plain 'rmqha*'
ls /run/rmqha 2>/dev/null
rabbitmqctl -q list_vhosts; rabbitmqctl -q list_users; rabbitmqctl -q list_policies; rabbitmqctl -q list_queues name
true
"""


@pytest.fixture(scope="module")
def lab() -> Any:
    """The lab that ``RMQHA_LAB`` names."""
    name = os.environ.get("RMQHA_LAB")
    if not name:
        pytest.skip("no lab to log in to: RMQHA_LAB=NAME names one that is up")
    from integration.lab import find

    return find(name)


@pytest.fixture(scope="module")
def folder(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A design, its secrets, an inventory and a key, of which all hosts know."""
    from integration.lab.adapt import document_of

    folder = tmp_path_factory.mktemp("ssh")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], check=True)
    public = (folder / "id.pub").read_text()
    known = []
    for name, host in lab.hosts.items():
        host.check("ssh-keygen", "-A")
        host.check("sh", "-c", "umask 077; mkdir -p /root/.ssh; cat >/root/.ssh/authorized_keys", stdin=public)
        host.check("systemctl", "enable", "--quiet", "--now", "ssh")
        key = host.check("cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
        known.append(f"{lab.topology.ip(name)} {key[0]} {key[1]}\n")
    (folder / "known").write_text("".join(known))
    (folder / "ssh_config").write_text(f"UserKnownHostsFile {folder}/known\n")
    (folder / "hosts.yaml").write_text("ssh_config: ssh_config\nidentity: id\n")
    (folder / "topology.json").write_text(json.dumps(document_of(lab.topology)))
    secrets = folder / "secrets.yaml"
    secrets.touch(mode=0o600)
    secrets.write_text((lab.record.folder / "secrets.yaml").read_text())
    yield folder
    for host in lab.hosts.values():
        host.run("systemctl", "disable", "--quiet", "--now", "ssh")
        host.run("rm", "-f", "/root/.ssh/authorized_keys")


def run(lab: Any, folder: Path, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Run Python where the clients are."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state")}
    environment.pop("SSH_AUTH_SOCK", None)
    command = lab.client_command(sys.executable, *words)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=timeout_s)


def state(lab: Any) -> dict[str, str]:
    """What nobody who only looks may change."""
    return {name: host.check("sh", "-c", STATE, "sh", "/root/.ssh/authorized_keys") for name, host in lab.hosts.items()}


def test_looking_finds_all_well_and_changes_nothing(lab: Any, folder: Path) -> None:
    """The whole suite but its faults passes by ssh, and services, files, rules and definitions are as before."""
    before = state(lab)
    done = run(
        lab, folder, "-m", "rmqha_model", "lab", "test", f"{folder}/topology.json", "--ssh", f"{folder}/hosts.yaml"
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "test_client_publishes_and_consumes" in done.stdout
    assert "failed" not in done.stdout.splitlines()[-1]
    assert state(lab) == before


def test_faults_need_a_word(lab: Any, folder: Path) -> None:
    """To name one is not enough."""
    words = ("-m", "rmqha_model", "lab", "test", f"{folder}/topology.json", "--ssh", f"{folder}/hosts.yaml")
    done = run(lab, folder, *words, "--faults", "keepalived_stop")
    assert done.returncode == 2
    assert "allowed: with --allow-faults too" in done.stderr


def test_a_fault_is_seen_and_undone(lab: Any, folder: Path) -> None:
    """A scenario runs by ssh, with observers that look by ssh: the address moves, and nothing is left behind."""
    if not lab.topology.vrrp_hosts:
        pytest.skip("the design has no virtual address")
    script = """
        import json, sys
        from pathlib import Path
        from integration.run import run
        from integration.ssh import opened
        from rmqha_model.cases import chosen
        folder = Path(sys.argv[1])
        with opened(folder / "topology.json", folder / "hosts.yaml", allow_faults=True) as stack:
            (case,) = chosen(stack.topology, ["keepalived_stop-vip_owner"])
            timeline = run(stack, case.scenario)
        print(json.dumps([event.row() for event in timeline.events if event.kind in {"vip", "fault_began"}]))
    """
    before = state(lab)
    done = run(lab, folder, "-c", textwrap.dedent(script), str(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads(done.stdout.splitlines()[-1])
    (began,) = [row for row in rows if row["event"] == "fault_began"]
    after = [(row["host"], row["held"]) for row in rows if row["event"] == "vip" and row["t"] > began["t"]]
    assert after[0] == (began["hosts"][0], False)
    assert any(held and host != began["hosts"][0] for host, held in after)
    now = state(lab)
    assert [text.count("=active") for text in now.values()] == [text.count("=active") for text in before.values()]
    assert not any("rmqha_fault" in text or ".timer" in text or ".sh" in text for text in now.values())


def test_hosts_that_hear_nothing_undo_everything_alone(lab: Any, folder: Path) -> None:
    """As long as the program is there faults stay, though they last longer than a lease; when it is killed they go."""
    script = """
        import os, signal, sys, time
        from pathlib import Path
        from pydantic import TypeAdapter
        from integration.faults import Faults
        from integration.ssh import opened, switch
        from rmqha_model.faults import AnyFault
        folder, switch.LEASE_S = Path(sys.argv[1]), int(sys.argv[2])
        switch.RENEW_S = switch.LEASE_S // 3
        stack = opened(folder / "topology.json", folder / "hosts.yaml", allow_faults=True)
        faults = Faults(stack)
        faults.__enter__()
        vrrp, balancer, *_ = stack.topology.vrrp_hosts
        for row in (
            {"fault": "keepalived_stop", "host": vrrp},
            {"fault": "haproxy_cannot_start", "host": balancer},
            {"fault": "packet_loss", "host": vrrp, "share": 0.01},
        ):
            faults.begin(TypeAdapter(AnyFault).validate_python({**row, "at": "0s"}))
        time.sleep(2 * switch.LEASE_S)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    if len(lab.topology.vrrp_hosts) < 2:
        pytest.skip("the design has no two hosts with a virtual address")
    vrrp, balancer, *_ = lab.topology.vrrp_hosts
    look = "systemctl is-active keepalived haproxy; nft list tables | grep -c rmqha_fault; tail -n1 /etc/haproxy/*.cfg"
    before = [lab.hosts[name].run("sh", "-c", look).out for name in (vrrp, balancer)]
    done = run(lab, folder, "-c", textwrap.dedent(script), str(folder), str(LEASE_S))
    assert done.returncode in {-9, 137}, done.stderr[-3000:]
    broken = [lab.hosts[name].run("sh", "-c", look).out.splitlines() for name in (vrrp, balancer)]
    assert broken[0][:3] == ["inactive", "active", "1"]
    assert broken[1][1] == "inactive"
    assert "added by rmqha: a fault" in broken[1][3]
    deadline = time.monotonic() + LEASE_S + 20
    while time.monotonic() < deadline:
        after = [lab.hosts[name].run("sh", "-c", look).out for name in (vrrp, balancer)]
        if after == before:
            break
        time.sleep(1)
    assert after == before
    # The next program that has faults here learns what was left, and finds it undone.
    script = """
        import sys
        from pathlib import Path
        from integration.faults import sweep
        from integration.ssh import opened
        folder = Path(sys.argv[1])
        with opened(folder / "topology.json", folder / "hosts.yaml") as stack:
            print("; ".join(sweep(stack)))
    """
    swept = run(lab, folder, "-c", textwrap.dedent(script), str(folder))
    assert swept.stdout.count("left by a program that was ended: undone") == 3, swept.stdout + swept.stderr
