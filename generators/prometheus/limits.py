"""Alerts on the limits of brokers: memory, disk, file descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from generators import titles
from generators.prometheus.rule import Example, Rule, Watched
from generators.prometheus.scrape import RABBITMQ
from rmqha_model.versions import Version

__all__ = ["rules"]

NEARLY_ALL = 0.8
"""Which share of a limit is near it: enough to act before it is reached."""

LOW_DISK = 2
"""So many times the limit is nearly nothing: there is still time to act before publishers are blocked."""

ALARM_METRICS = (Version(3, 8, 25), Version(3, 9, 0), Version(3, 9, 4))
"""rabbitmq_alarms_* came with 3.8.25 and, for 3.9, with 3.9.4: prometheus_rabbitmq_alarm_metrics_collector.erl."""


class Alarm(NamedTuple):
    """What blocks publishers: the metric that says so, and the two that say it where there is none."""

    name: str
    metric: str
    more: str
    less: str
    limit: str
    period: str
    title: str


ALARMS = (
    Alarm(
        "Memory",
        "rabbitmq_alarms_memory_used_watermark",
        "rabbitmq_process_resident_memory_bytes",
        "rabbitmq_resident_memory_limit_bytes",
        "its memory watermark",
        "2.5 s",  # memory_monitor_interval in rabbit's environment, 3.9
        titles.MEMORY_ALARM,
    ),
    Alarm(
        "Disk",
        "rabbitmq_alarms_free_disk_space_watermark",
        "rabbitmq_disk_space_available_limit_bytes",
        "rabbitmq_disk_space_available_bytes",
        "its limit of free disk space",
        "10 s",  # "Disk Alarms" in RabbitMQ's guides; more often near the limit
        titles.DISK_ALARM,
    ),
)


def rules(watched: Watched) -> Iterator[Rule]:
    """Give the alerts on the limits of brokers whose metrics are read."""
    if RABBITMQ in watched:
        yield from _alarms(watched)
        yield _disk(watched)
        yield _descriptors(watched)


def _alarms(watched: Watched) -> Iterator[Rule]:
    version = Version.parse(watched.topology.versions.rabbitmq)
    since, gap, again = ALARM_METRICS
    told = since <= version < gap or version >= again
    select = watched.select(RABBITMQ)
    for alarm in ALARMS:
        if told:
            expr = f"{alarm.metric}{select} == 1"
            series = {watched.series(alarm.metric, RABBITMQ): "1xN"}
            evidence = f"{alarm.metric} (3.10.8, 4.0.5, 4.3.6; from 3.8.25 and 3.9.4)"
        else:
            expr = f"{alarm.more}{select} > {alarm.less}{select}"
            series = {watched.series(alarm.more, RABBITMQ): "2xN", watched.series(alarm.less, RABBITMQ): "1xN"}
            evidence = f"{alarm.more}, {alarm.less} (3.8.9); this release has no rabbitmq_alarms_*"
        yield Rule(
            f"RabbitMQ{alarm.name}Alarm",
            expr,
            0,
            "critical",
            f"RabbitMQ on {{{{ $labels.host }}}} is past {alarm.limit}: publishers are blocked on every broker",
            "Connections that publish are blocked in the whole cluster until it ends, noticed within "
            f"{alarm.period}; those that only consume go on. Clients see connection.blocked, confirms stop, and "
            "nothing is lost that was confirmed.",
            alarm.title,
            evidence,
            Example(series, watched.labels(RABBITMQ)),
        )


def _disk(watched: Watched) -> Rule:
    select = watched.select(RABBITMQ)
    limit = watched.topology.rabbitmq.disk_free_limit
    return Rule(
        "RabbitMQDiskNearlyFull",
        f"rabbitmq_disk_space_available_bytes{select} < {LOW_DISK} * rabbitmq_disk_space_available_limit_bytes{select}",
        watched.scrapes(4),
        "warning",
        "RabbitMQ on {{ $labels.host }} has little disk space left",
        f"Less than {LOW_DISK} times the limit ({limit or 'of the broker itself, 50MB'}) is free. At the limit "
        "publishers are blocked on every broker.",
        titles.DISK_ALARM,
        "rabbitmq_disk_space_available_bytes, rabbitmq_disk_space_available_limit_bytes (3.8.9, 3.10.8, 4.0.5, 4.3.6)",
        Example(
            {
                watched.series("rabbitmq_disk_space_available_bytes", RABBITMQ): "3xN",
                watched.series("rabbitmq_disk_space_available_limit_bytes", RABBITMQ): "2xN",
            },
            watched.labels(RABBITMQ),
        ),
    )


def _descriptors(watched: Watched) -> Rule:
    select = watched.select(RABBITMQ)
    limits = {watched.topology.os_of(host).open_files for host in watched.topology.brokers}
    said = ", ".join(str(limit) for limit in sorted(limit for limit in limits if limit)) or "that of the unit"
    return Rule(
        "RabbitMQFileDescriptorsNearLimit",
        f"rabbitmq_process_open_fds{select} > {NEARLY_ALL} * rabbitmq_process_max_fds{select}",
        300,
        "warning",
        "RabbitMQ on {{ $labels.host }} has used most of its file descriptors",
        f"More than {NEARLY_ALL:.0%} of the limit (LimitNOFILE {said}) for 300 s. At the limit it accepts no "
        "connections; each connection and each queue takes one or more.",
        titles.FILE_DESCRIPTORS,
        "rabbitmq_process_open_fds, rabbitmq_process_max_fds (3.8.9, 3.10.8, 4.0.5, 4.3.6)",
        Example(
            {
                watched.series("rabbitmq_process_open_fds", RABBITMQ): "900xN",
                watched.series("rabbitmq_process_max_fds", RABBITMQ): "1000xN",
            },
            watched.labels(RABBITMQ),
        ),
    )
