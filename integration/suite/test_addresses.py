"""Each virtual address is on exactly one host, and what judges the hosts says that they are well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.diagnose import Finding, addresses
from integration.diagnose.asking import ask
from integration.suite.plugin import refuse

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []


def test_addresses_are_on_one_host_each(stack: Stack, instance: str) -> None:
    """Each address is on one host, and with preempt on the one whose priority is highest."""
    assert stack.topology.keepalived is not None
    mine = stack.topology.keepalived.instances[instance].ips
    refuse(finding for finding in addresses.of_owners(stack) if any(finding.where.endswith(f" {ip}") for ip in mine))


def test_one_host_answers_for_each_address(stack: Stack, instance: str) -> None:
    """Who asks the network for an address, as clients do, is told exactly one hardware address."""
    assert stack.topology.keepalived is not None
    ips = stack.topology.keepalived.instances[instance].ips
    answers = ask(stack, [{"ask": "neighbours", "address": ip} for ip in ips])
    todo = "on each host with keepalived: ip address show; the address must be on one of them"
    refuse(
        Finding(
            "address",
            f"virtual address {ip}",
            answer.get("error") or f"{len(answer['macs'])} hosts that answer for it {answer['macs']}",
            "exactly one",
            todo,
        )
        for ip, answer in zip(ips, answers, strict=True)
        if len(answer.get("macs", ())) != 1
    )


def test_keepalived_takes_its_configuration(stack: Stack, vrrp_host: str) -> None:
    """``keepalived -t`` has nothing against the file and the scripts on the host."""
    refuse(addresses.of_config(stack, vrrp_host))


def test_check_scripts_succeed(stack: Stack, vrrp_host: str) -> None:
    """Each check script, run as keepalived runs it, ends with 0."""
    refuse(addresses.of_scripts(stack, vrrp_host))
