"""HAProxy: where it listens, how it spreads connections, and how it finds out that a broker is gone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from rmqha_model.names import (
    AbsolutePath,
    HostName,
    IPAddress,
    Line,
    Named,
    Port,
    ProxyName,
    ResourceName,
    UnixName,
)
from rmqha_model.part import ByName, Part, refuse
from rmqha_model.secrets import Secret, named
from rmqha_model.tls import TlsVersion
from rmqha_model.units import Duration

__all__ = [
    "AmqpCheck",
    "AmqpListener",
    "AmqpsListener",
    "Check",
    "HAProxy",
    "HAProxyDefaults",
    "HAProxyGlobal",
    "HttpCheck",
    "Keepalive",
    "Listener",
    "LogTarget",
    "ManagementListener",
    "NoCheck",
    "PrometheusListener",
    "Server",
    "ServerDefaults",
    "StatsAuth",
    "StatsListener",
    "TcpCheck",
    "Timeouts",
]

Balance = Literal["leastconn", "roundrobin", "static-rr", "first", "source", "random"]
Limit = Annotated[int, Field(ge=1, le=2_000_000, strict=True)]
Weight = Annotated[int, Field(ge=0, le=256, strict=True)]

_HTTP_PATH = Named(r"/[A-Za-z0-9._~%/-]*", "a path of a URL: / first, then letters, digits and . _ ~ % / -", 200)
_PAGE = Named(r"/[A-Za-z0-9._~/-]*", "a path of a URL: / first, then letters, digits and . _ ~ / -", 100)


LogAddress = Named(
    r"(?:[A-Za-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?",
    "a socket's path, or an address such as 127.0.0.1, 127.0.0.1:514 or [2001:db8::1]:514",
    80,
)


def _some_time(value: Duration) -> Duration:
    if not value.ms:
        # "invalid value 0 for argument 'inter'" of HAProxy 2.6.12.
        raise refuse("found no time at all", "1ms or more")
    return value


Pause = Annotated[Duration, AfterValidator(_some_time)]


class LogTarget(Part):
    """Where log lines go."""

    target: AbsolutePath | Annotated[str, LogAddress] = Field(
        "/dev/log", description="A socket's path, an address, or an address:port."
    )
    facility: Literal["local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7", "daemon"] = Field(
        "local0", description="Syslog facility; local0, as in HAProxy's manual and Debian's configuration."
    )
    level: Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"] | None = Field(
        None, description="Leave out what matters less than this; without it nothing is left out."
    )


class Keepalive(Part):
    """TCP keepalive on one side; without times the kernel's apply."""

    idle: Duration | None = Field(None, description="Silence before the first probe (HAProxy 2.3 and newer).")
    interval: Duration | None = Field(None, description="Between probes (2.3 and newer).")
    count: Annotated[int, Field(ge=1, le=127)] | None = Field(None, description="Unanswered probes (2.3 and newer).")


class Timeouts(Part):
    """Time limits; what is not said is inherited from `defaults`, and there from these defaults."""

    connect: Duration | None = Field(None, description="To a server, each attempt.")
    client: Duration | None = Field(None, description="Silence on the client's side.")
    server: Duration | None = Field(None, description="Silence on the server's side; equal to client's.")
    tunnel: Duration | None = Field(None, description="Replaces client and server once a connection is up.")
    client_fin: Duration | None = Field(None, description="For a half-closed client side.")
    server_fin: Duration | None = Field(None, description="For a half-closed server side.")
    queue: Duration | None = Field(None, description="Waiting for a free place at a server.")
    check: Duration | None = Field(
        None, description="For the answer to a health check once connected; without it a check may last `inter`."
    )

    def lines(self) -> tuple[tuple[str, Duration], ...]:
        """Give HAProxy's keyword and value of every limit that is set."""
        return tuple(
            (name.replace("_", "-"), value)
            for name in type(self).model_fields
            if (value := getattr(self, name)) is not None
        )


class _Check(Part):
    inter: Pause | None = Field(
        Duration(2_000), description="Between checks of a healthy server; counted from the end of the last one."
    )
    fastinter: Pause | None = Field(
        Duration(500),
        description="Between checks while a verdict is being reached: 2 s + 2 x 0.5 s to take a dead server out.",
    )
    downinter: Pause | None = Field(Duration(2_000), description="Between checks of a server that is down.")
    rise: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="Good checks in a row that bring a server up.")
    fall: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="Bad checks in a row that take a server down.")
    port: Port | None = Field(
        None, description="Port that is checked; left out, the server's (the HTTP API's for `http`)."
    )


class TcpCheck(_Check):
    """Connects and hangs up. A broker that is frozen, or in a minority that still listens, passes it."""

    kind: Literal["tcp"] = Field(description="Connect, and nothing more.")


class AmqpCheck(_Check):
    """Says the AMQP 0-9-1 protocol header and waits for connection.start: a frozen broker fails it."""

    kind: Literal["amqp"] = Field("amqp", description="Speak AMQP: what clients need is what is checked.")


class HttpCheck(_Check):
    """Asks an HTTP health endpoint of the management plugin."""

    kind: Literal["http"] = Field(description="Ask the management API.")
    path: Annotated[str, _HTTP_PATH] = Field(
        "/api/health/checks/ready-to-serve-clients",
        description="The endpoint. ready-to-serve-clients needs no login, and RabbitMQ 4.1.1 or newer.",
    )
    user: ResourceName | None = Field(None, description="One of the broker's users, with the monitoring tag.")


class NoCheck(Part):
    """No health check: a dead server keeps its share of the connections for ever."""

    kind: Literal["none"] = Field(description="Check nothing.")


Check = Annotated[AmqpCheck | TcpCheck | HttpCheck | NoCheck, Field(discriminator="kind")]


class ServerDefaults(Part):
    """What holds for all servers of a listener."""

    weight: Weight | None = Field(None, description="Share of new connections.")
    maxconn: Limit | None = Field(None, description="Connections at most; more wait in a queue.")
    slowstart: Pause | None = Field(None, description="Over how long a returning server takes up its share.")
    on_marked_down: Literal["shutdown-sessions"] | None = Field(
        "shutdown-sessions",
        description="Close the sessions of a server that is marked down: otherwise clients stay on a silently dead one "
        "until a heartbeat or timeout ends it.",
    )
    on_marked_up: Literal["shutdown-backup-sessions"] | None = Field(None, description="Close sessions on backups.")
    observe: Literal["layer4"] | None = Field(None, description="Count failed connections of clients as well.")
    error_limit: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="With observe: errors in a row.")
    on_error: Literal["fastinter", "fail-check", "sudden-death", "mark-down"] | None = Field(
        None, description="With observe: what follows error_limit."
    )
    init_state: Literal["fully-up", "up", "down", "fully-down"] | None = Field(
        None, description="State before the first check (HAProxy 3.1 and newer)."
    )


class Server(Part):
    """How one broker differs from the others behind a listener."""

    weight: Weight | None = Field(None, description="Its share of new connections; left out, that of all.")
    maxconn: Limit | None = Field(None, description="Its connections at most; left out, those of all.")
    backup: bool = Field(False, description="Used only when no other server is up.")


class StatsAuth(Part):
    """Who may see a page."""

    user: Annotated[str, Named(r"[A-Za-z0-9._-]+", "a name of at most 64 letters, digits and . _ -", 64)] = Field(
        "stats", description="Login name."
    )
    password: Secret = Field(named("haproxy_stats"), description="Where the password comes from.")


class _Listener(Part):
    port: Port = Field(description="Port it listens on.")
    bind: Literal["any", "host", "vip"] | tuple[IPAddress, ...] = Field(
        "any",
        description="Where: every address, the host's own, the virtual ones (sets ip_nonlocal_bind), or the "
        "addresses given.",
    )
    maxconn: Limit | None = Field(None, description="Connections at most on this listener.")
    timeouts: Timeouts = Field(Timeouts(), description="Where they differ from the defaults.")
    extra: tuple[Line, ...] = Field((), description="Further lines of the section, as they are.")

    @model_validator(mode="after")
    def _binds_somewhere(self) -> Any:
        if self.bind == ():
            raise refuse("found an empty list of addresses", "any, host, vip or at least one address", at="bind")
        return self


class _Proxy(_Listener):
    """What all listeners that lead to brokers share."""

    balance: Balance = Field(
        "leastconn",
        description="Who gets a new connection. AMQP connections live for weeks: leastconn fills a returned broker, "
        "roundrobin leaves it empty.",
    )
    check: Check = Field(AmqpCheck(), description="How it finds out that a broker is gone.")
    servers: Annotated[dict[HostName, Server], ByName("host names")] = Field(
        {}, description="Brokers behind it; left out, all. A list of hosts does too."
    )
    server: ServerDefaults = Field(ServerDefaults(), description="What holds for all its servers.")
    server_address: Literal["address", "name"] = Field(
        "address", description="Write servers by address (needs no name service at start) or by host name."
    )
    retries: Annotated[int, Field(ge=0, le=100)] | None = Field(None, description="Overrides the defaults' retries.")


class AmqpListener(_Proxy):
    """AMQP in the clear."""

    kind: Literal["amqp"] = Field("amqp", description="AMQP without TLS.")
    port: Port = Field(5672, description="Port it listens on; another one where a broker shares the host.")


class AmqpsListener(_Proxy):
    """AMQP over TLS, either passed through to the brokers' own TLS listener or ended here."""

    kind: Literal["amqps"] = Field(description="AMQP over TLS.")
    port: Port = Field(5671, description="Port it listens on.")
    mode: Literal["pass_through", "terminate"] = Field(
        "pass_through",
        description="`pass_through` keeps it encrypted to the broker; `terminate` speaks plain AMQP behind.",
    )
    certificate: AbsolutePath | None = Field(
        None, description="terminate: PEM file with certificate, chain and key, as HAProxy's `crt` wants it."
    )
    minimum_version: TlsVersion = Field("tlsv1.2", description="terminate: oldest protocol version that is offered.")

    @model_validator(mode="after")
    def _certificate_when_ended(self) -> AmqpsListener:
        if (self.mode == "terminate") != (self.certificate is not None):
            raise refuse(
                f"found mode {self.mode} {'with' if self.certificate else 'without'} a certificate",
                "`certificate` with mode terminate, and only there",
                at="certificate" if self.certificate else "mode",
            )
        return self


class ManagementListener(_Proxy):
    """The management UI and HTTP API of whichever broker is up."""

    kind: Literal["management"] = Field(description="The brokers' management UI and HTTP API.")
    port: Port = Field(15672, description="Port it listens on; another one where a broker shares the host.")
    balance: Balance = Field("roundrobin", description="Requests are short: roundrobin.")
    check: Check = Field(TcpCheck(kind="tcp"), description="How it finds out that a broker is gone.")
    server: ServerDefaults = Field(ServerDefaults(on_marked_down=None), description="What holds for all its servers.")


class StatsListener(_Listener):
    """HAProxy's own statistics page."""

    kind: Literal["stats"] = Field(description="HAProxy's statistics page.")
    port: Port = Field(8404, description="Port it listens on.")
    uri: Annotated[str, _PAGE] = Field("/stats", description="Path.")
    refresh: Duration | None = Field(Duration(5_000), description="How often a browser reloads it.")
    auth: StatsAuth | None = Field(StatsAuth(), description="Login; `null` shows the page to everybody.")
    admin: bool = Field(False, description="Let whoever sees it disable servers.")
    httplog: bool = Field(False, description="Log the requests for it.")


class PrometheusListener(_Listener):
    """HAProxy's own metrics."""

    kind: Literal["prometheus"] = Field(description="HAProxy's metrics.")
    port: Port = Field(8405, description="Port it listens on.")
    path: Annotated[str, _PAGE] = Field("/metrics", description="Path; /metrics is where Prometheus looks.")


Listener = Annotated[
    AmqpListener | AmqpsListener | ManagementListener | StatsListener | PrometheusListener, Field(discriminator="kind")
]


class HAProxyGlobal(Part):
    """The global section."""

    maxconn: Limit | None = Field(
        8_000,
        description="Connections of the whole process. Each takes two file descriptors, and HAProxy does not "
        "start when it "
        "cannot have them: 16000 are below the hard limit of every common container and unit.",
    )
    log: tuple[LogTarget, ...] = Field((LogTarget(level="info"),), description="Where to log.")
    chroot: AbsolutePath | None = Field("/var/lib/haproxy", description="Root directory after start.")
    user: UnixName | None = Field("haproxy", description="User it runs as.")
    group: UnixName | None = Field("haproxy", description="Group it runs as.")
    uid: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, description="Numeric, in place of user.")
    gid: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, description="Numeric, in place of group.")
    daemon: bool = Field(
        False, description="Go to the background; systemd's unit runs it in the foreground and overrides this."
    )
    pidfile: AbsolutePath | None = Field(None, description="Where the process number is written.")
    stats_socket: AbsolutePath | None = Field(
        "/run/haproxy/admin.sock", description="Runtime API, for operators of the host only; the check script asks it."
    )
    nbthread: Annotated[int, Field(ge=1, le=64)] | None = Field(None, description="Threads; left out, one a core.")
    hard_stop_after: Duration | None = Field(
        Duration(1_800_000),
        description="How long sessions of a reloaded process live on. The old process checks no servers: not for ever.",
    )
    spread_checks: Annotated[int, Field(ge=0, le=50)] | None = Field(None, description="Jitter of checks in percent.")
    extra: tuple[Line, ...] = Field((), description="Further lines of the section, as they are.")

    @model_validator(mode="before")
    @classmethod
    def _numbers_replace_names(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = dict(value)
            for number, name in (("uid", "user"), ("gid", "group")):
                if value.get(number) is not None:
                    if value.get(name) is not None:
                        raise refuse(f"found both {name} and {number}", "one of the two", at=number)
                    value[name] = None
        return value


class HAProxyDefaults(Part):
    """The defaults section."""

    tcplog: bool = Field(True, description="Log lines with times and the reason a session ended.")
    dontlognull: bool = Field(True, description="Leave out connections without data, such as others' health checks.")
    log_health_checks: bool = Field(True, description="Log each change of a server's health: the record of a failover.")
    retries: Annotated[int, Field(ge=0, le=100)] = Field(3, description="Further attempts to connect to a server.")
    redispatch: bool = Field(
        True,
        description="Let a retry go to another server. Without it a connection given to a dead server waits for "
        "nothing.",
    )
    maxconn: Limit | None = Field(6_000, description="Connections of each listener, where it says nothing itself.")
    timeouts: Timeouts = Field(
        Timeouts(connect=Duration(3_000), client=Duration(60_000), server=Duration(60_000), check=Duration(2_000)),
        description="connect 3s: a silent server is left within a client's patience. client and server 60s: four times "
        "the heartbeat, so that heartbeats keep idle connections. check 2s.",
    )
    client_keepalive: Keepalive | None = Field(
        Keepalive(), description="TCP keepalive towards clients, with the host's kernel settings."
    )
    server_keepalive: Keepalive | None = Field(Keepalive(), description="TCP keepalive towards brokers.")
    extra: tuple[Line, ...] = Field((), description="Further lines of the section, as they are.")


class HAProxy(Part):
    """The load balancers; all have the same configuration."""

    hosts: Annotated[tuple[HostName, ...], Field(min_length=1)] = Field(description="Where it runs.")
    global_: HAProxyGlobal = Field(
        HAProxyGlobal(), alias="global", description="The process: its limits, user and logging."
    )
    defaults: HAProxyDefaults = Field(
        HAProxyDefaults(), description="What holds for every listener that says nothing itself."
    )
    listeners: Annotated[dict[ProxyName, Listener], Field(min_length=1)] = Field(
        {"amqp": AmqpListener(), "stats": StatsListener(kind="stats")}, description="Listeners by name."
    )
