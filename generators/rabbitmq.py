"""The broker's own files: rabbitmq.conf, advanced.config, rabbitmq-env.conf, enabled_plugins, cookie, definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import quoting
from generators.bundle import Artefact
from generators.definitions import Definitions
from generators.header import header
from generators.rabbitmq_conf import Configuration, listeners
from generators.render import render
from rmqha_model.errors import GenerationError

if TYPE_CHECKING:
    from rmqha_model.secrets import Secrets
    from rmqha_model.tls import Tls
    from rmqha_model.topology import Topology

__all__ = ["COOKIE", "DEFINITIONS", "FOLDER", "INTER_NODE_TLS", "USERS", "artefacts"]

FOLDER = "/etc/rabbitmq"
DEFINITIONS = f"{FOLDER}/definitions.json"
"""Everything the broker holds, for `load_definitions`, the management UI and `rabbitmqctl import_definitions`."""
USERS = f"{FOLDER}/definitions-users.json"
"""Vhosts, users and permissions alone: what the user script imports."""
INTER_NODE_TLS = f"{FOLDER}/inter_node_tls.config"
COOKIE = "/var/lib/rabbitmq/.erlang.cookie"


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:
    """Give the files of every broker.

    Raises:
        GenerationError: the cookie has a character that Erlang would end it at, or nodes share no address family.
    """
    shared = tuple(_shared(topology, secrets))
    conf = _conf(topology)
    arguments = _erl_arguments(topology)
    for host in topology.brokers:
        yield _file(host, "rabbitmq.conf", conf[host])
        yield _file(host, "rabbitmq-env.conf", _environment(topology, host, arguments))
        for path, content, mode, owner, secret in shared:
            yield Artefact(host, path, content, mode, owner, "rabbitmq", secret)


def _file(host: str, name: str, content: str) -> Artefact:
    return Artefact(host, f"{FOLDER}/{name}", content, 0o644, group="rabbitmq")


def _shared(topology: Topology, secrets: Secrets) -> Iterator[tuple[str, str, int, str, bool]]:
    """Give what is equal on all brokers: path, content, mode, owner, whether it is secret."""
    rabbitmq = topology.rabbitmq
    advanced = Configuration(topology).advanced
    if advanced:
        what = "RabbitMQ: settings for which this release has no key in rabbitmq.conf."
        text = render("advanced.config.j2", header=header(topology, what, "%%"), applications=advanced)
        yield f"{FOLDER}/advanced.config", text, 0o644, "root", False
    if rabbitmq.tls.inter_node:
        yield INTER_NODE_TLS, _inter_node_tls(topology, rabbitmq.tls.inter_node), 0o644, "root", False
    what = "RabbitMQ: the plugins that are started with the broker."
    plugins = render("enabled_plugins.j2", header=header(topology, what, "%%"), plugins=rabbitmq.plugins)
    yield f"{FOLDER}/enabled_plugins", plugins, 0o644, "root", False
    # Without a line break at its end, as Erlang writes it; modes are those Erlang demands (auth.erl, OTP 22 to 29).
    yield COOKIE, _cookie(secrets[rabbitmq.cookie]), 0o400, "rabbitmq", True
    definitions = Definitions(topology, secrets)
    # Hashes can be guessed at, so they are as secret as the passwords are weak.
    yield DEFINITIONS, definitions.whole(), 0o640, "root", True
    yield USERS, definitions.users_only(), 0o640, "root", True


def _conf(topology: Topology) -> dict[str, str]:
    what = "RabbitMQ: listeners, limits, and how the cluster forms and fails."
    sections = Configuration(topology).sections
    # Rendered once, and once a host only where a listener is bound to the host's own address.
    rest = render("rabbitmq.conf.j2", sections=sections)
    first = {}
    for host in topology.brokers:
        bound = host if topology.rabbitmq.bind == "host" else ""
        if bound not in first:
            top = render("rabbitmq.conf.j2", header=header(topology, what), sections=[listeners(topology, host)])
            first[bound] = f"{top}\n{rest}"
    return {host: first[host if host in first else ""] for host in topology.brokers}


def _environment(topology: Topology, host: str, arguments: tuple[tuple[str, str], ...]) -> str:
    rabbitmq = topology.rabbitmq
    variables = [("RABBITMQ_NODENAME", topology.node_name(host))]
    variables += [("RABBITMQ_USE_LONGNAME", "true")] if rabbitmq.long_names else []
    variables += [("RABBITMQ_DIST_PORT", str(rabbitmq.ports.distribution))]
    variables += [("ERL_EPMD_PORT", str(rabbitmq.ports.epmd))] if rabbitmq.ports.epmd != 4369 else []
    variables += arguments
    variables += rabbitmq.environment.items()
    what = "RabbitMQ: the node's name and ports, read by the server and by its command-line tools."
    return render("rabbitmq-env.conf.j2", header=header(topology, what), variables=variables)


def _erl_arguments(topology: Topology) -> tuple[tuple[str, str], ...]:
    """Give the variables that say how nodes and command-line tools connect; none where Erlang's own way does."""
    ipv6 = _speaks_ipv6(topology)
    if topology.rabbitmq.tls.inter_node:
        transport = "inet6_tls" if ipv6 else "inet_tls"
        words = f"-proto_dist {transport} -ssl_dist_optfile {INTER_NODE_TLS}"
    elif ipv6:
        words = "-proto_dist inet6_tcp"
    else:
        return ()
    return ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", words), ("RABBITMQ_CTL_ERL_ARGS", words)


def _speaks_ipv6(topology: Topology) -> bool:
    """Tell whether nodes must reach each other over IPv6: the names in /etc/hosts lead to `address` alone."""
    versions = {topology.hosts[host].ip.version for host in topology.brokers}
    if len(versions) > 1:
        raise GenerationError(
            "rabbitmq.nodes: found brokers at IPv4 and at IPv6 addresses; Erlang speaks one of the two between nodes; "
            "allowed: an `address` of the same family on all of them"
        )
    return versions == {6}


def _inter_node_tls(topology: Topology, tls: Tls) -> str:
    what = "RabbitMQ: TLS between the nodes, and from command-line tools to them."
    return render(
        "inter_node_tls.config.j2",
        header=header(topology, what, "%%"),
        tls=tls,
        versions=[quoting.erlang_atom(version) for version in tls.versions],
    )


def _cookie(value: str) -> str:
    # auth.erl (OTP 22 to 29) takes printable ASCII without blanks and stops at the first other character.
    if not all("!" <= character <= "~" for character in value):
        raise GenerationError(
            "rabbitmq.cookie: found a character that Erlang does not read; allowed: ASCII letters, digits and signs"
        )
    return value
