"""A RabbitMQ node judges its own configuration by booting on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from generators.bundle import Artefact, Bundle
from generators.validate import Status, Verdict
from generators.validate.files import Tree
from generators.validate.rabbitmq import ALONE_CONFIG, tasks
from generators.validate.rabbitmq_answer import judge
from generators.validate.room import Outcome

Check = Callable[..., tuple[Verdict, ...]]
booted = [
    pytest.mark.slow,
    pytest.mark.needs("rabbitmq-server", "openssl"),
    pytest.mark.usefixtures("private"),
]

HOSTS = "127.0.0.1 localhost\n10.0.0.1 rabbit1\n10.0.0.2 rabbit2\n10.0.0.3 rabbit3\n"
CONFIG = """\
listeners.tcp.default = 5672
management.tcp.port = 15672
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = rabbit@rabbit1
cluster_formation.classic_config.nodes.2 = rabbit@rabbit2
load_definitions = /etc/rabbitmq/definitions.json
"""
DEFINITIONS: dict[str, Any] = {
    "vhosts": [{"name": "/"}],
    "users": [],
    "queues": [
        {
            "name": "orders",
            "vhost": "/",
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-queue-type": "quorum"},
        }
    ],
}


def files(
    host: str = "rabbit1",
    config: str = CONFIG,
    definitions: dict[str, Any] = DEFINITIONS,
    plugins: str = "[rabbitmq_management].\n",
    **others: str,
) -> list[Artefact]:
    """The files of a node's host."""
    own = {
        "rabbitmq.conf": config,
        "enabled_plugins": plugins,
        "definitions.json": json.dumps(definitions, indent=1),
        "rabbitmq-env.conf": f"NODENAME=rabbit@{host}\n",
        **{name.replace("__", "."): text for name, text in others.items()},
    }
    user = {"owner": "rabbitmq", "group": "rabbitmq"}
    return [
        Artefact(host, "/etc/hosts", HOSTS),
        Artefact(host, "/etc/hostname", f"{host}\n"),
        Artefact(host, "/var/lib/rabbitmq/.erlang.cookie", "COOKIE", 0o400, secret=True, **user),
        *(Artefact(host, f"/etc/rabbitmq/{name}", text, 0o640, **user) for name, text in own.items()),
    ]


def found(*artefacts: Artefact) -> list[Any]:
    """The boots some files ask for."""
    return list(tasks(Tree(Bundle("d", "x", tuple(artefacts)))))


class TestBoot:
    """Nodes that are really booted."""

    pytestmark = booted

    def test_good(self, check: Check) -> None:
        """A good configuration boots, with TLS for clients and between nodes on certificates only its user has."""
        tls = '{cacertfile,"/tls/ca.pem"},{certfile,"/tls/node.pem"},{keyfile,"/tls/node.key"},{verify,verify_peer}'
        config = CONFIG + (
            "listeners.ssl.default = 5671\nssl_options.cacertfile = /tls/ca.pem\n"
            "ssl_options.certfile = /tls/node.pem\nssl_options.keyfile = /tls/node.key\n"
            "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
        )
        path = "$(erl -noinput -eval 'io:put_chars(filename:dirname(code:which(inet_tls_dist)))' -s init stop)"
        arguments = "-pa $ERL_SSL_PATH -proto_dist inet_tls -ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config"
        others = {
            "inter_node_tls__config": f"[{{server,[{tls},{{fail_if_no_peer_cert,true}}]}},{{client,[{tls}]}}].\n",
            "advanced__config": "[{rabbit,[{consumer_timeout,undefined}]}].\n",
            "rabbitmq-env__conf": f'NODENAME=rabbit@rabbit1\nERL_SSL_PATH="{path}"\n'
            f'SERVER_ADDITIONAL_ERL_ARGS="{arguments}"\nCTL_ERL_ARGS="{arguments}"\n',
        }
        (verdict,) = check("rabbitmq-server", *files(config=config, **others))
        assert verdict.status is Status.OK, verdict
        assert verdict.paths[0] == "rabbit1/etc/rabbitmq/rabbitmq.conf"
        assert len(verdict.paths) == 6
        assert [line.split()[0] for line in verdict.detail] == ["/tls/ca.pem", "/tls/node.pem", "/tls/node.key"]

    def test_boots_and_does_not_do_what_it_should(self, check: Check) -> None:
        """A node that serves fails, too, when it left out a plugin, a listener or the definitions."""
        definitions = DEFINITIONS | {"permissions": []}
        definitions["queues"] = [DEFINITIONS["queues"][0] | {"vhost": "/elsewhere"}]
        artefacts = files(
            config=CONFIG.replace("management.tcp.port", "prometheus.tcp.port"),
            definitions=definitions,
            plugins="[rabbitmq_management,\n rabbitmq_nothing].\n",
        )
        (verdict,) = check("rabbitmq-server", *artefacts)
        assert verdict.status is Status.FAILED
        told = "\n".join(verdict.detail)
        assert "rabbit1/etc/rabbitmq/enabled_plugins:2: rabbitmq_nothing: this RabbitMQ runs without it" in told
        assert "rabbit1/etc/rabbitmq/definitions.json:" in told
        assert "/elsewhere" in told

    @pytest.mark.parametrize(
        ("config", "others", "told"),
        [
            (CONFIG + "foo.bar = 1\n", {}, "rabbit1/etc/rabbitmq/rabbitmq.conf:7: You've tried to set foo.bar"),
            (
                CONFIG,
                {"advanced__config": "[\n{rabbit,[]\n].\n"},
                "rabbit1/etc/rabbitmq/advanced.config:3: syntax error",
            ),
            (CONFIG, {"rabbitmq-env__conf": "A=1\nfoo bar\n"}, "rabbit1/etc/rabbitmq/rabbitmq-env.conf:2: foo: "),
        ],
        ids=["key", "terms", "shell"],
    )
    def test_does_not_boot(self, check: Check, config: str, others: dict[str, str], told: str) -> None:
        """A configuration a node does not boot on fails at the line that is wrong."""
        (verdict,) = check("rabbitmq-server", *files(config=config, **others))
        assert verdict.status is Status.FAILED
        assert verdict.detail[0].startswith(told), verdict.detail


def test_one_boot_for_equal_hosts() -> None:
    """Hosts that differ by name only are one boot; another setting, or another place among the peers, is not lost."""
    same = [*files("rabbit1"), *files("rabbit2"), *files("rabbit3")]
    (task,) = found(*same)
    assert len(task.subjects[0].copies) == 12
    assert len(found(*same, *files("rabbit4", config=CONFIG + "heartbeat = 10\n"))) == 2


def test_room_of_a_node() -> None:
    """The room has the host's name and address, the node's own folders empty, the cookie for its user only."""
    (task,) = found(*files("rabbit2"))
    assert (task.room.hostname, task.room.links) == ("rabbit2", {"eth0": ["10.0.0.2/32"]})
    assert set(task.room.alone) == {"/etc/rabbitmq", "/var/lib/rabbitmq", "/var/log/rabbitmq"}
    (cookie,) = (file for file in task.room.files if file.path.endswith("cookie"))
    assert (cookie.mode, cookie.owner) == (0o400, "rabbitmq")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("heartbeat = 60\n", {}),
        (CONFIG, {"peer_discovery_backend": "dns", "discovery_retry_limit": "1"}),
        (
            f"{CONFIG}cluster_formation.target_cluster_size_hint = 3\ncluster_formation.discovery_retry_limit = 600\n",
            {"peer_discovery_backend": "dns", "target_cluster_size_hint": "1", "discovery_retry_limit": "1"},
        ),
        (f"{CONFIG}cluster_formation.discovery_retry_limit = often\n", {"peer_discovery_backend": "dns"}),
    ],
)
def test_node_waits_for_nobody(config: str, told: dict[str, str]) -> None:
    """A node looks for no peers and waits for no number of them; a number that is none is not hidden from it."""
    (task,) = found(*files(config=config))
    (alone,) = (file.content for file in task.room.files if file.path == ALONE_CONFIG)
    assert dict(line.removeprefix("cluster_formation.").split(" = ") for line in alone.splitlines()) == told


def answer(**told: Any) -> Outcome:
    """What ``_boot.py`` prints."""
    usual = {
        "serves": False,
        "exit": 1,
        "ports": [4369],
        "plugins": None,
        "imports": {},
        "terms": "",
        "node": "",
        "control": "",
        "logs": "",
    }
    return Outcome(0, json.dumps(usual | told), 1.0)


def said(outcome: Outcome, config: str = CONFIG) -> list[str]:
    """What is made of an answer."""
    own = {"/etc/rabbitmq/rabbitmq.conf": Artefact("rabbit1", "/etc/rabbitmq/rabbitmq.conf", config)}
    return [one.text for one in judge(own, outcome)]


LOG = "2026-01-01 10:00:00.000001+00:00 [{}] <0.132.0> {}\n"


def test_reasons_are_picked_from_the_log() -> None:
    """Errors come out once, joined to their further lines; banners and supervision reports do not."""
    node = (
        LOG.format("info", "Feature flags: none")
        + "  ##  ##      RabbitMQ 3.10.8\n  Starting broker...\n"
        + LOG.format("error", "Error preparing configuration in phase transform_datatypes:")
        + LOG.format("error", "  - Error transforming datatype for: management.tcp.port")
        + LOG.format("error", "    and more of it")
        + "BOOT FAILED\n===========\nError during startup: {error,failed_to_prepare_configuration}\n"
        + LOG.format("error", "    supervisor: {local,rabbit_prelaunch_sup}")
        + LOG.format("error", "never told")
    )
    assert said(answer(node=node)) == [
        "/etc/rabbitmq/rabbitmq.conf:2: Error transforming datatype for: management.tcp.port and more of it"
    ]


def test_listener_that_cannot_be_had() -> None:
    """An address the host has not is told as such, not as a supervision tree."""
    node = (
        'Error during startup: {error,\n     {could_not_start_listener,"10.0.0.99",5672,\n'
        "      {{shutdown,\n       {failed_to_start_child,ranch_sup,\n        {listen_error,x,eaddrnotavail}}}}}\n"
    )
    config = CONFIG.replace("tcp.default = 5672", "tcp.1 = 10.0.0.99:5672")
    assert said(answer(node=node), config) == [
        "/etc/rabbitmq/rabbitmq.conf:1: cannot listen on 10.0.0.99:5672: eaddrnotavail"
    ]


def test_nothing_to_go_by() -> None:
    """A node that ends or hangs without a word, and a boot that broke off, are failures."""
    assert said(answer()) == ["rabbitmq-server ended with exit status 1"]
    assert said(answer(exit=None, control="\nError: no such node\n")) == ["the node never served: Error: no such node"]
    assert said(Outcome(1, "Traceback: boom\n", 1.0)) == ["the boot broke off: Traceback: boom"]
    assert said(Outcome(None, "", 150.0)) == []


def test_port_nothing_listens_on() -> None:
    """A listener that rabbitmq.conf asks for and the node lacks is told with its line."""
    served = {"serves": True, "exit": None, "plugins": {"status": 0, "said": "[]"}}
    assert said(answer(**served, ports=[5672, 15672])) == []
    assert said(answer(**served, ports=[5672])) == [
        "/etc/rabbitmq/rabbitmq.conf:2: management.tcp.port: nothing listens on 15672"
    ]
