"""The lab's own passwords: what a design fetches from elsewhere is neither run nor read for throw-away hosts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from rmqha_model.secrets import Secret, Secrets, SecretStore

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["secrets_of"]


def secrets_of(topology: Topology, kept: Path) -> tuple[Secrets, tuple[str, ...]]:
    """Give values for the secrets of *topology*, kept in the file *kept*, and say which are not the design's own."""
    store = SecretStore(kept)
    values: dict[Secret, str] = {}
    notes: list[str] = []
    for need in topology.secret_needs():
        source = need.source
        if source in values:
            continue
        if source.literal is not None:
            values[source] = source.literal.get_secret_value()
        elif source.secret is not None:
            values[source] = store.get(source.secret, need.length)
        else:
            mark = hashlib.sha256(source.model_dump_json().encode()).hexdigest()[:16]
            values[source] = store.get(f"elsewhere_{mark}", min(need.length, need.longest))
            notes.append(f"a random value stands for the secret from {source}: the lab fetches none")
    store.save()
    return Secrets(values), tuple(notes)
