"""The hosts that a user already has, reached by ssh: the second kind of stack that the suite runs against.

It is the system's own ssh that connects, one connection a host, which all commands share (ControlMaster). What a user
has set up for it works by itself: ~/.ssh/config with its Match and ProxyJump, agents and hardware keys, known_hosts and
certificates. A library would read a part of that: AsyncSSH supports some of OpenSSH's configuration, and Ansible gave
up its way by Paramiko for OpenSSH in ansible-core 2.21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integration.ssh.inventory import Inventory
    from integration.ssh.opening import opened
    from integration.ssh.stack import SshStack

__all__ = ["Inventory", "SshStack", "opened"]

_HOMES = {"Inventory": "inventory", "SshStack": "stack", "opened": "opening"}


def __getattr__(name: str) -> Any:
    # The generators are loaded when hosts are connected, not when a command line is read.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"integration.ssh.{_HOMES[name]}"), name)
