"""The topology: what follows from a design, and the JSON Schema that says how to write one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import rmqha_model
from rmqha_model.broker import PartitionHandling
from rmqha_model.document import loads, read_yaml
from rmqha_model.errors import InconsistentDesign, show_path
from rmqha_model.haproxy import HttpCheck
from rmqha_model.secrets import Secret, named
from rmqha_model.topology import Topology
from rmqha_model.versions import features

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.yaml") if path.name != "secrets.yaml")

SOUND = """\
hosts:
  rabbit1: {address: 10.0.0.11/24, domain: {rack: a}}
  rabbit2: {address: 10.0.0.12/24, domain: {rack: b}}
  rabbit3: {address: 10.0.0.13/24, domain: {rack: c}}
  lb1: {address: 10.0.0.21/24, domain: {rack: a}}
  lb2: {address: 10.0.0.22/24, domain: {rack: b}}
rabbitmq:
  nodes: [rabbit1, rabbit2, rabbit3]
haproxy:
  hosts: [lb1, lb2]
keepalived:
  hosts: [lb1, lb2]
  instances:
    amqp: {virtual_router_id: 51, virtual_addresses: [10.0.0.100/24]}
"""


def design(text: str = "", **changes: Any) -> Topology:
    """Give the sound design with *text* after it, and with *changes* to parts of it by their path's last names."""
    data = read_yaml.read(SOUND + text, "sound", [])
    assert data
    whole: Any = data.data
    for path, value in changes.items():
        *above, last = path.split("__")
        part = whole
        for name in above:
            part = part.setdefault(name, {})
        part[last] = value
    return Topology.model_validate(whole)


def example(name: str) -> Topology:
    """Load one of the examples."""
    return rmqha_model.load(str(ROOT / "examples" / name))


# -- the sound default ----------------------------------------------------------------------------


def test_a_sound_design_is_short() -> None:
    """Three brokers, two load balancers and a virtual address take twenty lines at most, and all of it is sound."""
    assert len(SOUND.splitlines()) <= 20
    topology = loads(SOUND, Topology)
    assert topology.rabbitmq.default_queue_type == "quorum"
    assert topology.partition_handling() == PartitionHandling(strategy="pause_minority")
    assert topology.haproxy
    listener: Any = topology.haproxy.listeners["amqp"]
    assert (listener.balance, listener.check.kind) == ("leastconn", "amqp")
    assert listener.server.on_marked_down == "shutdown-sessions"
    assert topology.keepalived
    assert topology.keepalived.instances["amqp"].unicast
    assert {member.state for member in topology.keepalived.members("amqp").values()} == {"BACKUP"}
    assert len({member.priority for member in topology.keepalived.members("amqp").values()}) == 2
    assert topology.clients["app"].confirms


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_valid(name: str) -> None:
    """Each example is a design without contradictions."""
    assert example(name).brokers


# -- who is where ---------------------------------------------------------------------------------


def test_roles() -> None:
    """Brokers, load balancers and owners of virtual addresses are told in the order of the design."""
    topology = design()
    assert topology.brokers == ("rabbit1", "rabbit2", "rabbit3")
    assert topology.load_balancers == topology.vrrp_hosts == ("lb1", "lb2")
    assert topology.virtual_ips == ("10.0.0.100",)
    assert topology.ip("lb2") == "10.0.0.22"
    alone = example("no-vip.yaml")
    assert (alone.load_balancers, alone.vrrp_hosts, alone.virtual_ips) == ((), (), ())


@pytest.mark.parametrize(
    ("domain", "long_names", "host", "expected"),
    [
        (None, 0, "rabbit1", ("rabbit1", "rabbit1", "rabbit@rabbit1")),
        ("mq.net", 0, "rabbit1", ("rabbit1", "rabbit1.mq.net", "rabbit@rabbit1")),
        ("mq.net", 1, "rabbit1", ("rabbit1", "rabbit1.mq.net", "rabbit@rabbit1.mq.net")),
        (None, 0, "r1.ams.net", ("r1", "r1.ams.net", "rabbit@r1")),
        (None, 1, "r1.ams.net", ("r1", "r1.ams.net", "rabbit@r1.ams.net")),
        ("mq.net", 1, "r1.ams.net", ("r1", "r1.ams.net", "rabbit@r1.ams.net")),
    ],
)
def test_names_of_a_host(domain: str | None, long_names: int, host: str, expected: tuple[str, str, str]) -> None:
    """A node is named by its host's first label, or by the full name where names are long; a dot makes a name full."""
    topology = Topology.model_validate(
        {"domain": domain, "hosts": {host: "10.0.0.11/24"}, "rabbitmq": {"nodes": [host], "long_names": long_names}}
    )
    assert (topology.short_name(host), topology.full_name(host), topology.node_name(host)) == expected


def test_node_prefix() -> None:
    """What stands before the @ can be chosen."""
    assert design(rabbitmq__node_prefix="mq").node_name("rabbit2") == "mq@rabbit2"


def test_settings_of_a_host_are_inherited() -> None:
    """A host has the settings of the design but for those it says itself, its nulls and defaults included."""
    topology = design(
        os={"family": "rpm", "tcp_retries2": 8, "open_files": 100_000},
        hosts__rabbit1__os={"tcp_retries2": None, "open_files": 65536},
    )
    assert topology.os_of("rabbit2") == topology.os
    own = topology.os_of("rabbit1")
    assert (own.family, own.tcp_retries2, own.open_files) == ("rpm", None, 65536)
    assert own.somaxconn == topology.os.somaxconn == 4096


@pytest.mark.parametrize(
    ("bind", "expected"),
    [("any", False), ("host", False), ("vip", True), (["10.0.0.21"], False), (["10.0.0.21", "10.0.0.100"], True)],
)
def test_binding_a_virtual_address(bind: object, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """A listener that binds an address that moves needs a kernel that lets it."""
    assert design(haproxy__listeners={"amqp": {"kind": "amqp", "bind": bind}}).binds_virtual_address() is expected
    assert not example("no-vip.yaml").binds_virtual_address()


def test_networks() -> None:
    """The networks of all addresses are told once each, IPv4 before IPv6, in order."""
    topology = design(
        hosts__lb1={"address": "10.0.1.21/24", "addresses": ["2001:db8:1::21/64"]},
        hosts__lb2={"address": "10.0.0.22/16", "addresses": ["2001:db8::22/64", "10.0.0.23/24"]},
    )
    assert [str(network) for network in topology.networks()] == [
        "10.0.0.0/16",
        "10.0.0.0/24",
        "10.0.1.0/24",
        "2001:db8::/64",
        "2001:db8:1::/64",
    ]


# -- decisions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "nodes", "stated", "expected"),
    [
        ("4.0", 3, None, "pause_minority"),
        ("4.0", 2, None, "ignore"),
        ("3.8", 1, None, "ignore"),
        ("4.2", 3, "autoheal", "autoheal"),
        ("4.3", 3, None, None),
    ],
)
def test_partition_handling(release: str, nodes: int, stated: str | None, expected: str | None) -> None:
    """Three nodes and more pause a minority, fewer cannot; from 4.3 Raft decides, and a statement is refused."""
    names = [f"rabbit{number}" for number in range(1, nodes + 1)]
    topology = design(rabbitmq={"nodes": names, "partition_handling": stated}, versions={"rabbitmq": release})
    handling = topology.partition_handling()
    assert (handling and handling.strategy) == expected


@pytest.mark.parametrize(
    ("check", "log", "expected"),
    [
        ("amqp", {}, "error"),
        ("amqp", {"level": "debug"}, "error"),
        ("amqp", {"level": "error"}, None),
        ("amqp", {"level": "none"}, None),
        ("amqp", {"connection_level": "info"}, "info"),
        ("tcp", {}, None),
        ("tcp", {"connection_level": "warning"}, "warning"),
        ("http", {}, None),
        ("none", {}, None),
    ],
)
def test_level_of_connections(check: str, log: dict[str, str], expected: str | None) -> None:
    """Where checks speak AMQP, connections are told of from error on, unless the design says or logs less anyway."""
    listeners = {"amqp": {"kind": "amqp", "check": {"kind": check}}, "stats": {"kind": "stats"}}
    topology = design(rabbitmq__log=log, haproxy__listeners=listeners, versions={"rabbitmq": "4.3"})
    assert topology.connection_log_level() == expected


def test_level_of_connections_without_a_load_balancer() -> None:
    """Nobody checks, nothing is said."""
    assert example("no-vip.yaml").haproxy is None
    assert example("no-vip.yaml").connection_log_level() is None


@pytest.mark.parametrize(
    ("listener", "server", "checked"),
    [
        ({"kind": "amqp"}, (5672, False), (5672, False)),
        ({"kind": "amqp", "check": {"kind": "none"}}, (5672, False), (5672, False)),
        ({"kind": "amqp", "check": {"kind": "amqp", "port": 5671}}, (5672, False), (5671, True)),
        ({"kind": "amqps"}, (5671, True), (5671, True)),
        ({"kind": "amqps", "check": {"kind": "tcp", "port": 5672}}, (5671, True), (5672, False)),
        ({"kind": "amqps", "mode": "terminate", "certificate": "/tls/a.pem"}, (5672, False), (5672, False)),
        ({"kind": "amqp", "check": {"kind": "http"}}, (5672, False), (15671, True)),
        ({"kind": "amqp", "check": {"kind": "http", "port": 8443}}, (5672, False), (8443, True)),
        ({"kind": "management", "check": {"kind": "tcp", "port": 15671}}, (15671, True), (15671, True)),
    ],
)
def test_ports_behind_a_listener(listener: dict[str, Any], server: tuple[int, bool], checked: tuple[int, bool]) -> None:
    """Where clients' connections and checks go, and whether TLS is spoken there."""
    files = {"certificate": "/tls/node.pem", "key": "/tls/node.key", "ca": "/tls/ca.pem"}
    topology = design(
        rabbitmq__tls={"clients": files, "management": files},
        haproxy__listeners={"one": listener},
        versions={"rabbitmq": "4.3"},
        clients={"app": {"tls": True, "endpoints": "brokers"}},
    )
    assert topology.haproxy
    one: Any = topology.haproxy.listeners["one"]
    assert (topology.server_port(one), topology.check_port(one)) == (server, checked)


def test_release_of_the_default_endpoint_is_that_of_the_table() -> None:
    """What the field says of its default is what a design is judged by."""
    field = HttpCheck.model_fields["path"]
    assert field.default.endswith("/ready-to-serve-clients")
    released = features()["rabbitmq.ready_to_serve_clients"].releases
    assert released.replace(" and ", " or ") in str(field.description)


def test_users_of_clients() -> None:
    """A client logs in as the user it names, else as the first without tags, else as the first."""
    users = {"admin": {"tags": ["administrator"]}, "app": {}, "web": {}}
    topology = design(rabbitmq__users=users, clients={"one": {}, "two": {"user": "web"}})
    assert [topology.user_of(client) for client in topology.clients.values()] == ["app", "web"]
    topology = design(rabbitmq__users={"admin": {"tags": ["administrator"]}})
    assert topology.user_of(topology.clients["app"]) == "admin"


def test_passwords_of_users() -> None:
    """A user's password is where the design says, else under a name of its own in secrets.yaml."""
    topology = design(rabbitmq__users={"app": {"password": {"env": "APP"}}, "Web App": {}, "web_app": {}})
    assert topology.password_of("app") == Secret(env="APP")
    assert topology.password_of("web_app") == Secret(secret="user_web_app")
    assert topology.password_of("Web App") not in {Secret(secret="user_web_app"), named("user_web app")}


TLS = {"certificate": "/etc/tls/a.pem", "key": "/etc/tls/a.key", "ca": "/etc/tls/ca.pem"}
LISTENERS = {
    "stats": {"kind": "stats"},
    "secure": {"kind": "amqps"},
    "plain": {"kind": "amqp", "port": 5673},
    "other": {"kind": "amqp", "port": 5674},
}


@pytest.mark.parametrize(
    ("client", "expected"),
    [({}, "plain"), ({"tls": True}, "secure"), ({"listener": "other"}, "other")],
)
def test_listeners_of_clients(client: dict[str, Any], expected: str) -> None:
    """A client connects to the listener it names, else to the first of its kind."""
    topology = design(rabbitmq__tls={"clients": TLS}, haproxy__listeners=LISTENERS, clients={"app": client})
    assert topology.listener_of(topology.clients["app"]) == expected


def test_no_listener_for_a_client() -> None:
    """Where there is no listener of a client's kind there is none to name."""
    topology = example("no-vip.yaml")
    with pytest.raises(KeyError, match="AmqpListener"):
        topology.listener_of(topology.clients["api"])


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ({}, [("10.0.0.100", 5673), ("10.0.0.101", 5673), ("10.0.0.102", 5673)]),
        ({"instances": ["two"]}, [("10.0.0.102", 5673)]),
        ({"instances": ["two"], "tls": True}, [("10.0.0.102", 5671)]),
        ({"instances": ["two", "one"], "listener": "other"}, [(f"10.0.0.10{n}", 5674) for n in (2, 0, 1)]),
        ({"endpoints": "vip", "instances": ["one"]}, [("10.0.0.100", 5673), ("10.0.0.101", 5673)]),
        ({"endpoints": "load_balancers"}, [("10.0.0.21", 5673), ("10.0.0.22", 5673)]),
        ({"endpoints": "brokers"}, [("10.0.0.11", 5672), ("10.0.0.12", 5672), ("10.0.0.13", 5672)]),
        ({"endpoints": "brokers", "tls": True}, [("10.0.0.11", 5671), ("10.0.0.12", 5671), ("10.0.0.13", 5671)]),
        (
            {"endpoints": [{"host": "lb2", "port": 9}, {"host": "rabbit1", "port": 7}]},
            [("10.0.0.22", 9), ("10.0.0.11", 7)],
        ),
    ],
)
def test_endpoints_of_clients(client: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    """A client tries virtual addresses, load balancers, brokers or a list, each with the port of its listener."""
    topology = design(
        rabbitmq__tls={"clients": TLS},
        haproxy__listeners=LISTENERS,
        keepalived__instances={
            "one": {"virtual_router_id": 51, "virtual_addresses": ["10.0.0.100/24", "10.0.0.101/24"]},
            "two": {"virtual_router_id": 52, "virtual_addresses": ["10.0.0.102/24"]},
        },
        clients={"app": client},
    )
    assert list(topology.endpoints_of(topology.clients["app"])) == expected


def test_endpoints_without_a_vip_or_a_load_balancer() -> None:
    """Without virtual addresses a client tries the load balancers, and without these the brokers."""
    topology = design()
    client = topology.clients["app"]
    without_vip = topology.model_copy(update={"keepalived": None})
    assert without_vip.endpoints_of(client) == (("10.0.0.21", 5672), ("10.0.0.22", 5672))
    without_both = without_vip.model_copy(update={"haproxy": None})
    assert without_both.endpoints_of(client) == tuple((f"10.0.0.1{n}", 5672) for n in (1, 2, 3))


def test_secrets_that_are_needed() -> None:
    """Each secret is needed once for each purpose, in the order of the design; VRRP's holds eight bytes."""
    topology = design(
        rabbitmq__users={"admin": {"tags": ["administrator"]}, "app": {"password": {"env": "APP"}}},
        haproxy__listeners={
            "amqp": {"kind": "amqp"},
            "a": {"kind": "stats"},
            "b": {"kind": "stats", "port": 1, "auth": None},
        },
        keepalived__instances__amqp__authentication={"password": {"secret": "vrrp"}},
    )
    needs = [(show_path(need.path), str(need.source), need.length, need.longest) for need in topology.secret_needs()]
    assert needs == [
        ("rabbitmq.cookie", "secret erlang_cookie", 32, 255),
        ("rabbitmq.users.admin.password", "secret user_admin", 32, 255),
        ("rabbitmq.users.app.password", "env APP", 32, 255),
        ("haproxy.listeners.a.auth.password", "secret haproxy_stats", 32, 255),
        ("keepalived.instances.amqp.authentication.password", "secret vrrp", 8, 8),
    ]


# -- the digest -----------------------------------------------------------------------------------


def test_digest_tells_designs_apart() -> None:
    """Equal designs have equal digests however they are written, and a changed one has another."""
    assert design().digest == loads(SOUND, Topology).digest
    assert design(format=1, rabbitmq__heartbeat="15000ms").digest == design().digest
    assert design(rabbitmq__heartbeat="16s").digest != design().digest


def test_digest_does_not_depend_on_a_literal_secret() -> None:
    """No digest can be used to guess a secret that stands in a design."""
    digests = {design(rabbitmq__cookie={"literal": value, "insecure": True}).digest for value in ("one", "another")}
    assert len(digests) == 1


def test_a_design_shows_no_secret() -> None:
    """Neither a design's text nor its JSON holds a literal secret."""
    topology = design(rabbitmq__cookie={"literal": "Tr0ub4dor", "insecure": True})
    assert "Tr0ub4dor" not in f"{topology!r}{topology}{topology.model_dump_json()}"


# -- contradictions -------------------------------------------------------------------------------


def test_contradictions_need_no_document() -> None:
    """A design that is made in Python is refused with all of its contradictions, which have no place."""
    with pytest.raises(InconsistentDesign) as caught:
        design(haproxy__hosts=["lb1", "lb9"], clients={"app": {"user": "ap"}})
    assert [str(problem).partition(";")[0] for problem in caught.value.problems] == [
        "haproxy.hosts[1]: found host 'lb9', which the design does not have",
        "keepalived.scripts.check_haproxy.kind: found a check of HAProxy, which host lb2 does not run",
        "clients.app.user: found user 'ap', which the design does not have",
    ]


# -- the JSON Schema ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The JSON Schema of topologies."""
    return Topology.model_json_schema()


def accepts(schema: dict[str, Any], text: str) -> Callable[[], None]:
    """Give a call that raises what the schema has against a text."""
    document = read_yaml.read(text, "text", [])
    assert document
    return lambda: jsonschema.Draft202012Validator(schema).validate(document.data)


def test_schema_is_valid(schema: dict[str, Any]) -> None:
    """The schema is one by its own standard."""
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", EXAMPLES)
def test_schema_accepts_the_examples(name: str, schema: dict[str, Any]) -> None:
    """What the program reads, an editor with the schema does not underline."""
    accepts(schema, (ROOT / "examples" / name).read_text("utf-8"))()


@pytest.mark.parametrize(
    "text",
    [
        "hosts: {rabbit1: 10.0.0.11/24}\nrabbitmq: {nodes: [rabbit1]}\n",
        "hosts: {rabbit1: {address: 10.0.0.11/24}}\nrabbitmq: {nodes: {rabbit1: {type: disc}}}\nversions: bookworm\n",
        f"{SOUND}      \n",
    ],
)
def test_schema_accepts_short_forms(text: str, schema: dict[str, Any]) -> None:
    """A host may be its address, a mapping by name a list of names, and releases those of a Debian."""
    accepts(schema, text)()


@pytest.mark.parametrize(
    "text",
    [
        "hosts: {rabbit1: 10.0.0.11/24}\n",
        "hosts: {rabbit1: 10.0.0.11/24}\nrabbitmq: {nodes: [rabbit1], hertbeat: 15s}\n",
        "hosts: {rabbit1: 10.0.0.11/24}\nrabbitmq: {nodes: [rabbit1], heartbeat: 15}\n",
        "hosts: {rabbit1: 10.0.0.11/24}\nrabbitmq: {nodes: [rabbit1, rabbit1]}\n",
        "hosts: {rabbit1: 10.0.0.11/24}\nrabbitmq: {nodes: [rabbit_1]}\n",
        "hosts: {rabbit1: {adress: 10.0.0.11/24}}\nrabbitmq: {nodes: [rabbit1]}\n",
        "hosts: {rabbit1: 10.0.0.11/24}\nrabbitmq: {nodes: [rabbit1]}\nversions: bookwurm\n",
        "hosts: {rabbit1: 10.0.0.11/24}\nrabbitmq: {nodes: [rabbit1]}\nversions: {rabbitmq: '3.7'}\n",
    ],
)
def test_schema_refuses_mistakes(text: str, schema: dict[str, Any]) -> None:
    """An editor with the schema shows mistakes before the program does."""
    with pytest.raises(jsonschema.ValidationError):
        accepts(schema, text)()


def properties(node: object, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every property that a schema describes, with the place it is described in."""
    if isinstance(node, dict):
        for name, value in node.get("properties", {}).items():
            yield f"{where}.{name}", value
        for name, value in node.items():
            yield from properties(value, f"{where}/{name}")
    elif isinstance(node, list):
        for value in node:
            yield from properties(value, where)


def test_each_key_is_described(schema: dict[str, Any]) -> None:
    """Each key a user can write says what it means."""
    known = dict(properties(schema))
    assert len(known) > 250
    assert not [where for where, value in known.items() if not value.get("description")]


def test_schema_tells_no_secret_default(schema: dict[str, Any]) -> None:
    """No default of the schema is a password: those are names in secrets.yaml."""
    user = schema["$defs"]["User"]["properties"]["password"]
    assert user["default"] is None
