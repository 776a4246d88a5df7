"""Rules of nftables that a host drops packets by, in a table of their own; ssh always passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["PREFIX", "cut", "lose", "remove"]

PREFIX = "rmqha_fault_"
"""How the names of all these tables begin."""
_PRIORITY = -300
"""Before connections are tracked (NF_IP_PRI_RAW is -300): a packet that is dropped leaves no trace."""


def cut(
    table: str, ports: Iterable[str], *, to: Iterable[str] = (), of: Iterable[str] = (), hardware: Iterable[str] = ()
) -> str:
    """Give a table that drops what this host sends *to* addresses, and what comes from those *of* its peers.

    What comes from their *hardware* addresses is dropped as well: IPv6 advertises from link-local addresses, and a
    virtual address is whose it is now.
    """
    macs = sorted(set(hardware))
    by_hardware = [f"ether saddr {{ {', '.join(macs)} }}"] if macs else []
    return _table(table, ports, [*_matches("saddr", of), *by_hardware], _matches("daddr", to))


def lose(table: str, ports: Iterable[str], share: float) -> str:
    """Give a table that drops a random *share* of all packets, each by its own toss."""
    toss = f"numgen random mod 1000000 < {round(share * 1_000_000)}"
    return _table(table, ports, [toss], [toss])


def remove(table: str) -> str:
    """Give the script that takes a table away, and succeeds if it is gone."""
    return f"nft delete table inet {table} 2>/dev/null; ! nft list table inet {table} >/dev/null 2>&1"


def _matches(field: str, addresses: Iterable[str]) -> list[str]:
    known = sorted(set(addresses))
    families = (("ip", [a for a in known if ":" not in a]), ("ip6", [a for a in known if ":" in a]))
    return [f"{family} {field} {{ {', '.join(found)} }}" for family, found in families if found]


def _table(table: str, ports: Iterable[str], coming: Sequence[str], going: Sequence[str]) -> str:
    ssh = f"{{ {', '.join(sorted(set(ports)))} }}"
    lines = [f"table inet {table} {{"]
    for chain, hook, interface, drops in (("coming", "input", "iif", coming), ("going", "output", "oif", going)):
        lines.append(f"  chain {chain} {{ type filter hook {hook} priority {_PRIORITY}; policy accept;")
        lines += [f"    {rule} accept" for rule in (f"{interface} lo", f"tcp dport {ssh}", f"tcp sport {ssh}")]
        lines += [f"    {rule} counter drop" for rule in drops]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])
