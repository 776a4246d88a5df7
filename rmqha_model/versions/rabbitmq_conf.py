"""Which keys of rabbitmq.conf a release of RabbitMQ knows: it does not boot with one that it does not know.

The source of every row is the schema of the plugin, ``deps/PLUGIN/priv/schema/PLUGIN.schema`` of
rabbitmq/rabbitmq-server (before 3.8.10: ``priv/schema/PLUGIN.schema`` of the plugin's own repository), read at each tag
from v3.8.0 to v4.3.5 and in Debian's packages of 3.8.9, 3.10.8, 4.0.5 and 4.3.6. A ``$`` stands for a name or a number.
"""

from __future__ import annotations

from collections.abc import Iterator

from rmqha_model.versions.feature import Feature, feature

__all__ = ["RABBITMQ_CONF"]

_TLS = "cacertfile certfile keyfile password verify fail_if_no_peer_cert depth versions.$version ciphers.$cipher"

_BROKER = f"""
    listeners.tcp listeners.tcp.$name listeners.ssl listeners.ssl.$name num_acceptors.tcp num_acceptors.ssl
    ssl_options {" ".join(f"ssl_options.{key}" for key in _TLS.split())} ssl_handshake_timeout
    tcp_listen_options.backlog tcp_listen_options.keepalive tcp_listen_options.nodelay tcp_listen_options.exit_on_close
    tcp_listen_options.sndbuf tcp_listen_options.recbuf tcp_listen_options.linger.on tcp_listen_options.linger.timeout
    tcp_listen_options.send_timeout proxy_protocol reverse_dns_lookups handshake_timeout
    heartbeat frame_max initial_frame_max channel_max connection_max max_message_size
    vm_memory_high_watermark.relative vm_memory_high_watermark.absolute vm_memory_high_watermark_paging_ratio
    vm_memory_calculation_strategy total_memory_available_override_value disk_free_limit.relative
    disk_free_limit.absolute
    net_ticktime cluster_name cluster_partition_handling cluster_partition_handling.pause_if_all_down.recover
    cluster_partition_handling.pause_if_all_down.nodes.$name cluster_keepalive_interval
    mnesia_table_loading_retry_timeout mnesia_table_loading_retry_limit
    cluster_formation.peer_discovery_backend cluster_formation.classic_config.nodes.$node cluster_formation.node_type
    cluster_formation.dns.hostname
    default_user default_pass default_vhost default_user_tags.$tag default_permissions.configure
    default_permissions.read default_permissions.write loopback_users loopback_users.$user
    auth_mechanisms.$name auth_backends.$num ssl_cert_login_from password_hashing_module
    queue_master_locator queue_index_embed_msgs_below mirroring_sync_batch_size collect_statistics_interval
    log.dir log.file log.file.level log.file.rotation.date log.file.rotation.size log.file.rotation.count
    log.console log.console.level log.syslog log.syslog.level log.connection.level log.channel.level log.default.level
"""

_LISTENER = "port ip compress idle_timeout inactivity_timeout request_timeout shutdown_timeout max_keepalive"

_PLUGINS = {
    "rabbitmq_management": f"""
        {" ".join(f"management.tcp.{key}" for key in _LISTENER.split())}
        {" ".join(f"management.ssl.{key}" for key in f"{_LISTENER} {_TLS}".split())}
        management.load_definitions management.path_prefix management.rates_mode management.disable_stats
        management.http_log_dir management.login_session_timeout
    """,
    "rabbitmq_management_agent": "management_agent.disable_metrics_collector",
    "rabbitmq_prometheus": f"""
        prometheus.path
        {" ".join(f"prometheus.tcp.{key}" for key in _LISTENER.split())}
        {" ".join(f"prometheus.ssl.{key}" for key in f"{_LISTENER} {_TLS}".split())}
    """,
}
"""Keys every release knows, by the plugin they need."""

_SOME = (
    # key, first releases, last release, what to do without it
    ("anonymous_login_user", "4.0", "", "leave it out: nobody gets in without a name"),
    ("anonymous_login_pass", "4.0", "", "leave it out: nobody gets in without a name"),
    ("channel_max_per_node", "3.12.13 3.13", "", "use channel_max"),
    ("classic_queue.default_version", "3.10", "", "leave it out"),
    ("cluster_formation.discovery_retry_interval", "3.8.4", "", "leave it out"),
    ("cluster_formation.discovery_retry_limit", "3.8.4", "", "leave it out"),
    ("cluster_formation.internal_lock_retries", "3.8.18", "", "leave it out"),
    ("cluster_formation.lock_retry_limit", "3.8.4", "", "leave it out"),
    ("cluster_formation.lock_retry_timeout", "3.8.4", "", "leave it out"),
    ("cluster_formation.randomized_startup_delay_range.min", "3.8", "3.13", "leave it out: nodes lock while they form"),
    ("cluster_formation.randomized_startup_delay_range.max", "3.8", "3.13", "leave it out: nodes lock while they form"),
    ("cluster_formation.registration.enabled", "4.0.6 4.1", "", "leave it out"),
    ("cluster_formation.target_cluster_size_hint", "3.8.24 3.9.9 3.10", "", "leave it out"),
    ("cluster_tags.$tag", "4.0.4 4.1", "", "leave it out"),
    ("consumer_disconnected_timeout", "4.3", "", "leave it out"),
    ("consumer_max_per_channel", "3.12.14 3.13.1 4.0", "", "leave it out"),
    ("consumer_timeout", "3.8.2", "", "advanced.config: [{rabbit, [{consumer_timeout, MILLISECONDS}]}]."),
    ("default_queue_type", "3.12.14 3.13.3 4.0", "", "give each queue its type"),
    ("default_users.$name.password", "3.11.11 3.12", "", "import definitions"),
    ("definitions.import_backend", "3.9.4 3.10", "", "use load_definitions"),
    ("definitions.local.path", "3.9.4 3.10", "", "use load_definitions"),
    ("definitions.skip_if_unchanged", "3.10", "", "leave it out: definitions are imported at each boot"),
    ("deprecated_features.permit.$name", "3.13", "", "leave it out: nothing is deprecated there"),
    (
        "distribution.listener.interface",
        "3.9.10 3.10",
        "",
        "advanced.config: [{kernel, [{inet_dist_use_interface, IP}]}].",
    ),
    ("distribution.listener.port_range.max", "3.9.10 3.10", "", "RABBITMQ_DIST_PORT in rabbitmq-env.conf"),
    ("distribution.listener.port_range.min", "3.9.10 3.10", "", "RABBITMQ_DIST_PORT in rabbitmq-env.conf"),
    ("load_definitions", "3.8.2", "", "use management.load_definitions"),
    ("log.console.formatter", "3.9", "", "leave it out"),
    ("log.file.formatter", "3.9", "", "leave it out"),
    ("max_channels_per_connection", "4.2.7 4.3.1", "", "use channel_max, its older name"),
    ("max_connections", "4.2.7 4.3.1", "", "use connection_max, its older name"),
    ("message_store_shutdown_timeout", "3.8.5", "", "leave it out"),
    ("metadata_store.khepri.default_timeout", "3.13", "", "leave it out"),
    ("node_tags.$tag", "4.0.4 4.1", "", "leave it out"),
    ("prevent_startup_if_node_was_reset", "4.1.2 4.2", "", "leave it out"),
    ("queue_leader_locator", "3.10", "", "use queue_master_locator"),
    ("quorum_queue.commands_soft_limit", "4.1", "", "advanced.config: [{rabbit, [{quorum_commands_soft_limit, N}]}]."),
    ("quorum_queue.compute_checksums", "3.10.6 3.11", "", "leave it out"),
    ("quorum_queue.continuous_membership_reconciliation.enabled", "3.13", "", "add members by rabbitmq-queues grow"),
    ("quorum_queue.continuous_membership_reconciliation.target_group_size", "3.13", "", "rabbitmq-queues grow"),
    (
        "quorum_queue.initial_cluster_size",
        "4.1",
        "",
        "advanced.config: [{rabbit, [{quorum_cluster_size, N}]}]. (before 3.8.12: default_quorum_initial_group_size)",
    ),
    ("quorum_queue.property_equivalence.relaxed_checks_on_redeclaration", "3.11.16 3.12", "", "leave it out"),
    ("raft.adaptive_failure_detector.detection_threshold", "4.2.5 4.3", "", "advanced.config: [{aten, [...]}]."),
    ("raft.adaptive_failure_detector.heartbeat_interval", "4.2.5 4.3", "", "advanced.config: [{aten, [...]}]."),
    ("raft.adaptive_failure_detector.scaling_factor", "4.2.5 4.3", "", "advanced.config: [{aten, [...]}]."),
    (
        "raft.adaptive_failure_detector.poll_interval",
        "3.9.27 3.10.13 3.11.5 3.12",
        "",
        "advanced.config: [{aten, [{poll_interval, MILLISECONDS}]}].",
    ),
    ("raft.data_dir", "3.8.5", "", "leave it out"),
    ("raft.segment_max_entries", "3.8.1", "", "leave it out"),
    ("raft.snapshot_chunk_size", "3.8.1", "", "leave it out"),
    ("raft.wal_hibernate_after", "3.8.9", "", "leave it out"),
    ("raft.wal_max_batch_size", "3.8.1", "", "leave it out"),
    ("raft.wal_max_entries", "3.8.9", "", "leave it out"),
    ("raft.wal_max_size_bytes", "3.8.1", "", "advanced.config: [{ra, [{wal_max_size_bytes, BYTES}]}]."),
    ("ssl_options.bypass_pem_cache", "3.8.10", "", "leave it out"),
)
"""Keys some releases know."""

_SOME_OF_PLUGINS = {
    "rabbitmq_management": (
        ("management.http.max_body_size", "3.11.24 3.12.7 3.13", "", "leave it out"),
        ("management.require_auth_for_api_reference", "4.0.9 4.1", "", "leave it out"),
    ),
    "rabbitmq_prometheus": (
        ("prometheus.return_per_object_metrics", "3.8.3", "", "leave it out"),
        ("prometheus.authentication.enabled", "3.11.20 3.12.2 3.13", "", "let a firewall say who may read"),
        # From here on the plain listener stays open beside the TLS one unless this is "none" (seen on 4.0.5 and 4.3.6;
        # 3.8.9 and 3.10.8 open the TLS one only).
        ("prometheus.tcp.listener", "3.11.16 3.12", "", "leave it out: with TLS there is no plain listener"),
    ),
    "rabbitmq_stream": (
        ("stream.listeners.tcp.$name", "3.9", "", "leave it out: there are no streams"),
        ("stream.listeners.ssl.$name", "3.9", "", "leave it out: there are no streams"),
        ("stream.advertised_host", "3.9", "", "leave it out: there are no streams"),
        ("stream.advertised_port", "3.9", "", "leave it out: there are no streams"),
    ),
}


def _rows() -> Iterator[Feature]:
    for key in _BROKER.split():
        yield _row("rabbit", key, "3.8")
    for plugin, keys in _PLUGINS.items():
        for key in keys.split():
            yield _row(plugin, key, "3.8")
    for key, since, until, instead in _SOME:
        yield _row("rabbit", key, since, until, instead)
    for plugin, rows in _SOME_OF_PLUGINS.items():
        for key, since, until, instead in rows:
            yield _row(plugin, key, since, until, instead)


def _row(plugin: str, key: str, since: str, until: str = "", instead: str = "") -> Feature:
    source = f"{plugin}.schema, " + ", ".join(f"v{first}" for first in since.split())
    return feature(f"rabbitmq.conf:{key}", f"{key} in rabbitmq.conf", since, source, until=until, instead=instead)


RABBITMQ_CONF: tuple[Feature, ...] = tuple(_rows())
"""Keys of rabbitmq.conf; a row is named ``rabbitmq.conf:KEY``."""
