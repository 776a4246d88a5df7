"""The design of a stack, typed once: everything the project makes or says follows from a ``Topology``."""

from __future__ import annotations

import functools
import hashlib
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rmqha_model.broker import PartitionHandling, RabbitMQ
from rmqha_model.clients import Client
from rmqha_model.consistency import contradictions
from rmqha_model.errors import InconsistentDesign
from rmqha_model.haproxy import (
    AmqpCheck,
    AmqpListener,
    AmqpsListener,
    HAProxy,
    HttpCheck,
    ManagementListener,
    NoCheck,
    StatsListener,
)
from rmqha_model.host import Host, OperatingSystem
from rmqha_model.keepalived import Keepalived
from rmqha_model.names import DomainName, HostName, Label, Named, Network, Text
from rmqha_model.part import Part
from rmqha_model.queues import Permissions
from rmqha_model.releases import Versions
from rmqha_model.secrets import Need, Secret, named
from rmqha_model.site import Firewall, Monitoring, Override

__all__ = ["Topology"]

_DESIGN_NAME = Named(
    # Two hyphens in a row end a comment in XML, which firewalld's files are.
    r"[a-z0-9]+(?:-[a-z0-9]+)*",
    "a name of at most 63 lower-case letters and digits, with single hyphens between them",
    63,
)
VRRP_PASSWORD_LENGTH = 8
# RFC 2338 5.3.6: the field is 8 bytes; keepalived 2.1-2.3 cut longer ones off.


class Topology(Part):
    """A whole design: hosts, brokers, load balancers, virtual addresses and clients.

    Raises:
        pydantic.ValidationError: a part is malformed.
        InconsistentDesign: the parts contradict each other; all contradictions at once.
    """

    document_kind = "topology"

    format: Literal[1] = Field(1, description="Version of this document's format.")
    name: Annotated[str, _DESIGN_NAME] = Field("rabbitmq", description="Short name of the design.")
    description: Text = Field("", description="A word about it, for people.")
    versions: Versions = Field(Versions(), description="Releases the files are made for.")
    domain: DomainName | None = Field(None, description="DNS domain of the hosts, for /etc/hosts and long names.")
    hosts: Annotated[dict[HostName, Host], Field(min_length=1)] = Field(description="Machines by name.")
    os: OperatingSystem = Field(OperatingSystem(), description="Settings of every host that says nothing itself.")
    rabbitmq: RabbitMQ = Field(description="The cluster.")
    haproxy: HAProxy | None = Field(None, description="The load balancers; left out, clients hold the list of brokers.")
    keepalived: Keepalived | None = Field(None, description="The virtual addresses.")
    clients: dict[Label, Client] = Field({"app": Client()}, description="Kinds of applications by name.")
    firewall: Firewall = Field(Firewall(), description="Who may reach what.")
    monitoring: Monitoring = Field(Monitoring(), description="What watches it.")
    overrides: tuple[Override, ...] = Field((), description="Changes to single artefacts.")

    @model_validator(mode="after")
    def _parts_fit(self) -> Topology:
        problems = contradictions(self)
        if problems:
            raise InconsistentDesign(problems)
        return self

    # -- who is where ---------------------------------------------------------------------------

    @property
    def brokers(self) -> tuple[str, ...]:
        """Hosts that run RabbitMQ."""
        return self.rabbitmq.hosts

    @property
    def load_balancers(self) -> tuple[str, ...]:
        """Hosts that run HAProxy; empty without."""
        return self.haproxy.hosts if self.haproxy else ()

    @property
    def vrrp_hosts(self) -> tuple[str, ...]:
        """Hosts that run keepalived; empty without."""
        return self.keepalived.hosts if self.keepalived else ()

    @property
    def virtual_ips(self) -> tuple[str, ...]:
        """Every virtual address, in the order of the instances."""
        instances = self.keepalived.instances.values() if self.keepalived else ()
        return tuple(ip for instance in instances for ip in instance.ips)

    def ip(self, host: str) -> str:
        """Give the address of *host* without its prefix length."""
        return str(self.hosts[host].ip)

    def short_name(self, host: str) -> str:
        """Give what the kernel of *host* calls itself: the first label of its name."""
        return host.partition(".")[0]

    def full_name(self, host: str) -> str:
        """Give the full domain name of *host* where it has one, else its name."""
        return host if "." in host or not self.domain else f"{host}.{self.domain}"

    def node_name(self, host: str) -> str:
        """Give the Erlang node name of the broker on *host*: ``rabbit@rabbit1``."""
        name = self.full_name(host) if self.rabbitmq.long_names else self.short_name(host)
        return f"{self.rabbitmq.node_prefix}@{name}"

    def os_of(self, host: str) -> OperatingSystem:
        """Give the settings of *host*: its own where it says something, else the design's."""
        own = self.hosts[host].os
        if own is None:
            return self.os
        return self.os.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})

    def binds_virtual_address(self) -> bool:
        """Whether a listener binds an address that its host may not own."""
        listeners = self.haproxy.listeners.values() if self.haproxy else ()
        virtual = set(self.virtual_ips)
        return any(
            listener.bind == "vip"
            or (isinstance(listener.bind, tuple) and virtual.intersection(map(str, listener.bind)))
            for listener in listeners
        )

    def networks(self) -> tuple[Network, ...]:
        """Give the networks the hosts stand in, each once, in order."""
        found = {a.network for host in self.hosts.values() for a in (host.address, *host.addresses)}
        return tuple(sorted(found, key=lambda n: (n.version, n)))

    # -- decisions that follow from the whole ---------------------------------------------------

    def partition_handling(self) -> PartitionHandling | None:
        """Give what the brokers do in a partition; ``None`` where Raft decides (RabbitMQ 4.3 and newer)."""
        if not self.versions.can("rabbitmq.partition_handling"):
            return None
        if self.rabbitmq.partition_handling:
            return self.rabbitmq.partition_handling
        # pause_minority with two nodes stops both when either is lost: half is no majority.
        return PartitionHandling(strategy="pause_minority" if len(self.brokers) >= 3 else "ignore")

    def server_port(self, listener: AmqpListener | AmqpsListener | ManagementListener) -> tuple[int, bool]:
        """Give the brokers' port *listener* leads to, and whether TLS is spoken there."""
        ports, tls = self.rabbitmq.ports, self.rabbitmq.tls
        if isinstance(listener, ManagementListener):
            return (ports.management_tls, True) if tls.management else (ports.management, False)
        if isinstance(listener, AmqpsListener) and listener.mode == "pass_through":
            return ports.amqps, True
        # A design whose brokers have no plain port is refused with such a listener.
        return ports.amqp or ports.amqps, False

    def check_port(self, listener: AmqpListener | AmqpsListener | ManagementListener) -> tuple[int, bool]:
        """Give the brokers' port that *listener* checks, and whether TLS is spoken there."""
        check, ports, tls = listener.check, self.rabbitmq.ports, self.rabbitmq.tls
        if isinstance(check, HttpCheck):
            port = ports.management_tls if tls.management else ports.management
            return check.port or port, tls.management is not None
        if isinstance(check, NoCheck) or check.port is None:
            return self.server_port(listener)
        encrypted = {ports.amqps} if tls.clients else set()
        encrypted |= {ports.management_tls} if tls.management else set()
        return check.port, check.port in encrypted

    def connection_log_level(self) -> str | None:
        """Give the level from which brokers log connections; ``None`` where it is the level of everything."""
        log = self.rabbitmq.log
        if log.connection_level is not None:
            return log.connection_level
        listeners = self.haproxy.listeners.values() if self.haproxy else ()
        checked = any(isinstance(getattr(listener, "check", None), AmqpCheck) for listener in listeners)
        # Where the level of everything is error or above, the checks are silent already.
        return "error" if checked and log.level in ("debug", "info", "warning") else None

    def user_of(self, client: Client) -> str:
        """Give the broker's user that *client* logs in as."""
        if client.user:
            return client.user
        users = self.rabbitmq.users
        return next((name for name, user in users.items() if not user.tags), next(iter(users)))

    def permissions_of(self, user: str) -> dict[str, Permissions]:
        """Give what the broker's *user* may do, by vhost."""
        stated = self.rabbitmq.users[user].permissions
        return {vhost: Permissions() for vhost in self.rabbitmq.vhosts} if stated is None else dict(stated)

    def vhost_of(self, client: Client) -> str:
        """Give the vhost *client* uses: its own, else ``/``, else the design's first."""
        vhosts = self.rabbitmq.vhosts
        return client.vhost or ("/" if "/" in vhosts else next(iter(vhosts)))

    def password_of(self, user: str) -> Secret:
        """Give where the password of the broker's *user* comes from."""
        return self.rabbitmq.users[user].password or named(f"user_{user}")

    def listener_of(self, client: Client) -> str:
        """Give the name of the listener *client* connects to; ``KeyError`` when there is none for it."""
        if client.listener:
            return client.listener
        wanted = AmqpsListener if client.tls else AmqpListener
        for name, listener in (self.haproxy.listeners if self.haproxy else {}).items():
            if isinstance(listener, wanted):
                return name
        raise KeyError(wanted.__name__)

    def way_of(self, client: Client) -> Literal["vip", "load_balancers", "brokers"]:
        """Give what *client* connects to, where it does not list its endpoints: the first of these the design has."""
        if client.endpoints and not isinstance(client.endpoints, tuple):
            return client.endpoints
        if self.haproxy is None:
            return "brokers"
        return "vip" if self.keepalived else "load_balancers"

    def default_queue_type(self) -> str:
        """Give the type of a queue that is declared without one."""
        asked = self.rabbitmq.default_queue_type
        return asked if asked and self.versions.can("rabbitmq.conf:default_queue_type") else "classic"

    def endpoints_of(self, client: Client) -> tuple[tuple[str, int], ...]:
        """Give the (address, port) pairs *client* tries, in its order."""
        if isinstance(client.endpoints, tuple):
            return tuple((self.ip(endpoint.host), endpoint.port) for endpoint in client.endpoints)
        via = self.way_of(client)
        if via == "brokers" or self.haproxy is None:
            ports = self.rabbitmq.ports
            port = ports.amqps if client.tls else ports.amqp or ports.amqps
            return tuple((self.ip(host), port) for host in self.brokers)
        port = self.haproxy.listeners[self.listener_of(client)].port
        if via == "load_balancers" or self.keepalived is None:
            return tuple((self.ip(host), port) for host in self.load_balancers)
        chosen = self.keepalived.instances if client.instances is None else client.instances
        return tuple((ip, port) for name in chosen for ip in self.keepalived.instances[name].ips)

    def secret_needs(self) -> tuple[Need, ...]:
        """Give every secret the files need, in a fixed order."""
        needs = [Need(self.rabbitmq.cookie, ("rabbitmq", "cookie"))]
        needs += [Need(self.password_of(user), ("rabbitmq", "users", user, "password")) for user in self.rabbitmq.users]
        for name, listener in (self.haproxy.listeners if self.haproxy else {}).items():
            if isinstance(listener, StatsListener) and listener.auth:
                needs.append(Need(listener.auth.password, ("haproxy", "listeners", name, "auth", "password")))
        for name, instance in (self.keepalived.instances if self.keepalived else {}).items():
            if instance.authentication:
                path = ("keepalived", "instances", name, "authentication", "password")
                needs.append(Need(instance.authentication.password, path, VRRP_PASSWORD_LENGTH, VRRP_PASSWORD_LENGTH))
        return tuple(needs)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the design as canonical JSON; a literal secret counts as its mask, never as its value."""
        return hashlib.sha256(self.model_dump_json(by_alias=True, exclude_defaults=True).encode()).hexdigest()
