"""What the diagnosis makes of virtual addresses and of the scripts that keepalived runs."""

from __future__ import annotations

import json

import pytest
from fake_stack import FakeStack, told

from integration.diagnose import addresses


def holding(*ips: str) -> str:
    """What ``ip -j address`` says of a host that has these addresses."""
    return json.dumps([{"addr_info": [{"local": ip} for ip in ips]}])


RUNS = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nResult=success\n"
DEAD = RUNS.replace("=active", "=failed")


@pytest.mark.parametrize(
    ("owners", "states", "words"),
    [
        ((), (RUNS, RUNS), "no host that has it"),
        (("rabbit1", "rabbit2"), (RUNS, RUNS), "do not accept each other's (unicast adverts, protocol 112)"),
        (("rabbit1", "rabbit2"), (DEAD, RUNS), "keepalived on rabbit1 is dead and left the address behind"),
    ],
)
def test_owners_are_judged(stack: FakeStack, owners: tuple[str, ...], states: tuple[str, str], words: str) -> None:
    """No owner, two that do not hear each other, and a dead one that left the address behind."""
    for host, state in zip(("rabbit1", "rabbit2"), states, strict=True):
        stack.hosts[host].answers |= {
            "ip -j address": holding("172.16.2.200") if host in owners else holding(),
            "systemctl show": state,
        }
    assert words in told(addresses.of_owners(stack))


def test_why_nobody_has_the_address_is_quoted(stack: FakeStack) -> None:
    """Keepalived's own last word about the instance is the cause."""
    for host in ("rabbit1", "rabbit2"):
        stack.hosts[host].answers |= {
            "ip -j address": holding(),
            "systemctl show": RUNS,
            "journalctl": "(VI_1) Entering FAULT STATE\nScript `check_haproxy` now returning 1\n",
        }
    assert "keepalived on rabbit1: Script `check_haproxy` now returning 1" in told(addresses.of_owners(stack))


def test_failing_check_script_is_told(stack: FakeStack) -> None:
    """A check script's exit status, and what it said."""
    stack.hosts["rabbit1"].answers["check_haproxy.sh"] = (1, "", "no answer at /run/haproxy/admin.sock")
    text = told(addresses.of_scripts(stack, "rabbit1"))
    assert "check script check_haproxy: found exit status 1: no answer at /run/haproxy/admin.sock" in text
