"""cloud-init user data: what a first boot is told, byte for byte what the installer needs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import throwaway
import yaml
from designs import design, secrets_of
from hypothesis import given
from hypothesis import strategies as st

from generators import cloudinit, cluster, firewall, haproxy, identity, install, keepalived, rabbitmq, system
from rmqha_model.document import load
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from generators.bundle import Artefact

PARTS = (identity, rabbitmq, cluster, haproxy, keepalived, system, firewall)


def installed(topology: Topology) -> list[Artefact]:
    """Everything that is installed on hosts."""
    secrets = secrets_of(topology)
    return [artefact for part in PARTS for artefact in part.artefacts(topology, secrets)]


def user_data(topology: Topology, files: list[Artefact]) -> dict[str, dict[str, Any]]:
    """The documents, by host."""
    made = cloudinit.artefacts(topology, files)
    return {a.path.removeprefix("cloud-init/").removesuffix(".yaml"): yaml.safe_load(a.content) for a in made}


def test_every_file_is_there_as_it_is(root: Path) -> None:
    """Each host's document holds its files and its installer, unchanged, where the installer looks for them."""
    for path in sorted((root / "examples").glob("*.yaml")):
        topology = load(path, Topology)
        files = installed(topology)
        files += install.artefacts(topology, files)
        for host, document in user_data(topology, [a for a in files if a.path != install.INSTALL]).items():
            wanted = {
                f"{cloudinit.FOLDER}/{a.path.lstrip('/')}": (a.content, f"{a.tree_mode:04o}")
                for a in files
                if a.host == host
            }
            assert {f["path"]: (f["content"], f["permissions"]) for f in document["write_files"]} == wanted
            assert all(f["owner"] == "root:root" for f in document["write_files"])


def test_it_is_secret_and_begins_as_it_must() -> None:
    """cloud-init looks at the first line; the file holds the cookie, so it is for its owner only."""
    topology = design()
    for artefact in cloudinit.artefacts(topology, installed(topology)):
        assert artefact.content.startswith("#cloud-config\n# cloud-init user data")
        assert (artefact.mode, artefact.secret, artefact.host) == (0o600, True, None)


@pytest.mark.parametrize(
    ("host", "scripts"),
    [
        ("r1", [cluster.USERS_SCRIPT, cluster.POLICIES, cluster.QUEUES]),
        ("r2", [cluster.JOIN]),
        ("lb1", []),
    ],
)
def test_commands_follow_the_role(host: str, scripts: list[str]) -> None:
    """First the installer, then what makes the cluster: joiners join, the seed does what is done once."""
    topology = design(rabbitmq={"formation": {"method": "both"}})
    document = user_data(topology, installed(topology))[host]
    commands = "; ".join(["set -e", f"{cloudinit.FOLDER}/install.sh", *scripts])
    assert document["runcmd"] == [["bash", "-c", commands]]
    assert document["hostname"] == host
    assert document["preserve_hostname"] is document["manage_etc_hosts"] is False


@given(text=st.text())
def test_any_text_comes_back(text: str) -> None:
    """Whatever a file holds, cloud-init's YAML reader gives it back: as it is, or in base64."""
    entry = yaml.safe_load(f"- path: /x\n{cloudinit.content_of(text)}- path: /y\n")
    content = entry[0]["content"]
    if entry[0].get("encoding") == "b64":
        content = base64.b64decode(content).decode()
    assert content == text
    assert entry[1] == {"path": "/y"}


@pytest.mark.parametrize(
    "text", ["", "\n", " x\n", "\tx", "a\n\n\n", "a", "#cloud-config\n", "- a: {{ b }}\n", "\r\n", "\x85"]
)
def test_awkward_texts_come_back(text: str) -> None:
    """Leading blanks, no or many line breaks at the end, what looks like YAML, other kinds of line breaks."""
    test_any_text_comes_back.hypothesis.inner_test(text)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.needs("unshare", "haproxy", "keepalived", "rsyslogd")
def test_what_it_writes_can_be_installed(tmp_path: Path) -> None:
    """The files put where the document says, and the command run, make a host of the design."""
    topology = design(
        versions={"rabbitmq": "3.10", "haproxy": "2.6", "keepalived": "2.2"},
        hosts={"lb1": {"address": "10.0.0.14/24", "interface": "ens33"}},
    )
    document = user_data(topology, installed(topology))["lb1"]
    for file in document["write_files"]:
        place = tmp_path / "files" / file["path"].lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file["content"])
        place.chmod(int(file["permissions"], 8))
    network = "ip link add ens33 type veth peer name other\nip address add 10.0.0.14/24 dev ens33\n"
    command = document["runcmd"][0][2].replace("install.sh", "install.sh --no-packages --no-start")
    compare = f"cmp {cloudinit.FOLDER}{haproxy.PATH} {haproxy.PATH} && echo same"
    script = f"{network}{command} >/dev/null\n{compare}"
    ran = throwaway.run(tmp_path, script, bring={tmp_path / "files": "/"}, host="lb1")
    assert ran.stdout == "same\n", ran.stderr
