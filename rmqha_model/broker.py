"""The RabbitMQ cluster: its nodes, how they find each other, and every setting that shapes a failure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rmqha_model.names import HostName, IPAddress, Label, Line, Named, Port, ResourceName
from rmqha_model.part import ByName, Part, refuse
from rmqha_model.queues import Binding, Exchange, Policy, Queue, QueueType, User, Vhost
from rmqha_model.secrets import Secret, named
from rmqha_model.tls import Tls
from rmqha_model.units import Duration, Size

__all__ = [
    "BrokerLog",
    "BrokerTls",
    "Formation",
    "Node",
    "PartitionHandling",
    "Ports",
    "RabbitMQ",
    "RaftDetector",
]


class Node(Part):
    """One member of the cluster."""

    type: Literal["disc", "ram"] = Field(
        "disc", description="A RAM node keeps definitions in memory only (before RabbitMQ 4.3); disc is always right."
    )


class Formation(Part):
    """How the nodes become one cluster."""

    method: Literal["classic_config", "join_script", "both"] = Field(
        "classic_config",
        description="`classic_config`: blank nodes find each other from a list in rabbitmq.conf, under a lock, "
        "and need "
        "no script. `join_script`: a script joins each node to the seed. `both`: the list forms it, the script "
        "checks it.",
    )
    seed: HostName | None = Field(None, description="The node the others join; left out, the first of `nodes`.")
    seed_timeout: Duration = Field(
        Duration(300_000),
        description="How long the join script waits for the seed: as long as a node itself waits for its peers' tables "
        "(30 s x 10, mnesia_table_loading_retry_*).",
    )


class Ports(Part):
    """Where the broker listens. `null` switches an optional listener off."""

    amqp: Port | None = Field(5672, description="AMQP without TLS.")
    amqps: Port = Field(5671, description="AMQP over TLS; used when `tls.clients` is given.")
    management: Port = Field(15672, description="Management UI and HTTP API without TLS.")
    management_tls: Port = Field(15671, description="The same over TLS; used when `tls.management` is given.")
    prometheus: Port = Field(15692, description="Metrics; used when the rabbitmq_prometheus plugin is on.")
    distribution: Port = Field(25672, description="Between the nodes.")
    epmd: Port = Field(4369, description="Erlang's port mapper, between the nodes.")


class BrokerTls(Part):
    """Which of the broker's conversations are encrypted."""

    clients: Tls | None = Field(None, description="AMQPS listener.")
    management: Tls | None = Field(None, description="HTTPS for the management UI and API.")
    inter_node: Tls | None = Field(None, description="Erlang distribution between the nodes.")


class PartitionHandling(Part):
    """What a node does when it cannot see others (Mnesia only: RabbitMQ up to 4.2)."""

    short = "strategy"

    strategy: Literal["ignore", "pause_minority", "autoheal", "pause_if_all_down"] = Field(
        description="What it does. pause_minority stops the smaller side, so that nothing is written twice."
    )
    nodes: tuple[HostName, ...] = Field((), description="pause_if_all_down: the nodes that are watched.")
    recover: Literal["ignore", "autoheal"] = Field("autoheal", description="pause_if_all_down: what follows.")

    @model_validator(mode="after")
    def _nodes_are_watched(self) -> PartitionHandling:
        if (self.strategy == "pause_if_all_down") != bool(self.nodes):
            raise refuse(
                f"found strategy {self.strategy} {'with' if self.nodes else 'without'} nodes",
                "`nodes` with pause_if_all_down, and only there",
                at="nodes" if self.nodes else "strategy",
            )
        return self


class RaftDetector(Part):
    """Aten, the failure detector of quorum queues: it decides how soon a silently lost leader is replaced."""

    poll_interval: Duration | None = Field(
        None,
        description="How often peers are judged; RabbitMQ's own value is 5s, and a silent leader is replaced "
        "after one to "
        "two of them. Written to rabbitmq.conf where the release knows it there, else to advanced.config.",
    )
    heartbeat_interval: Duration | None = Field(None, description="How often nodes beat; left out, 100ms.")
    scaling_factor: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="Of the mean interval between beats; left out, 1.5."
    )
    detection_threshold: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Certainty at which a peer is called gone; left out, 0.99."
    )


class BrokerLog(Part):
    """What the broker writes down."""

    level: Literal["debug", "info", "warning", "error", "critical", "none"] = Field(
        "info", description="Failovers and lost connections are told at info."
    )
    connection_level: Literal["debug", "info", "warning", "error", "critical", "none"] | None = Field(
        None,
        description="Of connections alone. Left out: `error` where HAProxy's checks speak AMQP, as each of them costs "
        "the broker three lines below it; else that of `level`. `error` still tells of refused logins and missed "
        "heartbeats, and no longer who came and went.",
    )


Ratio = Annotated[float, Field(gt=0, le=1)]

_VARIABLE = Named(r"[A-Z][A-Z0-9_]*", "a variable's name: capital letters, digits and underscores", 128)


class RabbitMQ(Part):
    """A cluster of brokers and what it holds."""

    nodes: Annotated[dict[HostName, Node], ByName("host names")] = Field(
        description="Host to its node; a plain list of hosts does too."
    )
    node_prefix: Label = Field("rabbit", description="What stands before @ in node names.")
    long_names: bool = Field(False, description="Node names with the host's full domain name, on all nodes or none.")
    cookie: Secret = Field(
        named("erlang_cookie"),
        description="The Erlang cookie all nodes share: whoever knows it and reaches the distribution port owns "
        "the cluster.",
    )
    formation: Formation = Field(
        Formation(), description="How the nodes become one cluster; by default from a list in rabbitmq.conf."
    )
    ports: Ports = Field(Ports(), description="Where it listens; by default on RabbitMQ's own ports.")
    bind: IPAddress | Literal["any", "host"] = Field(
        "any", description="Where AMQP listeners bind: every address, or the host's own."
    )
    tls: BrokerTls = Field(BrokerTls(), description="What is encrypted; nothing by default, as certificates are yours.")
    plugins: tuple[Label, ...] = Field(
        ("rabbitmq_management", "rabbitmq_prometheus"),
        description="Enabled plugins: management for health checks and people, prometheus for alerts.",
    )
    memory_high_watermark: Ratio | Size | None = Field(
        None, description="Share of memory, or an absolute size, at which publishers are blocked in the whole cluster."
    )
    disk_free_limit: Size | None = Field(
        Size(2 * 10**9),
        description="Free disk space below which publishers are blocked. The broker's own 50MB fills before anybody "
        "acts.",
    )
    net_ticktime: Duration = Field(
        Duration(60_000),
        description="A silent peer is declared down after this to 1.25 times this. Equal on all nodes; lower values "
        "split healthy clusters, and quorum queues do not wait for it.",
    )
    partition_handling: PartitionHandling | None = Field(
        None,
        description="Left out: pause_minority with three or more nodes, ignore with fewer, nothing from 4.3 "
        "(Raft rules).",
    )
    raft_detector: RaftDetector = Field(
        RaftDetector(), description="How soon a silent leader of a quorum queue is replaced; RabbitMQ's own by default."
    )
    heartbeat: Duration = Field(
        Duration(15_000),
        description="What the server proposes. The broker's 60s leaves a client on a dead connection for over "
        "two minutes; "
        "RabbitMQ's guide advises 5 to 20 s.",
    )
    consumer_timeout: Duration | None = Field(None, description="How long a delivery may stay unacknowledged.")
    channel_max: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="Channels a connection may open."
    )
    max_message_size: Size | None = Field(None, description="Largest message body.")
    default_queue_type: QueueType | None = Field(
        "quorum", description="Type of queues declared without one, where the version can say it (3.13 and newer)."
    )
    quorum_group_size: Annotated[int, Field(ge=1, le=99)] | None = Field(
        None, description="Members of a new quorum queue; left out, 3, RabbitMQ's default."
    )
    leader_locator: Literal["client-local", "balanced"] | None = Field(
        "balanced",
        description="Where new leaders are put: with client-local one declaring connection puts them all on one node.",
    )
    definitions_at_boot: bool = Field(
        False,
        description="Load definitions when a node boots. Queues then come to be before the cluster is whole; the "
        "scripts "
        "import them when it is.",
    )
    delete_guest: bool = Field(True, description="Delete the well-known account guest.")
    vhosts: dict[ResourceName, Vhost] = Field({"/": Vhost()}, description="Vhosts by name.")
    users: dict[ResourceName, User] = Field(
        {"admin": User(tags=("administrator",)), "app": User()},
        description="Users by name. Left out: `admin` for people and `app`, without a tag, for applications.",
    )
    exchanges: tuple[Exchange, ...] = Field((), description="Exchanges to declare; applications may declare theirs.")
    queues: tuple[Queue, ...] = Field((), description="Queues to declare; applications may declare theirs.")
    bindings: tuple[Binding, ...] = Field((), description="Bindings to make between what is declared here.")
    policies: tuple[Policy, ...] = Field((), description="Policies; none by default, as quorum queues need none.")
    operator_policies: tuple[Policy, ...] = Field(
        (), description="Limits that stand above policies and queue arguments; none by default."
    )
    enable_feature_flags: bool = Field(
        True, description="Enable all stable feature flags once the cluster is whole: the next upgrade demands them."
    )
    permit_deprecated: dict[Label, bool] = Field(
        {}, description="deprecated_features.permit.*, by feature (3.13 and newer)."
    )
    log: BrokerLog = Field(BrokerLog(), description="What is logged; info by default, where failovers are told.")
    environment: dict[Annotated[str, _VARIABLE], Line] = Field(
        {}, description="Further variables of rabbitmq-env.conf."
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the nodes, in the order of the design."""
        return tuple(self.nodes)

    @property
    def seed(self) -> str:
        """The host whose node the others join."""
        return self.formation.seed or next(iter(self.nodes))

    @property
    def joins_by_script(self) -> bool:
        """Whether join scripts are made."""
        return self.formation.method != "classic_config"

    @property
    def discovers_peers(self) -> bool:
        """Whether rabbitmq.conf lists the peers."""
        return self.formation.method != "join_script"
