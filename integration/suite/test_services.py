"""Every daemon of the design runs, and is started at the next boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.diagnose import Finding, units
from integration.suite.plugin import refuse

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []


def test_services_run_and_are_enabled(stack: Stack, host: str) -> None:
    """Each service of the host's roles is active and enabled."""
    refuse(units.of_host(stack, host))


def test_no_unit_has_failed(stack: Stack, host: str) -> None:
    """No unit of the host has failed, whoever's it is."""
    refuse(
        Finding("unit", host, f"{unit} failed", "no failed unit", f"systemctl status {unit} on {host}")
        for unit in units.failed(stack.hosts[host])
    )
