"""Small designs and fixed secrets for tests of the generators."""

from __future__ import annotations

import hashlib
from typing import Any

from rmqha_model.secrets import Secrets
from rmqha_model.topology import Topology

__all__ = ["design", "merged", "secrets_of"]

BASE: dict[str, Any] = {
    "name": "test",
    "hosts": {name: f"10.0.0.{n}/24" for n, name in enumerate(("r1", "r2", "r3", "lb1", "lb2"), 11)},
    "rabbitmq": {"nodes": ["r1", "r2", "r3"]},
    "haproxy": {"hosts": ["lb1", "lb2"]},
    "keepalived": {
        "hosts": ["lb1", "lb2"],
        "instances": {"VI": {"virtual_router_id": 7, "virtual_addresses": ["10.0.0.100/24"]}},
    },
}


def merged(base: Any, changes: Any) -> Any:
    """Give *base* with *changes* laid over it, mapping by mapping."""
    if isinstance(base, dict) and isinstance(changes, dict):
        return base | {key: merged(base.get(key), value) for key, value in changes.items()}
    return changes


def design(**changes: Any) -> Topology:
    """Three brokers, two load balancers, one VIP; *changes* are laid over."""
    return Topology.model_validate(merged(BASE, changes))


def secrets_of(topology: Topology) -> Secrets:
    """Secrets that are the same in every run."""
    return Secrets(
        {
            need.source: need.source.literal.get_secret_value()
            if need.source.literal
            else hashlib.sha256(str(need.source).encode()).hexdigest()[: need.length]
            for need in topology.secret_needs()
        }
    )
