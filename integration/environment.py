"""The environment of programs of this package that are started as processes of their own."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["environment"]


def environment() -> dict[str, str]:
    """Give this process's environment, with this package findable wherever it lies."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1"}
