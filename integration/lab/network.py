"""The lab's network: a bridge in a namespace of its own, a namespace for each host and one for clients. No way out."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from integration.errors import LabError
from integration.lab import plan
from integration.lab.places import labs
from integration.lab.shell import run

if TYPE_CHECKING:
    from integration.lab.record import Record
    from rmqha_model.topology import Topology

__all__ = ["CLIENTS", "NAMESPACES_MARKER", "Network"]

CLIENTS = "@clients"
"""What stands for the place where clients run, where hosts are named."""
NAMESPACES_MARKER = ".namespaces"
"""Stands beside the labs when it was one of them for which iproute2 made /run/netns a mount."""
_CLIENT_INTERFACE = "eth0"
_BRIDGE = "br0"


class Network:
    """The network of one lab; it can be made, used by a process that did not make it, and taken away again."""

    def __init__(self, lab: str, topology: Topology, record: Record) -> None:
        self._lab = lab
        self._topology = topology
        self._record = record
        self._ports = {host: f"p{number}" for number, host in enumerate(topology.hosts)} | {CLIENTS: "pc"}
        self.switch = f"rmqha.{lab}_switch"
        self.clients = f"rmqha.{lab}_clients"

    def namespace(self, host: str) -> str:
        """Give the name of the network namespace of *host*, or of the clients.

        Names of labs hold no dot, names of hosts no underscore: none is taken for another's.
        """
        return self.clients if host == CLIENTS else f"rmqha.{self._lab}.{host[:180]}"

    def port(self, host: str) -> str:
        """Give the interface of the bridge that leads to *host*."""
        try:
            return self._ports[host]
        except KeyError:
            raise LabError(f"host: found {host!r}; allowed: {', '.join(self._ports)}") from None

    # -- making ---------------------------------------------------------------------------------

    def make(self) -> None:
        """Make the switch, and the namespaces of all hosts and of the clients, with their addresses."""
        self._make_namespace(self.switch)
        self._in_switch(
            "link set lo up",
            f"link add {_BRIDGE} type bridge stp_state 0 mcast_snooping 0 forward_delay 0",
            # The bridge only forwards; an address of its own would be one host more.
            f"link set {_BRIDGE} addrgenmode none up",
        )
        for host in self._topology.hosts:
            self.plug_in(host)
        self._plug_in(
            CLIENTS, _CLIENT_INTERFACE, plan.client_addresses(self._topology), plan.client_routes(self._topology)
        )

    def plug_in(self, host: str) -> None:
        """Make the namespace of *host* as its kernel has it after a boot: its addresses, and nothing else."""
        settings = self._topology.hosts[host]
        addresses = (settings.address, *settings.addresses)
        self._plug_in(host, settings.interface, addresses, plan.host_routes(self._topology, host))

    def _plug_in(self, host: str, interface: str, addresses: Iterable[object], routes: Iterable[str]) -> None:
        namespace, port = self.namespace(host), self._ports[host]
        self._make_namespace(namespace)
        self._in_switch(
            # The other end is made inside: at no time is there an interface in the machine's own namespace.
            f"link add {port} type veth peer name {interface} address {_mac(self._lab, host)} netns {namespace}",
            f"link set {port} addrgenmode none master {_BRIDGE} up",
        )
        lines = ["link set lo up", f"link set {interface} up"]
        for address in addresses:
            broadcast = " broadcast +" if isinstance(address, ipaddress.IPv4Interface) else " nodad"
            lines.append(f"address add {address} dev {interface}{broadcast}")
        lines += [f"route replace {route.replace('DEV', interface)}" for route in routes]
        run(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def unplug(self, host: str) -> None:
        """Take the namespace of *host* away, with all that its kernel knew."""
        with contextlib.suppress(LabError):
            self._in_switch(f"link delete {self.port(host)}")
        run(["ip", "netns", "delete", self.namespace(host)])

    def _make_namespace(self, name: str) -> None:
        self._record.note("namespace", name=name)
        if not Path("/run/netns").is_mount():
            (labs() / NAMESPACES_MARKER).touch()
        run(["ip", "netns", "add", name])

    def _in_switch(self, *lines: str) -> None:
        run(["ip", "-n", self.switch, "-batch", "-"], stdin="\n".join(lines) + "\n")

    # -- faults ---------------------------------------------------------------------------------

    def links(self, hosts: Iterable[str], *, up: bool) -> None:
        """Put the switch's ends of the cables of *hosts* up or down, in one go; they see their carrier change."""
        self._in_switch(*(f"link set {self.port(host)} {'up' if up else 'down'}" for host in hosts))

    @contextlib.contextmanager
    def cut(self, source: Sequence[str], target: Sequence[str]) -> Iterator[None]:
        """Drop every frame from *source* to *target* while entered."""
        sources, targets = (_set(self.port(host) for host in hosts) for hosts in (source, target))
        # Ports, not addresses: a virtual address belongs to whoever sends from it, and a multicast has none.
        with self._rules(f"iifname {sources} oifname {targets} counter drop"):
            yield

    @contextlib.contextmanager
    def lose(self, host: str, share: float) -> Iterator[None]:
        """Drop a random share of the frames to and from *host* while entered."""
        if not 0 <= share <= 1:
            raise LabError(f"share of lost packets: found {share}; allowed: 0 to 1")
        port, millionths = self.port(host), round(share * 1_000_000)
        # A comparison that is always true is refused.
        chance = f"numgen random mod 1000000 < {millionths}" if millionths < 1_000_000 else ""
        with self._rules(f"iifname {port} {chance} counter drop", f"oifname {port} {chance} counter drop"):
            yield

    @contextlib.contextmanager
    def _rules(self, *rules: str) -> Iterator[None]:
        """Have *rules* in a table of their own while entered, so that each fault ends without touching another."""
        self._record.note("rules")
        table = f"bridge fault{len(self._record.noted('rules'))}"
        chain = "".join(f"add rule {table} forward {rule}\n" for rule in rules)
        head = f"add table {table}\nadd chain {table} forward {{ type filter hook forward priority 0; }}\n"
        self._nft(head + chain)
        try:
            yield
        finally:
            # Added first, so that it can be deleted also when somebody has healed everything meanwhile.
            self._nft(f"add table {table}\ndelete table {table}\n")

    def heal(self) -> None:
        """Take away the rules of every fault, of a process that died in the middle of one too."""
        self._nft("flush ruleset\n")

    def _nft(self, rules: str) -> None:
        run(["ip", "netns", "exec", self.switch, "nft", "-f", "-"], stdin=rules)

    # -- looking --------------------------------------------------------------------------------

    def owners(self, hosts: Iterable[str], address: str) -> list[str]:
        """Give those of *hosts* that have *address*."""
        return [host for host in hosts if f" {address}/" in run(["ip", "-n", self.namespace(host), "-o", "address"])]


def _set(ports: Iterable[str]) -> str:
    return f"{{ {', '.join(dict.fromkeys(ports))} }}"


def _mac(lab: str, host: str) -> str:
    """Give a locally administered address, the same after each boot."""
    digest = hashlib.sha256(f"{lab} {host}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
