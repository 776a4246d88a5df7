"""Every generated file is in its place, every name leads to its host, every kernel setting is as designed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from generators.system import SYSCTL
from integration.diagnose import Finding, files, names
from integration.suite.plugin import refuse

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []


def test_generated_files_are_in_place(stack: Stack, host: str) -> None:
    """Each file has the bytes, the owner, the group and the mode that it was generated with."""
    refuse(files.of_host(stack, host))


def test_names_lead_to_their_hosts(stack: Stack, host: str) -> None:
    """Each name of the design resolves to the design's address, and the host has its own."""
    refuse(names.of_host(stack, host))


def test_kernel_settings_are_in_effect(stack: Stack, host: str) -> None:
    """The kernel has what the sysctl file says, for what each network namespace has of its own."""
    lines = [a.content for a in files.installed(stack, host) if a.path == SYSCTL]
    if not lines:
        pytest.skip(f"the design sets nothing in the kernel of {host}")
    settings = [line.split("=", 1) for line in lines[0].splitlines() if "=" in line and not line.startswith("#")]
    wanted = {name.strip(): value.strip() for name, value in settings}
    machine = stack.hosts[host]
    found = {name: machine.run("sysctl", "-n", name) for name in wanted}
    refuse(
        Finding(
            "file",
            f"{host}: {name}",
            " ".join(said.out.split()) or said.err.strip(),
            wanted[name],
            f"sysctl --system on {host}; a later file of /etc/sysctl.d may say otherwise",
        )
        for name, said in found.items()
        # The rest is one for the whole machine, which a lab does not touch.
        if name.startswith("net.") and " ".join(said.out.split()) != " ".join(wanted[name].split())
    )
