"""Members, leaders and alarms, as the management API tells them."""

from __future__ import annotations

import asyncio

import pytest

from integration.observe import http, management
from integration.observe.spec import Api
from rmqha_model.events import Alarm, Event, Peers, QueueLeader

HOSTS = {"rabbit@r1": "r1", "rabbit@r2": "r2", "rabbit@r3": "r3"}


def test_members_partitions_and_own_alarms() -> None:
    """Who runs is told in the design's order; partitions and alarms are those of the broker that is asked."""
    rows = [
        {"name": "rabbit@r3", "running": True, "partitions": [], "mem_alarm": True, "disk_free_alarm": False},
        {
            "name": "rabbit@r1",
            "running": True,
            "partitions": ["rabbit@r2"],
            "mem_alarm": False,
            "disk_free_alarm": True,
        },
        {"name": "rabbit@r2", "running": False},
    ]
    assert list(management.parse_nodes(rows, "r1", HOSTS, 2.0)) == [
        Alarm(2.0, "r1", "memory", on=False),
        Alarm(2.0, "r1", "disk", on=True),
        Peers(2.0, "r1", ("r1", "r3"), ("r2",)),
    ]


@pytest.mark.parametrize(
    ("row", "leader", "in_step"),
    [
        (
            {"leader": "rabbit@r2", "members": [*HOSTS], "online": ["rabbit@r2", "rabbit@r1"]},
            "r2",
            ("r1", "r2"),
        ),
        ({"node": "rabbit@r1"}, "r1", ("r1",)),
        (
            {
                "node": "rabbit@r1",
                "slave_nodes": ["rabbit@r3", "rabbit@r2"],
                "synchronised_slave_nodes": ["rabbit@r3"],
            },
            "r1",
            ("r1", "r3"),
        ),
        ({"leader": "", "members": ["rabbit@r1"], "online": []}, None, ()),
        ({"leader": "rabbit@elsewhere", "members": []}, "rabbit@elsewhere", ("rabbit@elsewhere",)),
    ],
    ids=["quorum", "classic", "mirrored", "nobody leads", "a node of no design"],
)
def test_leaders_of_every_type_of_queue(row: dict[str, object], leader: str | None, in_step: tuple[str, ...]) -> None:
    """Each type of queue has its own words for who leads it and who is in step."""
    said = management.parse_queue({**row, "vhost": "/", "name": "q"}, HOSTS, 1.0)
    assert said == QueueLeader(1.0, "/", "q", leader, in_step)


def served(answers: dict[str, bytes]) -> list[Event] | str:
    """Ask a broker that gives these answers, by the path; give what it told, or why it told nothing."""

    async def play() -> list[Event] | str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode().partition("?")[0]
            assert b"Authorization: Basic YWRtaW46c2VjcmV0" in head
            writer.write(answers.get(path, b"HTTP/1.1 404 Not Found\r\n\r\n"))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        api = Api(
            "127.0.0.1",
            server.sockets[0].getsockname()[1],
            "admin:secret",
            nodes=tuple(HOSTS.items()),
            queues=(("/", "a b"), ("/", "gone")),
        )
        try:
            return await management.ask(api, "r1", 3.0, limit_s=2)
        except http.NoAnswer as error:
            return str(error)
        finally:
            server.close()

    return asyncio.run(play())


def test_a_broker_is_asked_for_members_and_queues() -> None:
    """Names go into paths with their signs escaped; a queue that is not there is passed over; chunks are joined."""
    ok = b"HTTP/1.1 200 OK\r\n\r\n"
    answers = {
        "/api/nodes": ok + b'[{"name": "rabbit@r1", "running": true}]',
        "/api/queues/%2F/a%20b": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"node":\r\n'
        b'c\r\n"rabbit@r2"}\r\n0\r\n\r\n',
    }
    assert served(answers) == [Peers(3.0, "r1", ("r1",)), QueueLeader(3.0, "/", "a b", "r2", ("r2",))]


def test_a_broker_that_gives_no_answer() -> None:
    """Another status than 200, or something that is not JSON, is no answer."""
    assert served({}) == "HTTP/1.1 404 Not Found"
    assert served({"/api/nodes": b"HTTP/1.1 200 OK\r\n\r\n<html>"}) == "not JSON"
