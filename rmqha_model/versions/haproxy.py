"""What releases of HAProxy can do.

Sources are keywords in ``src/`` and sections of ``doc/configuration.txt`` of haproxy/haproxy, at the tags v2.2.0 to
v3.2.0. "Seen on" means that ``haproxy -c`` of Debian's package of that version was asked: 2.2.9, 2.6.12, 3.0.11,
3.2.26. Where both are named, they agree.
"""

from __future__ import annotations

from rmqha_model.versions.feature import Feature, feature

__all__ = ["HAPROXY"]

_KERNEL = "set net.ipv4.tcp_keepalive_* of the host"

_EVERYWHERE = (
    ("option_redispatch", "option redispatch"),
    ("http_check_connect", "http-check connect"),
    ("http_check_send", "http-check send"),
    ("http_check_expect", "http-check expect"),
    ("tcp_check_connect", "tcp-check connect"),
    ("tcp_check_send_binary", "tcp-check send-binary"),
    ("tcp_check_expect", "tcp-check expect"),
    ("on_marked_down", "on-marked-down"),
    ("on_marked_up", "on-marked-up"),
    ("observe", "observe layer4"),
    ("init_addr", "init-addr"),
    ("default_server", "default-server"),
    ("hard_stop_after", "hard-stop-after"),
    ("spread_checks", "spread-checks"),
    ("ssl_min_ver", "ssl-min-ver"),
    ("expose_fd_listeners", "expose-fd listeners"),
    ("stats_socket", "stats socket with mode, user, group and level"),
    ("tcp_smart_accept", "option tcp-smart-accept"),
    ("tcp_smart_connect", "option tcp-smart-connect"),
    ("tcp_user_timeout", "tcp-ut on bind and server lines"),
    ("send_proxy_v2", "send-proxy-v2"),
    ("log_health_checks", "option log-health-checks"),
    ("no_strict_limits", "no strict-limits"),
    ("prometheus_exporter", "the prometheus-exporter service (a build option; Debian's packages have it)"),
)

_SOME = (
    feature(
        "haproxy.keepalive_times",
        "times of TCP keepalive (clitcpka-* and srvtcpka-*)",
        "2.3",
        "src/proxy.c v2.3.0; seen on 2.2.9: 'unknown keyword'",
        instead=_KERNEL,
    ),
    feature(
        "haproxy.strict_limits_by_default",
        "refusing to start when maxconn needs more descriptors than are allowed",
        "2.3",
        "doc/configuration.txt v2.3.0, strict-limits; v2.2.0 warns and goes on with fewer",
        instead="write strict-limits",
    ),
    feature(
        "haproxy.named_defaults",
        "defaults sections with names (from)",
        "2.4",
        "doc/configuration.txt v2.4.0; seen on 2.2.9: 'unexpected argument'",
        instead="write the sections in order, each after its defaults",
    ),
    feature(
        "haproxy.error_log_format",
        "error-log-format",
        "2.5",
        "doc/configuration.txt v2.5.0; seen on 2.2.9: 'unknown keyword'",
        instead="leave it out",
    ),
    feature(
        "haproxy.shards",
        "shards on bind lines",
        "2.5",
        "doc/configuration.txt v2.5.0; seen on 2.2.9: 'unknown keyword'",
        instead="leave it out",
    ),
    feature(
        "haproxy.fd_hard_limit",
        "fd-hard-limit",
        "2.6",
        "doc/configuration.txt v2.6.0; seen on 2.2.9: 'unknown keyword'",
        instead="set maxconn, and LimitNOFILE of the unit",
    ),
    feature(
        "haproxy.close_spread_time",
        "close-spread-time",
        "2.6",
        "doc/configuration.txt v2.6.0; seen on 2.2.9: 'unknown keyword'",
        instead="leave it out: connections end all at once",
    ),
    feature(
        "haproxy.balance_hash",
        "balance hash",
        "2.6",
        "src/backend.c v2.6.0; seen on 2.2.9: 'balance only supports'",
        instead="use balance source",
    ),
    feature(
        "haproxy.redispatch_at_once",
        "redispatching before the first retry also with leastconn and first",
        "2.6.7 2.7",
        "src/backend.c v2.7.0, 'only enforce turn-around state when not redispatching'; 2.6.7 has it brought back",
        instead="expect each new connection to wait for its retries, 1 s apart",
    ),
    feature(
        "haproxy.guid",
        "guid of a proxy or server",
        "3.0",
        "doc/configuration.txt v3.0.0; seen on 2.6.12: 'unknown keyword'",
        instead="leave it out",
    ),
    feature(
        "haproxy.init_state",
        "init-state",
        "3.1",
        "doc/configuration.txt v3.1.0; seen on 3.0.11: 'unknown keyword'",
        instead="leave it out: servers are up until a check fails",
    ),
    feature(
        "haproxy.grace",
        "grace",
        "2.2",
        "src/cfgparse-listen.c v2.5.0; seen on 2.6.12: 'not supported any more since HAProxy version 2.5'",
        until="2.4",
        instead="use hard-stop-after",
    ),
    feature(
        "haproxy.nbproc",
        "nbproc",
        "2.2",
        "doc/configuration.txt v2.5.0; seen on 2.6.12: 'not supported any more since HAProxy 2.5'",
        until="2.4",
        instead="use nbthread",
    ),
    feature(
        "haproxy.bind_process",
        "bind-process",
        "2.2",
        "doc/configuration.txt v2.7.0; seen on 2.6.12: a warning, on 3.0.11: 'not supported anymore'",
        until="2.6",
        instead="leave it out: there is one process",
    ),
)

HAPROXY: tuple[Feature, ...] = (
    *(
        feature(f"haproxy.{name}", title, "2.2", "doc/configuration.txt v2.2.0; seen on all four")
        for name, title in _EVERYWHERE
    ),
    *_SOME,
)
"""Directives of haproxy.cfg, and how HAProxy goes about them."""
