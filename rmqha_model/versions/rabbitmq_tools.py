"""What the command line and the HTTP API of a release of RabbitMQ can do.

Sources are files of rabbitmq/rabbitmq-server at the tag named. "Seen on" means that a node of Debian's package of that
version was asked: 3.8.9, 3.10.8, 4.0.5, 4.3.6. Where both are named, they agree.
"""

from __future__ import annotations

from rmqha_model.versions.feature import Feature, feature

__all__ = ["RABBITMQ_TOOLS"]

_CTL = "deps/rabbitmq_cli/lib/rabbitmq/cli/ctl/commands"
_DIAGNOSTICS = "deps/rabbitmq_cli/lib/rabbitmq/cli/diagnostics/commands"
_QUEUES = "deps/rabbitmq_cli/lib/rabbitmq/cli/queues/commands"
_UPGRADE = "deps/rabbitmq_cli/lib/rabbitmq/cli/upgrade/commands"
_HTTP = "deps/rabbitmq_management/src/rabbit_mgmt_dispatcher.erl"

_COMMANDS = (
    feature(
        "rabbitmq.enable_all_feature_flags",
        "enable_feature_flag all",
        "3.8.10",
        f"{_CTL}/enable_feature_flag_command.ex v3.8.10; seen on 3.8.9: 'This feature flag is not supported'",
        instead="enable each flag of list_feature_flags by its name",
    ),
    feature(
        "rabbitmq.maintenance_mode",
        "maintenance mode (rabbitmq-upgrade drain, revive)",
        "3.8.8",
        "release-notes/3.8.8.md; seen on 3.8.9",
        instead="stop the node",
    ),
    feature(
        "rabbitmq.import_definitions",
        "rabbitmqctl import_definitions",
        "3.8.2",
        f"{_CTL}/import_definitions_command.ex v3.8.2; seen on all four",
        instead="POST the definitions to /api/definitions",
    ),
    feature(
        "rabbitmq.import_definitions_skip_if_unchanged",
        "import_definitions --skip-if-unchanged",
        "3.10",
        f"{_CTL}/import_definitions_command.ex v3.10.0; seen on 3.8.9: a usage error",
        instead="leave the option out: importing again changes nothing",
    ),
    feature("rabbitmq.await_online_nodes", "rabbitmqctl await_online_nodes", "3.8", "seen on all four"),
    feature(
        "rabbitmq.await_startup",
        "rabbitmqctl await_startup",
        "3.8",
        "seen on all four; it fails at once while the node cannot be reached yet, so it wants a loop around it",
    ),
    feature("rabbitmq.cluster_status_json", "cluster_status --formatter json", "3.8", "seen on all four"),
    feature(
        "rabbitmq.password_from_stdin",
        "add_user and change_password reading the password from standard input",
        "3.8",
        f"{_CTL}/add_user_command.ex v3.8.0; seen on all four, with and without a newline at its end",
    ),
    feature(
        "rabbitmq.pre_hashed_password",
        "add_user --pre-hashed-password",
        "3.12.7 3.13",
        f"{_CTL}/add_user_command.ex v3.12.7; seen on 3.10.8: a usage error",
        instead="import the hash with definitions",
    ),
    feature(
        "rabbitmq.hash_password",
        "rabbitmqctl hash_password",
        "3.10.15 3.11.8 3.12",
        f"{_CTL}/hash_password_command.ex v3.10.15; seen on 3.10.8: 'not found'",
        instead="compute the salted SHA-256 hash elsewhere",
    ),
    feature(
        "rabbitmq.check_if_node_is_quorum_critical",
        "rabbitmq-queues check_if_node_is_quorum_critical",
        "3.8.3",
        f"{_QUEUES}/check_if_node_is_quorum_critical_command.ex v3.8.3; seen on all four",
        instead="compare members and online members by rabbitmq-queues quorum_status",
    ),
    feature(
        "rabbitmq.await_online_quorum_plus_one",
        "rabbitmq-upgrade await_online_quorum_plus_one",
        "3.8.4",
        f"{_UPGRADE}/await_online_quorum_plus_one_command.ex v3.8.4; seen on all four",
        instead="compare members and online members by rabbitmq-queues quorum_status",
    ),
    feature(
        "rabbitmq.await_online_synchronized_mirror",
        "rabbitmq-upgrade await_online_synchronized_mirror",
        "3.8.4",
        f"{_UPGRADE}/await_online_synchronized_mirror_command.ex v3.8.4; absent in v4.0.0; seen on all four",
        until="3.13",
        instead="leave it out: there are no mirrors",
    ),
    feature(
        "rabbitmq.check_mirroring_policy",
        "check_if_cluster_has_classic_queue_mirroring_policy",
        "3.13",
        f"{_DIAGNOSTICS}/check_if_cluster_has_classic_queue_mirroring_policy_command.ex v3.13.0; 4.x still lists it, "
        "seen on 4.0.5 and 4.3.6: it dies of undef",
        until="3.13",
        instead="look for ha-mode in list_policies",
    ),
    feature(
        "rabbitmq.check_deprecated_features",
        "check_if_any_deprecated_features_are_used",
        "3.13",
        f"{_DIAGNOSTICS}/check_if_any_deprecated_features_are_used_command.ex v3.13.0; seen on 4.0.5 and 4.3.6",
        instead="leave it out: nothing is deprecated there",
    ),
    feature(
        "rabbitmq.change_cluster_node_type",
        "change_cluster_node_type",
        "3.8",
        f"{_CTL}/change_cluster_node_type_command.ex, absent in v4.3.0",
        until="4.2",
        instead="leave it out: all nodes are disc nodes",
    ),
    feature(
        "rabbitmq.rabbitmqadmin_download",
        "rabbitmqadmin version 1 from the management plugin",
        "3.8",
        "release-notes/4.3.0.md",
        until="4.2",
        instead="install rabbitmqadmin version 2, or import definitions",
    ),
)

_HTTP_API = (
    feature(
        "rabbitmq.aliveness_test",
        "GET /api/aliveness-test",
        "3.8",
        f"{_HTTP} v3.8.0; seen on all four: 200 with a login, 401 without",
    ),
    feature(
        "rabbitmq.health_checks",
        "GET /api/health/checks/",
        "3.8.10",
        "release-notes/3.8.10.md; seen on 3.8.9: 404; on 3.10.8 and newer 200 with a login, 401 without",
        instead="use /api/aliveness-test/%2F, or an AMQP check",
    ),
    feature(
        "rabbitmq.node_is_mirror_sync_critical",
        "GET /api/health/checks/node-is-mirror-sync-critical",
        "3.8.10",
        f"{_HTTP} v3.8.10, absent in v4.0.0",
        until="3.13",
        instead="use node-is-quorum-critical",
    ),
    feature(
        "rabbitmq.metadata_store_initialized",
        "GET /api/health/checks/metadata-store/initialized",
        "4.0.6 4.1",
        f"{_HTTP} v4.0.6; seen on 4.0.5: 404, on 4.3.6: 200",
        instead="use /api/health/checks/virtual-hosts",
    ),
    feature(
        "rabbitmq.quorum_queues_without_leaders",
        "GET /api/health/checks/quorum-queues-without-elected-leaders/",
        "4.1",
        f"{_HTTP} v4.1.0",
        instead="use rabbitmq-queues quorum_status",
    ),
    *(
        feature(
            f"rabbitmq.{path.replace('-', '_')}",
            f"GET /api/health/checks/{path}",
            "4.1.1",
            f"release-notes/4.1.1.md; {_HTTP} v4.1.1; seen on 4.0.5: 404, on 4.3.6: 200 without a login",
            instead="use /api/health/checks/port-listener/5672 with a login, or an AMQP check",
        )
        for path in ("ready-to-serve-clients", "is-in-service", "below-node-connection-limit")
    ),
)

RABBITMQ_TOOLS: tuple[Feature, ...] = (*_COMMANDS, *_HTTP_API)
"""Commands and endpoints."""
