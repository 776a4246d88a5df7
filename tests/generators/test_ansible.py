"""The Ansible playbook: what it installs, and that Ansible reads and does it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import throwaway
import yaml
from designs import design, secrets_of

from generators import ansible, cluster, firewall, haproxy, identity, keepalived, rabbitmq, system
from rmqha_model.document import load
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from generators.bundle import Artefact

PARTS = (identity, rabbitmq, cluster, haproxy, keepalived, system, firewall)


def installed(topology: Topology) -> list[Artefact]:
    """Everything that is installed on hosts."""
    secrets = secrets_of(topology)
    return [artefact for part in PARTS for artefact in part.artefacts(topology, secrets)]


def playbook(topology: Topology) -> dict[str, Artefact]:
    """The files of the playbook, by path."""
    return {a.path.removeprefix("ansible/"): a for a in ansible.artefacts(topology, installed(topology))}


def write(topology: Topology, place: Path) -> Path:
    """Write the tree of a design, and give the playbook's folder."""
    files = installed(topology)
    for artefact in [*files, *ansible.artefacts(topology, files)]:
        file = place / artefact.tree_path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(artefact.content)
    return place / "_design/ansible"


def call(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Ansible in the playbook's folder, with a HOME of its own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_every_file_of_every_host_is_listed(root: Path) -> None:
    """Host variables name each file with its owner and mode, those with secrets in a list of their own."""
    for path in sorted((root / "examples").glob("*.yaml")):
        topology = load(path, Topology)
        made = playbook(topology)
        files = installed(topology)
        for host in topology.hosts:
            variables = yaml.safe_load(made[f"host_vars/{host}.yml"].content)
            for name, secret in (("rmqha_files", False), ("rmqha_secret_files", True)):
                listed = [(f["path"], f["owner"], f["group"], int(f["mode"], 8)) for f in variables[name]]
                assert listed == [
                    (a.path, a.owner, a.group, a.mode) for a in files if (a.host, a.secret) == (host, secret)
                ]


def test_every_part_is_installed_by_a_play() -> None:
    """No file belongs to a part that no play asks for, and each part that is asked for has somebody who listens."""
    topology = design(rabbitmq={"formation": {"method": "both"}})
    made = playbook(topology)
    plays = yaml.safe_load(made["site.yml"].content)
    parts = {f["part"] for host in topology.hosts for f in variables_of(made, host)}
    text = made["site.yml"].content
    asked = {
        p for p in parts if f"rmqha_part: {p}\n" in text or p in {"kernel", "units", "others", "rsyslog", "haproxy"}
    }
    assert parts - asked == {"hosts", "hostname"}  # these have modules of their own
    listened = {handler["listen"] for play in plays for handler in play.get("handlers", [])}
    assert {f"rmqha {part}" for part in asked} <= listened


def variables_of(made: dict[str, Artefact], host: str) -> list[dict[str, Any]]:
    """The files of a host as the playbook knows them."""
    variables = yaml.safe_load(made[f"host_vars/{host}.yml"].content)
    return [*variables["rmqha_files"], *variables["rmqha_secret_files"]]


@pytest.mark.parametrize(
    ("path", "mode", "part"),
    [
        ("/etc/rabbitmq/rabbitmq.conf", 0o644, "rabbitmq"),
        ("/var/lib/rabbitmq/.erlang.cookie", 0o400, "rabbitmq"),
        ("/etc/rabbitmq/definitions.json", 0o640, "others"),
        ("/etc/systemd/system/rabbitmq-server.service.d/rmqha.conf", 0o644, "rabbitmq"),
        ("/etc/systemd/system/haproxy.service.d/rmqha.conf", 0o644, "units"),
        (cluster.JOIN, 0o755, "others"),
    ],
)
def test_parts(path: str, mode: int, part: str) -> None:
    """What makes a broker restart is its own configuration, not the scripts and definitions beside it."""
    assert ansible.part_of(path, mode) == part


def test_only_builtin_modules() -> None:
    """ansible-core alone runs it."""
    for name in ("site.yml", "tasks/files.yml"):
        text = playbook(design())[name].content
        used = {
            line.strip(" -:") for line in text.splitlines() if line.strip(" -").startswith(("ansible.", "community."))
        }
        assert all(module.startswith("ansible.builtin.") for module in used)


def test_secrets_are_not_logged_and_not_inside() -> None:
    """The task that copies secrets says nothing, and no file of the playbook holds one."""
    topology = design()
    made = playbook(topology)
    plain, secret = yaml.safe_load(made["tasks/files.yml"].content)
    assert (secret["no_log"], secret["diff"]) == (True, False)
    assert "rmqha_secret_files" in secret["loop"]
    assert "rmqha_files" in plain["loop"]
    values = set(secrets_of(topology).values())
    assert not any(value in a.content for a in made.values() for value in values)


@pytest.mark.parametrize(
    ("release", "method", "wanted"),
    [
        ("3.12", "classic_config", "seed_first"),
        ("3.13", "classic_config", "mutual"),
        ("4.0", "both", "mutual"),
        ("4.0", "join_script", "none"),
    ],
)
def test_how_blank_nodes_are_started(release: str, method: str, wanted: str) -> None:
    """From 3.13 blank nodes wait for each other; before, one that finds nobody makes a cluster of its own."""
    topology = design(versions={"rabbitmq": release}, rabbitmq={"formation": {"method": method}})
    assert yaml.safe_load(playbook(topology)["group_vars/all.yml"].content)["rmqha_discovery"] == wanted


AWKWARD = {"no": "10.0.0.1/24", "10": "10.0.0.2/24", "1e3": "10.0.0.3/24", "a.b": "10.0.0.4/24", "0x1f": "fd00::5/64"}


@pytest.mark.slow
@pytest.mark.needs("ansible-playbook", "ansible-inventory")
def test_ansible_reads_it(tmp_path: Path) -> None:
    """The playbook's syntax is right, and hosts keep their names, also those YAML takes for numbers and truths."""
    topology = Topology.model_validate(
        {"name": "awkward", "hosts": AWKWARD, "rabbitmq": {"nodes": ["10", "no", "1e3"], "formation": {"seed": "no"}}}
    )
    folder = write(topology, tmp_path)
    ran = call(folder, "ansible-playbook", "--syntax-check", "site.yml")
    assert ran.returncode == 0, ran.stderr
    listed = json.loads(call(folder, "ansible-inventory", "--list").stdout)
    assert {h: v["ansible_host"] for h, v in listed["_meta"]["hostvars"].items()} == {
        h: a[:-3] for h, a in AWKWARD.items()
    }
    assert listed["rmqha_brokers"]["hosts"] == ["no", "10", "1e3"]
    assert listed["rmqha_seed"]["hosts"] == ["no"]


@pytest.mark.slow
@pytest.mark.needs("ansible-playbook", "unshare")
def test_the_tasks_do_what_they_say(tmp_path: Path) -> None:
    """Names are merged into /etc/hosts and files get owner and mode; a second run changes nothing."""
    folder = write(design(), tmp_path / "tree")
    play = yaml.safe_load((folder / "site.yml").read_text())[0]
    names = [task for task in play["tasks"] if "/etc/hosts" in json.dumps(task)]
    copies = {"name": "Copy", "ansible.builtin.include_tasks": "tasks/files.yml", "vars": {"rmqha_part": "kernel"}}
    fewer = {**play, "hosts": "r1", "tasks": [*names, copies]}
    fewer["handlers"] = [{"name": "Hear", "listen": "rmqha kernel", "ansible.builtin.debug": {"msg": "heard"}}]
    (folder / "fewer.yml").write_text(yaml.safe_dump([fewer], sort_keys=False))
    script = """
        export LC_ALL=C.UTF-8
        printf '127.0.0.1 localhost r1\\n127.0.1.1 r1\\n10.1.1.1 printer\\n' >/etc/hosts
        cd /root/tree/_design/ansible
        for _ in 1 2; do
            ansible-playbook fewer.yml -e ansible_connection=local -e ansible_python_interpreter=/usr/bin/python3 \
                >/tmp/said 2>&1 || cat /tmp/said
            grep -o 'changed=[0-9]*.*failed=[0-9]*' /tmp/said
        done
        cat /etc/hosts
        stat -c '%U %a' /etc/sysctl.d/60-rmqha.conf
    """
    ran = throwaway.run(tmp_path, script, bring={tmp_path / "tree": "/root/tree"}, host="r1")
    lines = [line for line in ran.stdout.splitlines() if line]
    assert lines[0].startswith("changed=4"), ran.stdout
    assert lines[1].startswith("changed=0"), ran.stdout
    block = [f"10.0.0.{n} {name}" for n, name in enumerate(("r1", "r2", "r3", "lb1", "lb2"), 11)]
    assert lines[2:] == [
        "127.0.0.1 localhost",
        "10.1.1.1 printer",
        "# BEGIN rmqha test",
        *block,
        "# END rmqha test",
        "root 644",
    ]
