"""/etc/hosts and /etc/hostname: every name leads to the right machine, on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import throwaway
from designs import design, secrets_of
from hypothesis import given
from strategies import topologies

from generators import identity
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from generators.bundle import Artefact


def made(topology: Topology) -> dict[tuple[str | None, str], Artefact]:
    """What the part makes, by host and path."""
    return {(a.host, a.path): a for a in identity.artefacts(topology, secrets_of(topology))}


def names(text: str) -> dict[str, list[str]]:
    """What each name of a hosts file leads to."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *rest = line.partition("#")[0].split() or [""]
        for name in rest:
            found.setdefault(name, []).append(address)
    return found


def test_all_hosts_share_one_text() -> None:
    """The file is one object for all hosts, with one line for each between the markers."""
    files = made(design())
    texts = {id(files[host, "/etc/hosts"].content) for host in ("r1", "r2", "r3", "lb1", "lb2")}
    assert len(texts) == 1
    text = files["r1", "/etc/hosts"].content
    block = text.split("# BEGIN rmqha test\n")[1].split("# END rmqha test\n")[0]
    assert block == "10.0.0.11 r1\n10.0.0.12 r2\n10.0.0.13 r3\n10.0.0.14 lb1\n10.0.0.15 lb2\n"
    assert text.startswith("# Names and addresses")


def test_with_a_domain_the_full_name_comes_first() -> None:
    """A host has its full and its short name, and calls itself by the short one."""
    files = made(design(domain="mq.example.net"))
    assert "10.0.0.11 r1.mq.example.net r1\n" in files["r1", "/etc/hosts"].content
    assert files["r1", "/etc/hostname"].content == "r1\n"


def test_a_host_name_with_dots_is_shortened() -> None:
    """The kernel's name is the first label; the hosts file has both."""
    files = made(
        Topology.model_validate({"hosts": {"a.b.example": "10.0.0.1/24"}, "rabbitmq": {"nodes": ["a.b.example"]}})
    )
    assert files["a.b.example", "/etc/hostname"].content == "a\n"
    assert "10.0.0.1 a.b.example a\n" in files["a.b.example", "/etc/hosts"].content


@given(topology=topologies())
def test_no_name_of_the_design_is_a_loopback(topology: Topology) -> None:
    """Each host's names lead to its address and to nothing else: 127.0.1.1 would keep its node out of the cluster."""
    files = made(topology)
    found = names(files[next(iter(topology.hosts)), "/etc/hosts"].content)
    for host in topology.hosts:
        for name in identity.names_of(topology, host):
            assert found[name] == [topology.ip(host)]
    assert found["localhost"] == ["127.0.0.1", "::1"]


@pytest.mark.slow
@pytest.mark.needs("unshare", "getent")
def test_the_resolver_reads_it(tmp_path: Path) -> None:
    """The C library finds every host by each of its names."""
    text = made(design(domain="mq.example.net"))["r1", "/etc/hosts"].content
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text(text)
    ran = throwaway.run(tmp_path, "getent hosts r2 r2.mq.example.net 10.0.0.15", bring={tmp_path / "etc": "/etc"})
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert [line[0] for line in lines] == ["10.0.0.12", "10.0.0.12", "10.0.0.15"]
    assert lines[2][1:] == ["lb2.mq.example.net", "lb2"]
