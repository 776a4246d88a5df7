"""What stands in rabbitmq.conf and advanced.config: which setting under which name in which release.

A node does not boot with a key it does not know. A setting whose key the release lacks goes to advanced.config
where its application has it all the same, else it is left out and rabbitmq.conf says so.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from generators import quoting
from generators.quoting import Quoted, verbatim
from rmqha_model.units import Size
from rmqha_model.versions import Version, features, refusal_sentence

if TYPE_CHECKING:
    from rmqha_model.tls import Tls
    from rmqha_model.topology import Topology
    from rmqha_model.units import Duration

__all__ = ["Configuration", "Section", "has_key", "listeners"]

Settings = list[tuple[str, object]]
Terms = dict[str, dict[str, Quoted]]


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together, under a comment that says what they are about."""

    title: str
    settings: Settings
    left_out: tuple[str, ...] = ()

    def printed(self) -> Quoted:
        """Give the section as it stands in rabbitmq.conf."""
        lines: list[str] = [quoting.comment(self.title)]
        lines += [quoting.comment(f"Left out: {why}") for why in self.left_out]
        lines += [f"{key} = {quoting.rabbitmq_conf(value)}" for key, value in self.settings]
        return verbatim("\n".join(lines))


def has_key(topology: Topology, key: str) -> bool:
    """Tell whether every patch the design's release may mean knows *key* of rabbitmq.conf.

    ``3.10`` is the newest patch to the version table. A file with a key that only the newest know would keep an older
    patch, such as Debian's, from booting.
    """
    release = Version.parse(topology.versions.rabbitmq)
    known = features()[f"rabbitmq.conf:{key}"]
    return known.is_in(release) and (release.is_exact or known.is_in(release._replace(patch=0)))


def listeners(topology: Topology, host: str) -> Section:
    """Give the section of the sockets that *host* opens."""
    rabbitmq, ports = topology.rabbitmq, topology.rabbitmq.ports
    settings: Settings = []
    if ports.amqp is None:
        settings.append(("listeners.tcp", "none"))
    else:
        settings += _bound(topology, host, "listeners.tcp", ports.amqp)
    if rabbitmq.tls.clients:
        settings += _bound(topology, host, "listeners.ssl", ports.amqps)
        settings += _tls("ssl_options", rabbitmq.tls.clients)
    if "rabbitmq_management" in rabbitmq.plugins:
        if rabbitmq.tls.management:
            # With this listener alone the plugin opens none without TLS (rabbit_mgmt_app.erl, 3.8 to 4.3).
            settings += [("management.ssl.port", ports.management_tls), *_everywhere(topology, "management.ssl.ip")]
            settings += _tls("management.ssl", rabbitmq.tls.management)
        else:
            settings += [("management.tcp.port", ports.management), *_everywhere(topology, "management.tcp.ip")]
    if "rabbitmq_prometheus" in rabbitmq.plugins:
        settings += [("prometheus.tcp.port", ports.prometheus), *_everywhere(topology, "prometheus.tcp.ip")]
    return Section("Listeners.", settings)


def _bound(topology: Topology, host: str, key: str, port: int) -> Settings:
    bind = topology.rabbitmq.bind
    if bind == "any":
        return [(f"{key}.default", port)]
    own = topology.hosts[host]
    addresses = [a.ip for a in (own.address, *own.addresses)] if bind == "host" else [bind]
    # An IPv6 address stands without brackets: cuttlefish parts it at the last colon.
    return [(f"{key}.{number}", f"{address}:{port}") for number, address in enumerate(addresses, 1)]


def _everywhere(topology: Topology, key: str) -> Settings:
    """Give the setting that makes a plugin listen on IPv6 as well: left alone, it does on IPv4 only (3.8 to 4.3)."""
    hosts = (topology.hosts[host] for host in topology.brokers)
    versions = {address.version for host in hosts for address in (host.address, *host.addresses)}
    return [(key, "::")] if 6 in versions else []


def _tls(key: str, tls: Tls) -> Settings:
    return [
        (f"{key}.cacertfile", tls.ca),
        (f"{key}.certfile", tls.certificate),
        (f"{key}.keyfile", tls.key),
        (f"{key}.verify", "verify_peer" if tls.verify_peer else "verify_none"),
        (f"{key}.fail_if_no_peer_cert", "true" if tls.require_peer else "false"),
        *((f"{key}.versions.{number}", version) for number, version in enumerate(tls.versions, 1)),
    ]


class Configuration:
    """The settings of a design that are equal on all of its brokers, each in the file that its release reads."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._terms: Terms = {}
        self._left_out: list[str] = []
        # In this order: making the sections finds what belongs into the other file.
        self.sections = tuple(self._sections())
        """Of rabbitmq.conf, less the listeners."""
        self.advanced = {name: self._terms[name] for name in sorted(self._terms)}
        """Of advanced.config: application to name to value; empty when the file is not needed."""

    def _sections(self) -> Iterator[Section]:
        for title, make in (
            ("Limits and alarms; an alarm on one node blocks publishers on all.", self._limits),
            ("How the nodes find each other.", self._formation),
            ("How a lost node is noticed, and what follows.", self._failures),
            ("Queues.", self._queues),
            (self._why_connections(), self._connections),
            ("The rest.", self._rest),
        ):
            self._left_out = []
            settings = make()
            if settings or self._left_out:
                yield Section(title, settings, tuple(self._left_out))

    def _maybe(self, key: str, value: object, term: tuple[str, str, Quoted] | None = None) -> Settings:
        """Give the setting if the release knows its key; else keep its *term*, or why it is left out."""
        if value is None:
            return []
        if has_key(self._topology, key):
            return [(key, value)]
        if term is not None:
            application, name, written = term
            self._terms.setdefault(application, {})[name] = written
        else:
            self._left_out.append(self._why(key))
        return []

    def _why(self, key: str) -> str:
        release = self._topology.versions.rabbitmq
        sentence = refusal_sentence(self._topology.versions, f"rabbitmq.conf:{key}")
        return sentence or f"{key}: not every RabbitMQ {release} knows it; name the patch, as in {release}.8"

    def _limits(self) -> Settings:
        rabbitmq = self._topology.rabbitmq
        memory = rabbitmq.memory_high_watermark
        settings: Settings = []
        if isinstance(memory, Size):
            settings.append(("vm_memory_high_watermark.absolute", memory.bytes))
        elif memory is not None:
            settings.append(("vm_memory_high_watermark.relative", _decimal(memory)))
        if rabbitmq.disk_free_limit is not None:
            settings.append(("disk_free_limit.absolute", rabbitmq.disk_free_limit.bytes))
        if rabbitmq.channel_max is not None:
            settings.append(("channel_max", rabbitmq.channel_max))
        if rabbitmq.max_message_size is not None:
            settings.append(("max_message_size", rabbitmq.max_message_size.bytes))
        return settings

    def _formation(self) -> Settings:
        topology = self._topology
        settings: Settings = [("cluster_name", topology.name)]
        if topology.rabbitmq.discovers_peers:
            settings.append(("cluster_formation.peer_discovery_backend", "classic_config"))
            # The same full list everywhere: the nodes take a lock in its order, so that one of them is first.
            settings += (
                (f"cluster_formation.classic_config.nodes.{number}", topology.node_name(host))
                for number, host in enumerate(topology.brokers, 1)
            )
        settings += self._maybe("cluster_formation.target_cluster_size_hint", len(topology.brokers))
        return settings

    def _failures(self) -> Settings:
        topology, rabbitmq = self._topology, self._topology.rabbitmq
        settings: Settings = [("net_ticktime", rabbitmq.net_ticktime.whole_s)]
        handling = topology.partition_handling()
        if handling:
            settings.append(("cluster_partition_handling", handling.strategy))
            key = "cluster_partition_handling.pause_if_all_down"
            settings += (
                (f"{key}.nodes.{number}", topology.node_name(host)) for number, host in enumerate(handling.nodes, 1)
            )
            settings += [(f"{key}.recover", handling.recover)] if handling.nodes else []
        settings += self._detector()
        settings.append(("heartbeat", rabbitmq.heartbeat.whole_s))
        return settings

    def _detector(self) -> Settings:
        detector = self._topology.rabbitmq.raft_detector
        values = {
            "poll_interval": _milliseconds(detector.poll_interval),
            "heartbeat_interval": _milliseconds(detector.heartbeat_interval),
            "scaling_factor": _decimal(detector.scaling_factor),
            "detection_threshold": _decimal(detector.detection_threshold),
        }
        settings: Settings = []
        for name, value in values.items():
            # Aten reads these of its own environment in every release (aten 0.5.5 of 3.8.9 to 0.6.0 of 4.3.6).
            if value is not None:
                settings += self._maybe(f"raft.adaptive_failure_detector.{name}", value, ("aten", name, value))
        return settings

    def _queues(self) -> Settings:
        rabbitmq = self._topology.rabbitmq
        kind, group = rabbitmq.default_queue_type, rabbitmq.quorum_group_size
        settings: Settings = []
        # The term where some patches of the series read it: all of them boot with it.
        term = ("rabbit", "default_queue_type", quoting.erlang_atom(f"rabbit_{kind}_queue"))
        newest = kind and features()["rabbitmq.conf:default_queue_type"].is_in(self._release)
        settings += self._maybe("default_queue_type", kind, term if newest else None)
        settings += self._group_size(group)
        settings += self._locator()
        timeout = rabbitmq.consumer_timeout
        if timeout is not None:
            term = ("rabbit", "consumer_timeout", Quoted(timeout.ms))
            settings += self._maybe("consumer_timeout", timeout.ms, term)
        return settings

    def _group_size(self, group: int | None) -> Settings:
        if group is not None and self._release < Version(3, 8, 12):
            # rabbit_quorum_queue.erl v3.8.0 to v3.8.11 compares the setting as {ok, N}, which is above all numbers.
            why = "before RabbitMQ 3.8.12 only the queue argument x-quorum-initial-group-size limits the members"
            self._left_out.append(f"quorum_group_size: {why}; without it every node is one")
            return []
        return self._maybe("quorum_queue.initial_cluster_size", group, ("rabbit", "quorum_cluster_size", Quoted(group)))

    def _locator(self) -> Settings:
        locator = self._topology.rabbitmq.leader_locator
        if locator is None:
            return []
        settings = self._maybe("queue_leader_locator", locator)
        if self._release < Version(4, 0, 0):
            # Classic queues look at this one until 4.0 (rabbit_queue_master_location_misc.erl).
            settings.append(("queue_master_locator", {"balanced": "min-masters"}.get(locator, locator)))
        return settings

    def _connections(self) -> Settings:
        return self._maybe("log.connection.level", self._topology.connection_log_level())

    def _why_connections(self) -> str:
        if self._topology.rabbitmq.log.connection_level is not None:
            return "Which news of connections are logged."
        # Measured on 3.8.9, 3.10.8, 4.0.5 and 4.3.6: none at error, and refused logins are still told.
        return "Each check of a load balancer is a connection: below error, it would cost three lines of the log."

    def _rest(self) -> Settings:
        rabbitmq = self._topology.rabbitmq
        settings: Settings = [("log.file.level", rabbitmq.log.level)]
        if rabbitmq.permit_deprecated and not has_key(self._topology, "deprecated_features.permit.$name"):
            self._left_out.append(self._why("deprecated_features.permit.$name"))
        else:
            settings += (
                (f"deprecated_features.permit.{quoting.rabbitmq_conf_key(name)}", "true" if permitted else "false")
                for name, permitted in rabbitmq.permit_deprecated.items()
            )
        if rabbitmq.definitions_at_boot:
            settings += self._maybe("load_definitions", "/etc/rabbitmq/definitions.json")
        return settings

    @functools.cached_property
    def _release(self) -> Version:
        return Version.parse(self._topology.versions.rabbitmq)


def _milliseconds(duration: Duration | None) -> Quoted | None:
    return None if duration is None else Quoted(duration.ms)


def _decimal(number: float | None) -> Quoted | None:
    """Write a number as Erlang reads a float: with a point and without an exponent."""
    if number is None:
        return None
    text = format(Decimal(repr(number)), "f")
    return Quoted(f"{text}.0" if math.isclose(number, int(number)) and "." not in text else text)
