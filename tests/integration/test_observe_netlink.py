"""The kernel's word on addresses and ports."""

from __future__ import annotations

import socket
import struct

from integration.observe.netlink import AddressChange, listening, parse_addresses, parse_proc_net_tcp

PROC = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1628 00000000:0000 0A 00000000:00000000 00:00000000 00000000   108        0 22016 1 0000 100 0 0 10 0
   1: 540210AC:1628 C80210AC:A7A2 01 00000000:00000000 00:00000000 00000000   108        0 22016 1 0000 20 4 30 10 -1
   2: 0100007F:1F90 00000000:0000 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0000
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:3D5C 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
"""


def message(kind: int, family: int, attributes: dict[int, bytes]) -> bytes:
    """Give a netlink message about an address."""
    body = struct.pack("=BBBBI", family, 24, 0, 0, 2)
    for name, value in attributes.items():
        body += struct.pack("=HH", 4 + len(value), name) + value.ljust((len(value) + 3) & ~3, b"\0")
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_addresses_come_and_go() -> None:
    """A datagram may tell of several; IPv4 has its own in IFA_LOCAL, IPv6 in IFA_ADDRESS."""
    ipv4, ipv6 = socket.inet_aton("172.16.2.200"), socket.inet_pton(socket.AF_INET6, "fd00::c8")
    data = message(20, socket.AF_INET, {1: socket.inet_aton("172.16.2.1"), 2: ipv4, 3: b"ens33\0"})
    data += message(21, socket.AF_INET6, {1: ipv6}) + message(16, socket.AF_INET, {2: ipv4})
    assert list(parse_addresses(data)) == [
        AddressChange("172.16.2.200", held=True),
        AddressChange("fd00::c8", held=False),
    ]


def test_damaged_messages_end_the_reading() -> None:
    """A length that cannot be is not followed."""
    assert list(parse_addresses(struct.pack("=IHHII", 3, 20, 0, 0, 0))) == []
    assert list(parse_addresses(message(20, 2, {})[:-2] + b"\0\0")) == []


def test_listening_ports_of_proc() -> None:
    """Only sockets that listen count, of both families."""
    assert parse_proc_net_tcp(PROC) == {5672, 15708}


def test_a_port_listens_while_its_socket_is_open() -> None:
    """The kernel is asked, and knows at once."""
    with (
        socket.create_server(("127.0.0.1", 0)) as opened,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as second,
    ):
        ports = {opened.getsockname()[1], second.getsockname()[1]}
        assert ports <= listening()
    assert not ports & listening()
