"""The design of a RabbitMQ high-availability stack: its parts, what it says, and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["Topology", "load"]


def load(path: str) -> Topology:
    """Load a topology from a YAML, JSON or TOML file.

    Raises:
        DocumentError: with every problem of the file and its place.
    """
    from rmqha_model import document, topology

    return document.load(path, topology.Topology)


def __getattr__(name: str) -> Any:
    # Importing the package must cost nothing: the command line does it before it knows what is asked.
    if name == "Topology":
        from rmqha_model.topology import Topology

        return Topology
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
