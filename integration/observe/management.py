"""Members, leaders and alarms as a broker's management API tells them."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from integration.observe import http
from rmqha_model.events import Alarm, Event, Peers, QueueLeader

if TYPE_CHECKING:
    from integration.observe.spec import Api

__all__ = ["ask", "parse_nodes", "parse_queue"]

_NODES = "/api/nodes?columns=name,running,partitions,mem_alarm,disk_free_alarm"
_QUEUE = "columns=name,vhost,type,node,leader,members,online,slave_nodes,synchronised_slave_nodes"


def parse_nodes(rows: Iterable[Mapping[str, Any]], host: str, hosts: Mapping[str, str], t: float) -> Iterator[Event]:
    """Give who runs by the broker on *host*, and its own alarms; *hosts* gives the host of each node's name."""
    running: list[str] = []
    partitioned: set[str] = set()
    for row in rows:
        own = hosts.get(row.get("name", "")) == host
        if row.get("running"):
            running.append(hosts.get(row["name"], row["name"]))
        if own:
            partitioned.update(hosts.get(node, node) for node in row.get("partitions") or ())
            for resource, key in (("memory", "mem_alarm"), ("disk", "disk_free_alarm")):
                if isinstance(row.get(key), bool):
                    yield Alarm(t, host, resource, row[key])  # type: ignore[arg-type]
    order = {name: place for place, name in enumerate(hosts.values())}

    def place(name: str) -> int:
        return order.get(name, len(order))

    yield Peers(t, host, tuple(sorted(running, key=place)), tuple(sorted(partitioned, key=place)))


def parse_queue(row: Mapping[str, Any], hosts: Mapping[str, str], t: float) -> QueueLeader:
    """Give who leads a queue and who holds it in step, by what a broker says of it.

    A quorum queue or stream tells ``leader`` and its ``online`` members; a classic queue its ``node`` and, where it is
    mirrored, the ``synchronised_slave_nodes``.
    """
    leader = row.get("leader") or row.get("node") or ""
    in_step = row.get("online") if "members" in row else row.get("synchronised_slave_nodes")
    members = {hosts.get(node, node) for node in (in_step or ())}
    known = hosts.get(leader, leader or None)
    if known:
        members.add(known)
    return QueueLeader(t, row["vhost"], row["name"], known, tuple(sorted(members)))


async def ask(api: Api, host: str, now: float, *, limit_s: float) -> list[Event]:
    """Ask the broker on *host*. Raises :class:`http.NoAnswer`."""
    address, hosts = (api.address, api.port), dict(api.nodes)
    nodes = await http.get(address, _NODES, login=api.login, tls=api.tls, limit_s=limit_s)
    events: list[Event] = list(parse_nodes(_rows(nodes), host, hosts, now))
    for vhost, name in api.queues:
        where = f"{urllib.parse.quote(vhost, safe='')}/{urllib.parse.quote(name, safe='')}"
        path = f"/api/queues/{where}?{_QUEUE}"
        try:
            said = await http.get(address, path, login=api.login, tls=api.tls, limit_s=limit_s)
        except http.NoAnswer:
            continue  # Not declared yet, or nobody knows: no change is told.
        row = json.loads(said)
        events.append(parse_queue({**row, "vhost": vhost, "name": name}, hosts, now))
    return events


def _rows(text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError:
        raise http.NoAnswer("not JSON") from None
    return rows if isinstance(rows, list) else []
