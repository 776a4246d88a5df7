"""The version that is installed."""

from __future__ import annotations

import importlib.metadata

__all__ = ["version"]


def version() -> str:
    """Give the version of the installed distribution; ``0+unknown`` in a checkout that is not installed."""
    try:
        return importlib.metadata.version("rmqha-model")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"
