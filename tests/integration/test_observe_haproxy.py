"""The state of servers, as HAProxy tells it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from pathlib import Path

from integration.observe.haproxy import ask, parse_stats
from integration.observe.spec import HaproxySource
from rmqha_model.events import ServerState

NAMES = [
    "pxname",
    "svname",
    "qcur",
    "qmax",
    "scur",
    "smax",
    "slim",
    "stot",
    "bin",
    "bout",
    "dreq",
    "dresp",
    "ereq",
    "econ",
    "eresp",
    "wretr",
    "wredis",
    "status",
    "weight",
    "act",
    "bck",
    "chkfail",
    "chkdown",
    "lastchg",
    "downtime",
    "qlimit",
    "pid",
    "iid",
    "sid",
    "throttle",
    "lbtot",
    "tracked",
    "type",
    "rate",
    "rate_lim",
    "rate_max",
    "check_status",
    "check_code",
    "check_duration",
    "hrsp_1xx",
    "hrsp_2xx",
    "hrsp_3xx",
    "hrsp_4xx",
    "hrsp_5xx",
    "hrsp_other",
    "hanafail",
    "req_rate",
    "req_rate_max",
    "req_tot",
    "cli_abrt",
    "srv_abrt",
    "comp_in",
    "comp_out",
    "comp_byp",
    "comp_rsp",
    "lastsess",
    "last_chk",
    "last_agt",
    "qtime",
    "ctime",
    "rtime",
    "ttime",
    "agent_status",
    "agent_code",
    "agent_duration",
    "check_desc",
    "agent_desc",
    "check_rise",
    "check_fall",
    "check_health",
]


def line(**fields: str) -> str:
    """Give a line of HAProxy's CSV."""
    return ",".join(fields.get(name, "") for name in NAMES) + ","


def csv(*lines: str) -> str:
    """Give an answer to `show stat`."""
    return "\n".join((f"# {','.join(NAMES)},", *lines, "", ""))


SERVER = {"pxname": "amqp", "type": "2", "check_rise": "2", "check_fall": "3"}
ANSWER = csv(
    line(pxname="amqp", svname="FRONTEND", type="0", status="OPEN"),
    line(**SERVER, svname="r1", status="UP", check_status="L7OK", check_health="4"),
    line(**SERVER, svname="r2", status="UP 1/3", check_status="* L4CON", check_health="2", last_chk='"refused, so"'),
    line(**SERVER, svname="r3", status="DOWN 1/2", check_status="L4TOUT", check_health="1"),
    line(pxname="amqp", svname="r4", type="2", status="no check"),
    line(pxname="amqp", svname="BACKEND", type="1", status="UP"),
    line(pxname="other", svname="x", type="2", status="UP"),
)


def test_servers_of_the_proxies_that_are_watched() -> None:
    """State and counter of each server, with the code of its last check; nothing of fronts, backs and other proxies."""
    assert list(parse_stats(ANSWER, "lb1", ["amqp"], 1.5)) == [
        ServerState(1.5, "lb1", "amqp", "r1", up=True, health=4, rise=2, fall=3, check="L7OK"),
        ServerState(1.5, "lb1", "amqp", "r2", up=True, health=2, rise=2, fall=3, check="L4CON"),
        ServerState(1.5, "lb1", "amqp", "r3", up=False, health=1, rise=2, fall=3, check="L4TOUT"),
        ServerState(1.5, "lb1", "amqp", "r4", up=True, health=1, rise=1, fall=1, check=""),
    ]


def test_no_answer_is_no_state() -> None:
    """An HAProxy that is gone or stands still tells nothing, which is not `down`."""
    assert list(parse_stats("", "lb1", ["amqp"], 0)) == []
    assert asyncio.run(ask(HaproxySource(("amqp",), "/nonexistent/admin.sock"))) == ""


def test_a_socket_deeper_than_its_address_can_say(tmp_path: Path) -> None:
    """The address of a Unix socket has 107 bytes; a longer path is reached by way of its folder."""
    folder = tmp_path / ("deep" * 30) / ("deeper" * 10)
    folder.mkdir(parents=True)
    path = folder / "admin.sock"
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)
        try:
            server.bind("admin.sock")
        finally:
            os.chdir(here)
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(100))
                connection.sendall(ANSWER.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        answer = asyncio.run(ask(HaproxySource(("amqp",), str(path))))
        thread.join()
    assert asked == [b"show stat -1 4 -1\n"]
    assert answer == ANSWER
