"""What queues and clusters of a release of RabbitMQ can do.

Sources are files of rabbitmq/rabbitmq-server at the tag named. "Seen on" means that a node of Debian's package of that
version was asked: 3.8.9, 3.10.8, 4.0.5, 4.3.6. Where both are named, they agree.
"""

from __future__ import annotations

from rmqha_model.versions.feature import Feature, feature

__all__ = ["RABBITMQ"]

_POLICIES = "deps/rabbit/src/rabbit_policies.erl"

_QUEUE_TYPES = (
    feature(
        "rabbitmq.mirrored_queues",
        "mirrored queues",
        "3.8",
        "release-notes/4.0.1.md; seen on 4.0.5 and 4.3.6: ha-mode is 'not recognised', set or imported",
        until="3.13",
        instead="use quorum queues",
    ),
    feature("rabbitmq.quorum_queues", "quorum queues", "3.8", "src/rabbit_quorum_queue.erl v3.8.0"),
    feature(
        "rabbitmq.streams",
        "streams",
        "3.9",
        "deps/rabbit/src/rabbit_stream_queue.erl v3.9.0 (in v3.8.10 by mistake, taken out in v3.8.11)",
        instead="use quorum queues",
    ),
    feature(
        "rabbitmq.classic_queues_v1",
        "version 1 of classic queues",
        "3.8",
        "release-notes/4.0.1.md; seen on 4.0.5: classic_queue.default_version = 1 does not boot",
        until="3.13",
        instead="leave the version out: there is one only",
    ),
    feature(
        "rabbitmq.lazy_queues",
        "lazy queues",
        "3.8",
        "release-notes/3.12.0.md: accepted and without effect from there on",
        until="3.11",
        instead="leave queue-mode out: classic queues move messages to disk by themselves",
    ),
    feature(
        "rabbitmq.queue_mode_argument",
        "the x-queue-mode argument",
        "3.8",
        "release-notes/4.3.0.md: declaring a queue with it fails",
        until="4.2",
        instead="leave x-queue-mode out: classic queues move messages to disk by themselves",
    ),
    feature(
        "rabbitmq.transient_queues",
        "transient queues that are not exclusive",
        "3.8",
        "release-notes/4.3.0.md: transient_nonexcl_queues is denied by default",
        until="4.2",
        instead="make the queue durable",
    ),
    feature(
        "rabbitmq.queue_master_locator",
        "queue-master-locator",
        "3.8",
        "release-notes/4.3.0.md: denied by default",
        until="4.2",
        instead="use queue-leader-locator",
    ),
    feature(
        "rabbitmq.queue_leader_locator",
        "queue-leader-locator",
        "3.9",
        f"{_POLICIES} v3.9.0; seen on 3.8.9: 'not recognised'",
        instead="use queue-master-locator",
    ),
    feature(
        "rabbitmq.balanced_leaders",
        "leaders placed by queue-leader-locator: balanced",
        "3.10",
        f"{_POLICIES} v3.10.0; v3.9.0 has client-local, random and least-leaders, for streams only",
        instead="leave it out: leaders are where the queues were declared",
    ),
    feature(
        "rabbitmq.target_group_size",
        "target-group-size in policies",
        "3.12.7 3.13",
        "deps/rabbit/src/rabbit_quorum_queue.erl v3.12.7",
        instead="add members by rabbitmq-queues grow",
    ),
    feature(
        "rabbitmq.quorum_message_ttl",
        "message TTL in quorum queues",
        "3.10",
        "release-notes/3.10.0.md",
        instead="use classic queues, or leave the TTL out",
    ),
    feature(
        "rabbitmq.at_least_once_dead_lettering",
        "at-least-once dead lettering",
        "3.10",
        f"release-notes/3.10.0.md; dead-letter-strategy in {_POLICIES} v3.10.0",
        instead="leave the strategy out: dead letters are passed on at most once",
    ),
    feature(
        "rabbitmq.default_delivery_limit",
        "a delivery limit without being asked for (20)",
        "4.0",
        "release-notes/4.0.1.md; deps/rabbit/src/rabbit_quorum_queue.erl v4.0.0",
        instead="set delivery-limit",
    ),
    feature(
        "rabbitmq.consumer_timeout",
        "consumer_timeout",
        "3.8.2",
        "priv/schema/rabbit.schema v3.8.2; from 4.3 on it holds for quorum queues only (release-notes/4.3.0.md)",
        instead="set {rabbit, [{consumer_timeout, Milliseconds}]} in advanced.config",
    ),
    feature(
        "rabbitmq.consumer_timeout_policy",
        "consumer-timeout in policies",
        "3.12",
        f"{_POLICIES} v3.12.0; seen on 3.8.9 and 3.10.8: 'not recognised'",
        instead="set consumer_timeout of the whole node",
    ),
    feature(
        "rabbitmq.policy_by_queue_type",
        "policies for one type of queue",
        "3.12",
        "deps/rabbit/src/rabbit_policy.erl v3.12.0; seen on 3.8.9 and 3.10.8: apply-to 'unrecognised'",
        instead="apply the policy to queues, with a pattern that matches those of the type only",
    ),
    feature(
        "rabbitmq.vhost_default_queue_type",
        "a default queue type of a vhost",
        "3.10.8 3.11",
        "deps/rabbit/src/rabbit_vhost.erl v3.10.8; seen on 3.10.8: honoured under metadata of a vhost in definitions, "
        "ignored beside its name",
        instead="give each queue its type",
    ),
    feature(
        "rabbitmq.permit_deprecated",
        "permitting or denying deprecated features",
        "3.13",
        "deps/rabbit/src/rabbit_deprecated_features.erl v3.13.0; seen on 3.10.8: the key does not boot",
        instead="leave it out: nothing is deprecated there",
    ),
)

_CLUSTER = (
    feature(
        "rabbitmq.ram_nodes",
        "RAM nodes",
        "3.8",
        "release-notes/4.3.0.md; seen on 4.3.6: cluster_formation.node_type = ram does not boot",
        until="4.2",
        instead="make it a disc node",
    ),
    feature(
        "rabbitmq.partition_handling",
        "partition handling",
        "3.8",
        "release-notes/4.3.0.md: the keys are accepted and have no effect; seen on 4.3.6: boots with it",
        until="4.2",
        instead="leave it out: Raft decides, a minority stops by itself",
    ),
    feature(
        "rabbitmq.mnesia",
        "Mnesia as the metadata store",
        "3.8",
        "release-notes/4.3.0.md",
        until="4.2",
        instead="leave it out: Khepri is the only store",
    ),
    feature(
        "rabbitmq.khepri",
        "Khepri as the metadata store",
        "4.0",
        "release-notes/4.0.1.md: experimental in 3.13, and there is no upgrade from that",
        instead="leave it out: Mnesia is used",
    ),
    feature(
        "rabbitmq.khepri_by_default",
        "Khepri in new clusters without being asked for",
        "4.2",
        "release-notes/4.2.0.md",
        instead="enable the feature flag khepri_db",
    ),
    feature(
        "rabbitmq.khepri_only",
        "Khepri as the only metadata store",
        "4.3",
        "release-notes/4.3.0.md",
        instead="expect Mnesia, or whichever of the two the cluster was made with",
    ),
    feature(
        "rabbitmq.join_cluster_alone",
        "join_cluster without stop_app, reset and start_app around it",
        "4.1",
        "clustering guide of 4.1; rabbit_db_cluster.erl v4.1.0 compares feature flags as of a fresh node. Older code "
        "does it when the flags happen to agree (seen on 4.0.5); 3.8.9 and 3.10.8 refuse",
        instead="run stop_app, reset, join_cluster, start_app",
    ),
    feature(
        "rabbitmq.inter_node_tls",
        "TLS between nodes (-proto_dist inet_tls -ssl_dist_optfile in rabbitmq-env.conf)",
        "3.8",
        "scripts/rabbitmq-env v3.8.0; seen on all four, nodes and command line, without -pa",
    ),
    feature(
        "rabbitmq.raft_detector_tuning",
        "tuning of Raft's failure detector",
        "3.8",
        "aten reads its application environment; seen on all four by advanced.config {aten, [{poll_interval, ...}, "
        "{heartbeat_interval, ...}, {scaling_factor, ...}, {detection_threshold, ...}]}",
    ),
    feature("rabbitmq.prometheus", "the rabbitmq_prometheus plugin", "3.8", "rabbitmq/rabbitmq-prometheus v3.8.0"),
)

RABBITMQ: tuple[Feature, ...] = (*_QUEUE_TYPES, *_CLUSTER)
"""Abilities of the broker itself."""
