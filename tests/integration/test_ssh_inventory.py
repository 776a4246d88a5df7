"""Inventories of hosts that are reached by ssh: what is taken from where, and what is said of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.ssh.inventory import read
from rmqha_model.document import load
from rmqha_model.errors import DocumentError
from rmqha_model.topology import Topology


@pytest.fixture(scope="module")
def design(root: Path) -> Topology:
    """Three hosts."""
    return load(root / "examples/article-fixed.yaml", Topology)


def written(folder: Path, text: str) -> Path:
    """An inventory."""
    path = folder / "hosts.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_not_said_is_the_designs(tmp_path: Path, design: Topology) -> None:
    """Addresses are those of the design, the user is root, and port and keys are left to ssh's own configuration."""
    _, ways = read(written(tmp_path, "sudo: false\n"), design)
    assert [str(way) for way in ways.values()] == [
        "rabbit1 (root@172.16.2.84)",
        "rabbit2 (root@172.16.2.85)",
        "rabbit3 (root@172.16.2.86)",
    ]
    assert {(way.port, way.identity, way.sudo, way.config) for way in ways.values()} == {(None, None, False, None)}


def test_a_host_has_the_last_word(tmp_path: Path, design: Topology) -> None:
    """A host's own word goes before the word for all; a bare text is its address; files are beside the inventory."""
    (tmp_path / "id").touch()
    text = "user: admin\nsudo: true\nport: 2222\nidentity: id\nhosts:\n  rabbit2: b.example.org\n"
    text += "  rabbit3: {user: root, sudo: false, port: 22}\n"
    _, ways = read(written(tmp_path, text), design)
    assert str(ways["rabbit1"]) == "rabbit1 (admin@172.16.2.84 port 2222)"
    assert str(ways["rabbit2"]) == "rabbit2 (admin@b.example.org port 2222)"
    assert str(ways["rabbit3"]) == "rabbit3 (root@172.16.2.86 port 22)"
    assert [way.sudo for way in ways.values()] == [True, True, False]
    assert {way.identity for way in ways.values()} == {tmp_path / "id"}


STRANGER = "allowed: rabbit1, rabbit2, rabbit3; did you mean 'rabbit1'?"
A_FILE = "allowed: a file, by its path from the inventory's folder, from ~ or from /"
AN_ADDRESS = "allowed: an address, a host name, or a name of ssh's own configuration"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts:\n  rabit1: a\n", f"2:11: hosts.rabit1: found 'rabit1', which is no host of the design; {STRANGER}"),
        ("identity: nowhere\n", f"1:11: identity: found 'nowhere', where there is no file; {A_FILE}"),
        ("hosts:\n  rabbit1: -oPort=1\n", f"2:12: hosts.rabbit1: found '-oPort=1'; {AN_ADDRESS}"),
        ("user: -x\n", "1:7: user: found '-x'; allowed: a user name"),
        ("port: 70000\n", "1:7: port: found 70000; allowed: a whole number from 1 to 65535"),
        ("usr: admin\n", "1:1: usr: unknown key; allowed: "),
        ("hosts:\n  rabbit1: {password: x}\n", "2:13: hosts.rabbit1.password: unknown key; allowed: address, port"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, design: Topology, text: str, said: str) -> None:
    """Each error says where it is, what was found and what is allowed; nothing can pass for an option of ssh."""
    path = written(tmp_path, text)
    with pytest.raises(DocumentError) as caught:
        read(path, design)
    assert str(caught.value).startswith(f"{path}:{said}")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, design: Topology) -> None:
    """Several mistakes come in the order of their places."""
    path = written(tmp_path, "identity: nowhere\nhosts:\n  rabbit9: a\n  rabbit1: {identity: neither}\n")
    with pytest.raises(DocumentError) as caught:
        read(path, design)
    assert [problem.place.line for problem in caught.value.problems if problem.place] == [1, 3, 4]
