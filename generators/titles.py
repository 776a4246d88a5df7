"""The sections of the runbook by title: alerts point to them, so both take them from here."""

from __future__ import annotations

import re

__all__ = [
    "ALL_BALANCERS_DOWN",
    "BALANCER_DOWN",
    "BROKERS_APART",
    "BROKER_DOWN",
    "BROKER_SILENT",
    "COLD_START",
    "CONNECTION_LIMIT",
    "COOKIE",
    "DISK_ALARM",
    "FILE_DESCRIPTORS",
    "HOST_DOWN",
    "INSTALLATION",
    "KEEPALIVED_DOWN",
    "MAJORITY_LOST",
    "MEMORY_ALARM",
    "NOT_ACKNOWLEDGED",
    "NO_OWNER",
    "NO_SERVER",
    "OWNER_CHANGED",
    "QUEUE_MAJORITY",
    "QUEUE_MEMBERS",
    "SERVER_DOWN",
    "TARGETS_MISSING",
    "TWO_OWNERS",
    "UNBALANCED",
    "UNROUTABLE",
    "anchor",
]

INSTALLATION = "First installation"

BROKER_DOWN = "A broker is down"
BROKER_SILENT = "A broker is frozen or cut off"
MAJORITY_LOST = "Most brokers are down"
BROKERS_APART = "The brokers do not see each other"
MEMORY_ALARM = "A memory alarm"
DISK_ALARM = "A disk alarm"
FILE_DESCRIPTORS = "File descriptors run out"
UNBALANCED = "Connections are spread unevenly"
UNROUTABLE = "Messages are dropped as unroutable"
NOT_ACKNOWLEDGED = "Consumers do not acknowledge"
QUEUE_MEMBERS = "A quorum queue has too few members"
QUEUE_MAJORITY = "A quorum queue has no majority"

BALANCER_DOWN = "A load balancer is down"
ALL_BALANCERS_DOWN = "All load balancers are down"
SERVER_DOWN = "HAProxy calls a broker DOWN"
NO_SERVER = "HAProxy has no broker left"
CONNECTION_LIMIT = "HAProxy is near its limit of connections"

NO_OWNER = "Nobody owns a virtual address"
TWO_OWNERS = "Two hosts own a virtual address"
OWNER_CHANGED = "A virtual address has moved"
KEEPALIVED_DOWN = "Keepalived is down on one host"

HOST_DOWN = "A host is down"
TARGETS_MISSING = "Prometheus does not see everything"
COLD_START = "The whole site was without power"
COOKIE = "The Erlang cookies differ"


def anchor(title: str) -> str:
    """Give what links to the heading *title* end with: GitHub's rule, lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
