"""What the diagnosis makes of host names: each finding names the line that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.diagnose import names

if TYPE_CHECKING:
    from fake_stack import FakeStack


@pytest.mark.parametrize(
    ("answers", "hosts", "words"),
    [
        ("rabbit2 127.0.1.1 172.16.2.85", "127.0.1.1 rabbit2\n", "rabbit2 resolved to 127.0.1.1, a loopback address"),
        ("rabbit2 172.16.2.99", "# x\n172.16.2.99 a rabbit2\n", "(line 2 of /etc/hosts)"),
        ("rabbit2", "", "no address for rabbit2"),
    ],
)
def test_wrong_name_is_told_with_its_line(stack: FakeStack, answers: str, hosts: str, words: str) -> None:
    """A name that leads elsewhere, to loopback or nowhere is told, with the line that says so."""
    right = "rabbit1 172.16.2.84\nrabbit3 172.16.2.86\n"
    host = stack.hosts["rabbit1"]
    host.answers |= {"getent": f"{right}{answers}\n", "cat /etc/hosts": hosts, "kernel/hostname": "rabbit1\n"}
    (finding,) = names.of_host(stack, "rabbit1")
    assert words in finding.found
    assert finding.expected == "172.16.2.85"


def test_second_address_of_a_name_is_told(stack: FakeStack) -> None:
    """Erlang takes the first line of the file, also where the resolver puts the right address first."""
    host = stack.hosts["rabbit1"]
    right = "rabbit1 172.16.2.84\nrabbit2 172.16.2.85 10.9.9.9\nrabbit3 172.16.2.86\n"
    lines = "10.9.9.9 rabbit2\n172.16.2.85 rabbit2\n"
    host.answers |= {"getent": right, "cat /etc/hosts": lines, "kernel/hostname": "rabbit1\n"}
    (finding,) = names.of_host(stack, "rabbit1")
    assert finding.found == "rabbit2 has the address 10.9.9.9 in line 1 of /etc/hosts"
    assert finding.expected == "172.16.2.85 alone"


def test_wrong_host_name_is_told(stack: FakeStack) -> None:
    """A host that calls itself otherwise is told so."""
    right = "".join(f"{host} {stack.topology.ip(host)}\n" for host in stack.topology.hosts)
    stack.hosts["rabbit1"].answers |= {"getent": right, "kernel/hostname": "localhost\n"}
    assert [finding.found for finding in names.of_host(stack, "rabbit1")] == ["host name localhost"]
