"""nft judges rule sets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from generators.bundle import Artefact
from generators.validate import Status, Verdict
from generators.validate.nftables import _judge
from generators.validate.room import NoRoom, Outcome

Check = Callable[..., tuple[Verdict, ...]]
needs = pytest.mark.usefixtures("private")

RULES = """\
table inet rmqha
delete table inet rmqha
table inet rmqha {
    set brokers { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 } }
    chain input {
        type filter hook input priority 0; policy accept;
        ct state established,related accept
        ip protocol 112 accept
        tcp dport { 4369, 25672 } ip saddr @brokers accept
    }
}
"""
PART = "/etc/nftables.d/rmqha.nft"
MAIN = Artefact("a", "/etc/nftables.conf", '#!/usr/sbin/nft -f\nflush ruleset\ninclude "/etc/nftables.d/*.nft"\n')


@needs
@pytest.mark.needs("nft")
def test_good(check: Check) -> None:
    """A good rule set passes, by itself or included; with the file that includes it it is judged once."""
    part = Artefact("a", PART, RULES)
    assert [one.status for one in check("nft", part)] == [Status.OK]
    verdicts = check("nft", part, MAIN)
    assert [(one.status, one.paths) for one in verdicts] == [
        (Status.OK, ("a/etc/nftables.conf",)),
        (Status.OK, ("a/etc/nftables.d/rmqha.nft",)),
    ]


@needs
@pytest.mark.needs("nft")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("dport", "dprot", "a/etc/nftables.d/rmqha.nft:9: Error: syntax error, unexpected string"),
        ("@brokers", "@brokes", "a/etc/nftables.d/rmqha.nft:9: Error: No such file or directory"),
    ],
)
def test_bad(check: Check, old: str, new: str, told: str) -> None:
    """A bad rule fails at its line, and the file that includes it does not."""
    (main, part) = check("nft", Artefact("a", PART, RULES.replace(old, new)), MAIN)
    assert main.status is Status.OK
    assert part.status is Status.FAILED
    assert part.detail[0].startswith(told)


@needs
@pytest.mark.needs("nft")
def test_machine_keeps_its_rules(check: Check) -> None:
    """Rules that were judged are in force nowhere: the next run does not see them."""
    table = "table inet twice {}\nadd table inet twice { flags dormant; }\n"
    for _ in range(2):
        (verdict,) = check("nft", Artefact("a", PART, "create table inet once\n" + table))
        assert verdict.status is Status.OK


def test_kernel_without_nftables() -> None:
    """A kernel that cannot judge is no reason to fail a file."""
    said = "netlink: Error: cache initialization failed: Operation not supported\n"
    with pytest.raises(NoRoom, match="this kernel has no nftables"):
        list(_judge(frozenset(), Outcome(1, said, 0.1)))
