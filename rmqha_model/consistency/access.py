"""Clients and overrides: what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rmqha_model.consistency.words import missing, unknown
from rmqha_model.errors import Path, Problem

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["clients", "overrides"]


def clients(topology: Topology) -> Iterator[Problem]:
    """Clients log in as users that exist, and connect to where something listens."""
    for name, client in topology.clients.items():
        at: Path = ("clients", name)
        users = topology.rabbitmq.users
        if client.user is not None and client.user not in users:
            yield unknown((*at, "user"), "user", client.user, users)
        vhosts = topology.rabbitmq.vhosts
        if not vhosts:
            pass
        elif (vhost := topology.vhost_of(client)) not in vhosts:
            yield unknown((*at, "vhost"), "vhost", vhost, vhosts)
        elif users and (user := topology.user_of(client)) in users and vhost not in topology.permissions_of(user):
            yield Problem(
                (*at, "vhost"),
                f"found vhost {vhost!r}, in which user {user!r} may do nothing",
                ", ".join(topology.permissions_of(user)) or "none",
                f"or give `rabbitmq.users.{user}.permissions` an entry for it",
            )
        yield from _endpoints(topology, at, name)


def _endpoints(topology: Topology, at: Path, name: str) -> Iterator[Problem]:
    client, haproxy, keepalived = topology.clients[name], topology.haproxy, topology.keepalived
    if isinstance(client.endpoints, tuple):
        for index, endpoint in enumerate(client.endpoints):
            if endpoint.host not in topology.hosts:
                yield unknown((*at, "endpoints", index, "host"), "host", endpoint.host, topology.hosts)
        if not client.endpoints:
            yield Problem((*at, "endpoints"), "found an empty list", "at least one endpoint")
        return
    if client.endpoints == "vip" and keepalived is None:
        yield Problem(
            (*at, "endpoints"), "found vip in a design without keepalived", "load_balancers, brokers or a list"
        )
    elif client.endpoints in ("vip", "load_balancers") and haproxy is None:
        yield Problem((*at, "endpoints"), f"found {client.endpoints} in a design without haproxy", "brokers or a list")
    elif client.endpoints != "brokers" and haproxy is not None:
        kinds = {
            key: listener.kind for key, listener in haproxy.listeners.items() if listener.kind in ("amqp", "amqps")
        }
        wanted, other = ("amqps", "false") if client.tls else ("amqp", "true")
        if client.listener is not None and client.listener not in kinds:
            yield unknown((*at, "listener"), "AMQP listener", client.listener, kinds)
        elif client.listener is not None and kinds[client.listener] != wanted:
            found = f"found {client.listener}, which is of kind {kinds[client.listener]}"
            yield Problem((*at, "listener"), found, f"a listener of kind {wanted}, or `tls: {other}`")
        elif wanted not in kinds.values():
            allowed = f"one in `haproxy.listeners`, or `tls: {other}`"
            yield Problem((*at, "tls"), f"found no listener of kind {wanted} for this client", allowed)
    elif client.tls and topology.rabbitmq.tls.clients is None:
        yield Problem((*at, "tls"), "found a TLS client of brokers without TLS", "false, or `rabbitmq.tls.clients`")
    elif not client.tls and topology.rabbitmq.ports.amqp is None:
        yield Problem((*at, "tls"), "found a plain client of brokers with TLS only", "true")
    if client.instances:
        yield from missing((*at, "instances"), "instance", client.instances, keepalived.instances if keepalived else ())


def overrides(topology: Topology) -> Iterator[Problem]:
    """Overrides name hosts that exist."""
    for index, override in enumerate(topology.overrides):
        yield from missing(("overrides", index, "hosts"), "host", override.hosts or (), topology.hosts)
