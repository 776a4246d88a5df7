"""What the diagnosis makes of files: each finding names its cause, and shows no secret."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from fake_stack import FakeStack, told

from generators.identity import HOSTS
from generators.rabbitmq import COOKIE
from integration.diagnose import files

if TYPE_CHECKING:
    from generators.bundle import Artefact


def artefact(stack: FakeStack, host: str, path: str) -> Artefact:
    """One generated file."""
    return stack.bundle.find(host, path)


def as_made(made: Artefact) -> files.Seen:
    """A file as it stands when nobody has touched it."""
    return files.Seen("file", made.owner, made.group, made.mode, hashlib.sha256(made.content.encode()).hexdigest())


def test_file_as_made_is_no_finding(stack: FakeStack) -> None:
    """A file with its bytes, owner, group and mode is not mentioned."""
    made = artefact(stack, "rabbit1", "/etc/rabbitmq/rabbitmq.conf")
    assert list(files.of_artefact(stack, made, as_made(made))) == []


def test_changed_file_is_shown_by_its_difference(stack: FakeStack) -> None:
    """A file changed by hand is named, with the first lines that differ."""
    made = artefact(stack, "rabbit1", "/etc/rabbitmq/rabbitmq.conf")
    stack.hosts["rabbit1"].answers["^/bin/cat"] = made.content + "oops = 1\n"
    seen = files.Seen("file", made.owner, made.group, made.mode, "0" * 64)
    text = told(files.of_artefact(stack, made, seen))
    assert "rabbit1:/etc/rabbitmq/rabbitmq.conf: found a file changed by hand" in text
    assert "+oops = 1" in text
    assert "install.sh on rabbit1" in text


def test_changed_secret_file_is_not_shown(stack: FakeStack) -> None:
    """Of a file that holds secrets nothing is quoted."""
    made = artefact(stack, "rabbit1", "/etc/rabbitmq/definitions.json")
    stack.hosts["rabbit1"].answers["cat"] = "password_hash"
    text = told(files.of_artefact(stack, made, files.Seen("file", made.owner, made.group, made.mode, "0" * 64)))
    assert "holds secrets" in text
    assert "password_hash" not in text


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (files.Seen("absent"), "no file"),
        (files.Seen("other"), "something that is no file"),
        (files.Seen("file", "root", "root", 0o644, "x"), "owner root, group root, mode 0644"),
        (files.Seen("file", "rabbitmq", "rabbitmq", 0o444, "x"), "the broker does not start with it"),
        (files.Seen("file", "rabbitmq", "rabbitmq", 0o400, "x"), "another Erlang cookie than the design's"),
    ],
)
def test_cookie_is_judged(stack: FakeStack, seen: files.Seen, words: str) -> None:
    """A cookie that is gone, readable by others or another one is told as what it is, without its value."""
    text = told(files.of_artefact(stack, artefact(stack, "rabbit1", COOKIE), seen))
    assert words in text
    assert stack.secrets[stack.topology.rabbitmq.cookie] not in text


def test_rules_of_the_other_packet_filter_are_not_missed(stack: FakeStack) -> None:
    """A host with nftables needs no file of firewalld."""
    made = files.installed(stack, "rabbit1")
    seen = {a.path: as_made(a) for a in made if not a.path.startswith("/etc/firewalld/")}
    seen |= {a.path: files.Seen("absent") for a in made if a.path not in seen}
    assert not [a.path for a in files.wanted(made, seen) if a.path.startswith("/etc/firewalld/")]
    assert [a.path for a in files.wanted(made, seen) if a.path.startswith("/etc/nftables.d/")]


def test_block_of_names_is_compared_alone(stack: FakeStack) -> None:
    """Lines of the host's own in /etc/hosts are its affair; the block is the design's."""
    made = artefact(stack, "rabbit1", HOSTS)
    stack.hosts["rabbit1"].answers["cat"] = "10.0.0.1 other\n" + made.content
    assert list(files.of_artefact(stack, made, as_made(made))) == []
    stack.hosts["rabbit1"].answers["cat"] = made.content.replace("172.16.2.85 rabbit2", "172.16.2.99 rabbit2")
    assert "+172.16.2.99 rabbit2" in told(files.of_artefact(stack, made, as_made(made)))
