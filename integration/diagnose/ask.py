"""A program that asks the network it runs in: reads requests as JSON from its input, writes the answers to its output.

It stands alone, with nothing of this project: it is started in the network of a host or of the clients. Secrets come
by its input, so that no list of processes shows them.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import http.client
import ipaddress
import json
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["answer", "neighbour_request"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_BODY_MAX = 8_000_000
_ETHER_ARP, _ETHER_IP6 = 0x0806, 0x86DD
_SIOCGIFHWADDR = 0x8927  # linux/sockios.h


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request; what went wrong is an answer too, under ``error``."""
    words = dict(request)
    try:
        return _KINDS[words.pop("ask")](**words)
    except ssl.SSLError as error:
        return {"error": f"TLS: {error.reason or error}"}
    except TimeoutError:
        return {"error": "no answer in time"}
    except OSError as error:
        return {"error": (error.strerror or str(error)).lower()}
    except http.client.HTTPException as error:
        return {"error": f"an answer that is not HTTP ({type(error).__name__})"}


def _http(  # noqa: PLR0913 - the words of a request
    host: str, port: int, path: str, *, tls: bool = False, user: str = "", password: str = "", timeout_s: float = 5
) -> dict[str, Any]:
    headers = {"Connection": "close"}
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    connection: http.client.HTTPConnection
    if tls:
        # Whose certificate it is, another question asks.
        context = ssl._create_unverified_context()  # noqa: SLF001, S323
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read(_BODY_MAX).decode("utf-8", "replace")
        return {"status": response.status, "body": body}


def _connect(host: str, port: int, *, timeout_s: float = 5) -> dict[str, Any]:
    with socket.create_connection((host, port), timeout_s):
        return {"status": 0}


# -- who has an address ---------------------------------------------------------------------------------


def _neighbours(address: str, *, wait_s: float = 1.0) -> dict[str, Any]:
    """Ask who has *address*, and collect every hardware address that says so."""
    target = ipaddress.ip_address(address)
    interface, source = _way_to(target)
    kind = _ETHER_ARP if target.version == 4 else _ETHER_IP6
    found: set[str] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as raw:
        raw.bind((interface, kind))
        raw.send(neighbour_request(_hardware(interface), source, target))
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                frame = raw.recv(2048)
            except TimeoutError:
                break
            if (owner := _owner(frame, target)) is not None:
                found.add(owner)
    return {"status": 0, "macs": sorted(found)}


def _way_to(target: Address) -> tuple[str, Address]:
    """Give the interface that leads to *target*, and the address this side has there."""
    done = subprocess.run(["ip", "-j", "route", "get", str(target)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(0, done.stderr.strip() or f"no route to {target}")
    (route,) = json.loads(done.stdout)
    return route["dev"], ipaddress.ip_address(route["prefsrc"])


def _hardware(interface: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        told: bytes = fcntl.ioctl(any_socket, _SIOCGIFHWADDR, struct.pack("256s", interface.encode()))
        return told[18:24]


def neighbour_request(own: bytes, source: Address, target: Address) -> bytes:
    """Give the frame that asks who has *target*: ARP (RFC 826), or a neighbour solicitation (RFC 4861 4.3)."""
    if target.version == 4:
        asked = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + source.packed + bytes(6) + target.packed
        return b"\xff" * 6 + own + struct.pack("!H", _ETHER_ARP) + asked
    group = ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + target.packed[13:])
    message = struct.pack("!BBHI", 135, 0, 0, 0) + target.packed + b"\x01\x01" + own
    pseudo = source.packed + group.packed + struct.pack("!II", len(message), 58)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    head = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + source.packed + group.packed
    return b"\x33\x33" + group.packed[12:] + own + struct.pack("!H", _ETHER_IP6) + head + message


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _owner(frame: bytes, target: Address) -> str | None:
    if target.version == 4:
        is_reply = len(frame) >= 42 and frame[20:22] == b"\x00\x02" and frame[28:32] == target.packed
        return frame[22:28].hex(":") if is_reply else None
    # A neighbour advertisement (136) about the target, as its sender's frame has it.
    is_advert = len(frame) >= 78 and frame[20] == 58 and frame[54] == 136 and frame[62:78] == target.packed
    return frame[6:12].hex(":") if is_advert else None


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {"http": _http, "connect": _connect, "neighbours": _neighbours}

if __name__ == "__main__":
    json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
