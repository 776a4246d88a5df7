"""Packet filters that guard the stack's own ports and protocols, and leave everything else on a host as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators.bundle import Artefact
from generators.header import header
from generators.ports import Matrix
from generators.quoting import Quoted, verbatim
from generators.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from generators.ports import Addresses, Guard, Opening, Ports, Vrrp
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["FIREWALLD_IPSETS", "FIREWALLD_POLICY", "NFTABLES", "artefacts"]

NFTABLES = "/etc/nftables.d/rmqha.nft"
FIREWALLD_POLICY = "/etc/firewalld/policies/rmqha.xml"
FIREWALLD_IPSETS = "/etc/firewalld/ipsets"

PROTOCOL_VRRP = 112
"""Assigned number of VRRP (RFC 9568 5.1.1.4), as a number: minimal systems have no /etc/protocols."""

VRRP_GROUP = "224.0.0.18"
"""Where multicast adverts go with IPv4 (RFC 9568 5.1.1.2)."""


@dataclass(frozen=True, slots=True)
class AddressSet:
    """Addresses of one family under a name: ``brokers`` of IPv4."""

    group: str
    version: int
    networks: Addresses

    @property
    def name(self) -> str:
        """Its name in nftables."""
        return f"{self.group}_ipv{self.version}"

    @property
    def ipset(self) -> str:
        """Its name in firewalld, which allows 31 characters at most (``IPSET_MAXNAMELEN``, 0.9 to 2.3)."""
        return f"rmqha-{self.group.replace('_', '-')}-{self.version}"

    @property
    def everybody(self) -> bool:
        """Whether it is the whole of its family, which no set of a firewall can say."""
        return any(network.prefixlen == 0 for network in self.networks)

    @property
    def elements(self) -> tuple[str, ...]:
        """Its addresses and networks, hosts without a prefix length."""
        return tuple(str(n.network_address) if n.prefixlen == n.max_prefixlen else str(n) for n in self.networks)

    @property
    def holds_networks(self) -> bool:
        """Whether not all of it are single addresses."""
        return any(n.prefixlen != n.max_prefixlen for n in self.networks)


@dataclass(frozen=True, slots=True)
class Rules:
    """The guard of one kind of host with the sets of addresses it speaks of."""

    guard: Guard
    sets: tuple[AddressSet, ...]

    def of(self, group: str) -> tuple[AddressSet, ...]:
        """Give the sets of *group*, one a family that it has addresses of."""
        return tuple(s for s in self.sets if s.group == group)

    @property
    def named(self) -> tuple[AddressSet, ...]:
        """The sets that are written down."""
        return tuple(s for s in self.sets if not s.everybody)


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:  # noqa: ARG001 - every part is called alike
    """Give the rule files of every host; hosts with the same rules share one text."""
    kinds = topology.firewall.kinds
    if not kinds:
        return
    matrix = Matrix(topology)
    made: dict[Guard, list[tuple[str, str]]] = {}
    for host in topology.hosts:
        guard = matrix.guard(host)
        if not guard:
            continue
        if guard not in made:
            rules = Rules(guard, tuple(_sets(matrix, guard)))
            made[guard] = list(_nftables(topology, rules)) if "nftables" in kinds else []
            made[guard] += list(_firewalld(topology, rules)) if "firewalld" in kinds else []
        for path, text in made[guard]:
            yield Artefact(host, path, text)


def _sets(matrix: Matrix, guard: Guard) -> Iterator[AddressSet]:
    groups = {opening.group: matrix.groups[opening.group] for opening in guard.openings}
    groups |= {_vrrp_group(vrrp): vrrp.sources for vrrp in guard.vrrp}
    for group, networks in groups.items():
        for version in (4, 6):
            if found := tuple(n for n in networks if n.version == version):
                yield AddressSet(group, version, found)


def _vrrp_group(vrrp: Vrrp) -> str:
    return "vrrp_ah" if vrrp.authenticated else "vrrp"


# -- nftables -----------------------------------------------------------------------------------


def _nftables(topology: Topology, rules: Rules) -> Iterator[tuple[str, str]]:
    yield (
        NFTABLES,
        render(
            "rmqha.nft.j2",
            header=header(
                topology, "Packet filter of nftables: who may reach the ports of the stack, and nothing else."
            ),
            sets=rules.named,
            connections=[line for opening in rules.guard.openings for line in _nft_opening(rules, opening)],
            ports=Quoted(_nft_ports(rules.guard.ports)),
            vrrp=[line for vrrp in rules.guard.vrrp for line in _nft_vrrp(rules, vrrp)],
        ),
    )


def _nft_opening(rules: Rules, opening: Opening) -> Iterator[Quoted]:
    yield verbatim(f"# {_people(opening.group)}: {', '.join(opening.purposes)}")
    for addresses in rules.of(opening.group):
        yield Quoted(f"{_nft_from(addresses)} tcp dport {_nft_ports(opening.ports)} accept")


def _nft_vrrp(rules: Rules, vrrp: Vrrp) -> Iterator[Quoted]:
    what = f"ah nexthdr {PROTOCOL_VRRP}" if vrrp.authenticated else f"meta l4proto {PROTOCOL_VRRP}"
    yield verbatim(
        f"# Adverts of {', '.join(vrrp.instances)}" + (" with authentication (AH)" if vrrp.authenticated else "")
    )
    for addresses in rules.of(_vrrp_group(vrrp)):
        yield Quoted(f"{_nft_from(addresses)} {what} accept")
    if vrrp.anybody:
        yield Quoted(f"ip daddr {VRRP_GROUP} {what} accept")
    yield Quoted(f"{what} counter drop")


def _nft_from(addresses: AddressSet) -> str:
    if addresses.everybody:
        return f"meta nfproto ipv{addresses.version}"
    return f"{'ip' if addresses.version == 4 else 'ip6'} saddr @{addresses.name}"


def _nft_ports(ports: tuple[Ports, ...]) -> str:
    return "{ " + ", ".join(_range(pair) for pair in ports) + " }" if ports else ""


def _range(ports: Ports) -> str:
    first, last = ports
    return str(first) if first == last else f"{first}-{last}"


def _people(group: str) -> str:
    return "VRRP" if group.startswith("vrrp") else group.replace("_", " ").capitalize()


# -- firewalld ----------------------------------------------------------------------------------


def _firewalld(topology: Topology, rules: Rules) -> Iterator[tuple[str, str]]:
    yield (
        FIREWALLD_POLICY,
        render(
            "rmqha-policy.xml.j2",
            header=header(
                topology, "Policy of firewalld: who may reach the ports of the stack, and nothing else.", " "
            ),
            rules=[
                *(rule for opening in rules.guard.openings for rule in _rich_openings(rules, opening)),
                *(rule for vrrp in rules.guard.vrrp for rule in _rich_adverts(rules, vrrp)),
                *(_rich("", f'<port port="{_range(pair)}" protocol="tcp"/>', "drop") for pair in rules.guard.ports),
                *(_rich("", _rich_protocol(vrrp), "drop") for vrrp in rules.guard.vrrp if not vrrp.authenticated),
            ],
        ),
    )
    for addresses in rules.named:
        yield (
            f"{FIREWALLD_IPSETS}/{addresses.ipset}.xml",
            render(
                "rmqha-ipset.xml.j2",
                header=header(topology, f"Addresses that the policy rmqha speaks of: {_people(addresses.group)}.", " "),
                kind="hash:net" if addresses.holds_networks else "hash:ip",
                family="inet" if addresses.version == 4 else "inet6",
                entries=addresses.elements,
            ),
        )


def _rich_openings(rules: Rules, opening: Opening) -> Iterator[Quoted]:
    for addresses in rules.of(opening.group):
        for pair in opening.ports:
            yield _rich_from(addresses, f'<port port="{_range(pair)}" protocol="tcp"/>')


def _rich_adverts(rules: Rules, vrrp: Vrrp) -> Iterator[Quoted]:
    for addresses in rules.of(_vrrp_group(vrrp)):
        yield _rich_from(addresses, _rich_protocol(vrrp))
    if vrrp.anybody:
        yield _rich(' family="ipv4"', f'<destination address="{VRRP_GROUP}"/>{_rich_protocol(vrrp)}', "accept")


def _rich_protocol(vrrp: Vrrp) -> str:
    return f'<protocol value="{51 if vrrp.authenticated else PROTOCOL_VRRP}"/>'


def _rich_from(addresses: AddressSet, what: str) -> Quoted:
    source = "" if addresses.everybody else f'<source ipset="{addresses.ipset}"/>'
    return _rich(f' family="ipv{addresses.version}"', source + what, "accept")


def _rich(family: str, what: str, action: str) -> Quoted:
    # Rules of one priority are sorted by firewalld, what drops before what accepts: so two priorities.
    priority = 1 if action == "drop" else -1
    return Quoted(f'<rule{family} priority="{priority}">{what}<{action}/></rule>')
