"""The lab: the hosts of a design as machines of systemd-nspawn on this one, with the design's names and addresses.

Everything it makes lies in namespaces of its own without a way out, and stands in a record before it is made, so that
:func:`down` can undo it whatever has happened to who made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integration.lab.bring_up import up
    from integration.lab.lab import Lab, find
    from integration.lab.sweep import down, names

__all__ = ["Lab", "down", "find", "names", "up"]

_HOMES = {"Lab": "lab", "find": "lab", "down": "sweep", "names": "sweep", "up": "bring_up"}


def __getattr__(name: str) -> Any:
    # The generators are loaded when a lab is made, not when a machine is asked what it lacks.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"integration.lab.{_HOMES[name]}"), name)
