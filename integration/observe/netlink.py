"""The kernel's own word on addresses and listening ports, by netlink, in the network namespace of this process.

Layouts: linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/inet_diag.h; they are part of the kernel's ABI.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["AddressChange", "Addresses", "listening", "parse_addresses", "parse_proc_net_tcp"]

NETLINK_ROUTE, NETLINK_SOCK_DIAG = 0, 4
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
SOCK_DIAG_BY_FAMILY = 20
RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x10, 0x100
IFA_ADDRESS, IFA_LOCAL = 1, 2
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
TCP_LISTEN = 10

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_DIAG_REQUEST = struct.Struct("=BBBBI48x")  # family, protocol, extensions, -, states, socket id
_BUFFER = 1 << 17


@dataclass(frozen=True, slots=True)
class AddressChange:
    """An address that came to an interface, or went."""

    address: str
    held: bool


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give type and body of each netlink message of a datagram."""
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def parse_addresses(data: bytes) -> Iterator[AddressChange]:
    """Give the changes that a datagram of rtnetlink tells."""
    for kind, body in _messages(data):
        if kind not in {RTM_NEWADDR, RTM_DELADDR} or len(body) < _IFADDR.size:
            continue
        found: dict[int, bytes] = {}
        rest = body[_IFADDR.size :]
        while len(rest) >= _ATTRIBUTE.size:
            length, name = _ATTRIBUTE.unpack_from(rest)
            if length < _ATTRIBUTE.size:
                break
            found[name] = rest[_ATTRIBUTE.size : length]
            rest = rest[(length + 3) & ~3 :]
        # IFA_ADDRESS is the peer's of a point-to-point link; IFA_LOCAL is there for IPv4 only.
        raw = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS)
        if raw:
            yield AddressChange(str(ipaddress.ip_address(raw)), kind == RTM_NEWADDR)


class Addresses:
    """Changes of addresses as the kernel tells them, those that are there first."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        self._socket.settimeout(0)
        self.ask()

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self._socket.fileno()

    def ask(self) -> None:
        """Ask for all that are there."""
        body = _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        header = _HEADER.pack(_HEADER.size + len(body), RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
        self._socket.send(header + body)

    def changes(self) -> Iterator[AddressChange]:
        """Give what was told since the last call."""
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: something was dropped; what there is, is asked for again.
                self.ask()
                return
            yield from parse_addresses(data)


def listening() -> frozenset[int]:
    """Give the TCP ports that somebody listens on, in this network namespace."""
    with contextlib.suppress(OSError):
        return _by_diag()
    text = "".join(Path(f"/proc/self/net/{name}").read_text(encoding="ascii") for name in ("tcp", "tcp6"))
    return parse_proc_net_tcp(text)


def _by_diag() -> frozenset[int]:
    ports: set[int] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as asked:
        for family in (socket.AF_INET, socket.AF_INET6):
            body = _DIAG_REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << TCP_LISTEN)
            flags = NLM_F_REQUEST | NLM_F_DUMP
            asked.send(_HEADER.pack(_HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, flags, 1, 0) + body)
            ports |= set(_answered(asked))
    return frozenset(ports)


def _answered(asked: socket.socket) -> Iterator[int]:
    while True:
        for kind, body in _messages(asked.recv(_BUFFER)):
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", body)[0], "sock_diag")
            # inet_diag_msg: family, state, timer, retransmissions, then the source port in network order.
            yield struct.unpack_from(">H", body, 4)[0]


def parse_proc_net_tcp(text: str) -> frozenset[int]:
    """Give the ports that listen by the text of /proc/net/tcp and tcp6: for kernels that do not speak sock_diag."""
    ports = set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == f"{TCP_LISTEN:02X}":
            ports.add(int(fields[1].rpartition(":")[2], 16))
    return frozenset(ports)
