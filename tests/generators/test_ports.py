"""The port matrix: each port only from where it is needed."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from designs import design
from hypothesis import given
from strategies import topologies

from generators.ports import Guard, Matrix, merged

if TYPE_CHECKING:
    from rmqha_model.topology import Topology


def opened(guard: Guard) -> dict[str, set[int]]:
    """The ports each group may reach; of a range its ends."""
    return {opening.group: {port for pair in opening.ports for port in pair} for opening in guard.openings}


def test_dedicated_load_balancers() -> None:
    """Brokers talk to brokers, load balancers to brokers, clients to load balancers."""
    matrix = Matrix(design())
    assert opened(matrix.guard("r1")) == {
        "brokers": {4369, 25672, 35672, 35682},
        "load_balancers": {5672},
        "operators": {15672},
        "monitoring": {15692},
    }
    assert opened(matrix.guard("lb1")) == {"clients": {5672}, "operators": {8404}}
    assert matrix.guard("lb1").vrrp[0].instances == ("VI",)
    assert matrix.guard("r1").vrrp == ()
    assert matrix.guard("r1") == matrix.guard("r3")


def test_without_load_balancers_clients_reach_brokers() -> None:
    """A design whose clients hold the list opens AMQP for them."""
    matrix = Matrix(design(haproxy=None, keepalived=None))
    assert opened(matrix.guard("r1"))["clients"] == {5672}
    assert matrix.guard("lb1") == Guard()


def test_a_client_with_a_list_opens_only_what_is_on_it() -> None:
    """Of two brokers only the one that a client's list names is open to clients."""
    matrix = Matrix(design(clients={"one": {"endpoints": [{"host": "r2", "port": 5672}]}}))
    assert "clients" not in opened(matrix.guard("r1"))
    assert opened(matrix.guard("r2"))["clients"] == {5672}


def test_an_http_check_opens_the_management_port_for_load_balancers() -> None:
    """What a check asks is reachable for who checks."""
    check = {"kind": "http", "path": "/api/health/checks/alarms", "user": "admin"}
    matrix = Matrix(design(haproxy={"listeners": {"amqp": {"kind": "amqp", "check": check}}}))
    assert opened(matrix.guard("r1"))["load_balancers"] == {5672, 15672}


def test_tls_ports() -> None:
    """With TLS only, the plain management port is closed to all but guarded: it may still listen."""
    tls = {"certificate": "/a.pem", "key": "/a.key", "ca": "/ca.pem"}
    rabbitmq = {"ports": {"amqp": None}, "tls": {"clients": tls, "management": tls}}
    listeners = {"amqps": {"kind": "amqps"}}
    guard = Matrix(design(rabbitmq=rabbitmq, haproxy={"listeners": listeners}, clients={"app": {"tls": True}})).guard(
        "r1"
    )
    assert opened(guard)["load_balancers"] == {5671}
    assert opened(guard)["operators"] == {15671}
    assert (15672, 15672) in guard.ports


def test_who_is_taken_from_the_firewall_settings() -> None:
    """Operators default to clients and monitoring to operators; clients to the networks of the hosts."""
    matrix = Matrix(design(firewall={"operators": ["192.168.7.0/24"]}))
    assert list(map(str, matrix.groups["clients"])) == ["10.0.0.0/24"]
    assert list(map(str, matrix.groups["operators"])) == ["192.168.7.0/24"]
    assert matrix.groups["monitoring"] == matrix.groups["operators"]


@pytest.mark.parametrize(
    ("instance", "sources", "anybody"),
    [
        ({}, ["10.0.0.14/32", "10.0.0.15/32"], False),
        ({"unicast": False}, ["10.0.0.14/32", "10.0.0.15/32"], False),
        ({"unicast": False, "members": {"lb1": {"priority": 9, "interface": "eth7"}, "lb2": 8}}, [], True),
    ],
)
def test_who_sends_adverts(instance: dict[str, object], sources: list[str], anybody: bool) -> None:  # noqa: FBT001 - a case
    """Adverts are taken from the members; from anybody on the group where a member's address is not known."""
    vrrp = Matrix(design(keepalived={"instances": {"VI": instance}})).guard("lb1").vrrp[0]
    assert list(map(str, vrrp.sources)) == sources
    assert vrrp.anybody is anybody


def test_ipv6_multicast_adverts_come_from_the_link() -> None:
    """RFC 5798: the source of an IPv6 advert is the interface's link-local address."""
    instance = {"virtual_router_id": 7, "virtual_addresses": ["fd00::100/64"], "unicast": False}
    hosts = {"lb1": {"address": "10.0.0.14/24", "addresses": ["fd00::14/64"]}}
    vrrp = Matrix(design(hosts=hosts, keepalived={"instances": {"VI": instance}})).guard("lb1").vrrp[0]
    assert list(map(str, vrrp.sources)) == ["fe80::/10"]


def test_merged_drops_what_lies_within_another() -> None:
    """Sets of a firewall take no overlaps; order and families are kept apart."""
    networks = ("10.1.0.0/16", "::/0", "10.0.0.0/8", "10.1.2.3/32", "fd00::/8", "11.0.0.0/8")
    assert list(map(str, merged(map(ipaddress.ip_network, networks)))) == ["10.0.0.0/8", "11.0.0.0/8", "::/0"]


@given(topology=topologies())
def test_every_endpoint_of_a_client_is_open(topology: Topology) -> None:
    """Whatever a client connects to lets clients in, and whatever stands behind it lets load balancers in."""
    matrix = Matrix(topology)
    at = {topology.ip(host): host for host in topology.hosts}
    owners = topology.load_balancers
    for client in topology.clients.values():
        for ip, port in topology.endpoints_of(client):
            for host in [at[ip]] if ip in at else owners:
                assert port in opened(matrix.guard(host)).get("clients", set())


@given(topology=topologies())
def test_everything_opened_is_guarded(topology: Topology) -> None:
    """A port that is open to some is closed to others, without overlaps among the guarded ranges."""
    matrix = Matrix(topology)
    for host in topology.hosts:
        guard = matrix.guard(host)
        for opening in guard.openings:
            for first, last in opening.ports:
                assert any(low <= first and last <= high for low, high in guard.ports)
        assert all(a[1] < b[0] for a, b in zip(guard.ports, guard.ports[1:], strict=False))
