"""What the small programs ask the network: frames by their bytes, and answers of real sockets on loopback."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pika.exceptions
import pytest

from integration.diagnose import ask
from integration.suite import amqp

MAC = bytes.fromhex("020000000001")


def test_arp_request_is_rfc_826() -> None:
    """Broadcast, who-has target, told by this side's addresses."""
    frame = ask.neighbour_request(MAC, ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("10.0.0.9"))
    expected = "ffffffffffff" + MAC.hex() + "0806" + "0001080006040001" + MAC.hex() + "0a000001" + "00" * 6 + "0a000009"
    assert frame.hex() == expected


def test_neighbour_solicitation_is_rfc_4861() -> None:
    """To the target's solicited-node group, hop limit 255, with a checksum that adds up."""
    source, target = ipaddress.ip_address("fd00::1"), ipaddress.ip_address("fd00::12:3456")
    frame = ask.neighbour_request(MAC, source, target)
    assert frame[:6].hex() == "3333ff123456"
    assert (frame[20], frame[21], frame[54]) == (58, 255, 135)
    assert frame[62:78] == target.packed
    # RFC 8200 8.1: over the pseudo-header and the message with its checksum, the sum is all ones.
    message = frame[54:]
    data = frame[22:54] + len(message).to_bytes(4, "big") + b"\0\0\0\x3a" + message
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_answers_to_others_are_not_taken() -> None:
    """Only a reply about the address that was asked for names an owner."""
    target = ipaddress.ip_address("10.0.0.9")
    reply = bytearray(ask.neighbour_request(MAC, target, ipaddress.ip_address("10.0.0.1")))
    assert ask._owner(bytes(reply), target) is None
    reply[21] = 2
    assert ask._owner(bytes(reply), target) == "02:00:00:00:00:01"
    assert ask._owner(bytes(reply), ipaddress.ip_address("10.0.0.8")) is None


class Page(BaseHTTPRequestHandler):
    """A page with a login."""

    def do_GET(self) -> None:
        """Show the page to whom it may."""
        good = self.headers.get("Authorization") == "Basic dTpw"
        self.send_response(200 if good else 401)
        self.end_headers()
        self.wfile.write(b"hello" if good else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server of that page."""
    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_is_asked_with_and_without_login(port: int) -> None:
    """Status and body are the answer; a login is sent where one is given."""
    words = {"ask": "http", "host": "127.0.0.1", "port": port, "path": "/"}
    assert ask.answer(words)["status"] == 401
    assert ask.answer(words | {"user": "u", "password": "p"}) == {"status": 200, "body": "hello"}
    assert ask.answer({"ask": "connect", "host": "127.0.0.1", "port": port}) == {"status": 0}


def test_what_goes_wrong_is_an_answer() -> None:
    """A closed port is told in words, by HTTP, by a plain connection, and by AMQP."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = {"host": "127.0.0.1", "port": taken.getsockname()[1]}
        assert ask.answer({"ask": "connect", **place}) == {"error": "connection refused"}
        assert ask.answer({"ask": "http", "path": "/", **place}) == {"error": "connection refused"}
        login = {"endpoints": [["127.0.0.1", place["port"]]], "user": "u", "password": "p", "vhost": "/"}
        said = amqp.answer({"do": "login", "timeout_s": 0.5, **login})
    assert "refused" in said["error"]


def test_program_stands_alone() -> None:
    """The program needs nothing of this project, and answers in JSON."""
    command = [sys.executable, "-I", ask.__file__]
    done = subprocess.run(command, input="[]", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_reason_is_the_brokers_own_word() -> None:
    """A refusal has its code and text; what wraps it is left out."""
    refused = pika.exceptions.ProbableAuthenticationError(403, "ACCESS_REFUSED - Login was refused")
    assert amqp.reason(refused) == "ProbableAuthenticationError: " + str(refused) or "403" in amqp.reason(refused)
    closed = pika.exceptions.ChannelClosedByBroker(404, "NOT_FOUND - home node is down")
    assert amqp.reason(closed) == "404 NOT_FOUND - home node is down"
    assert amqp.reason(pika.exceptions.AMQPConnectionError(closed)) == "404 NOT_FOUND - home node is down"
    assert amqp.reason(TimeoutError()) == "TimeoutError"
