"""What keepalived went through, from the journal."""

from __future__ import annotations

import json

from integration.observe.vrrp import parse_journal
from rmqha_model.events import VrrpState


def said(us: int, who: str, message: object) -> str:
    """Give a line of the journal."""
    return json.dumps({"__MONOTONIC_TIMESTAMP": str(us), "SYSLOG_IDENTIFIER": who, "MESSAGE": message})


LINES = [
    said(1_000_000, "systemd", "Starting keepalived.service - Keepalive Daemon (LVS and VRRP)..."),
    said(1_500_000, "Keepalived_vrrp", "(VI_1) Entering BACKUP STATE (init)"),
    said(2_000_000, "Keepalived_vrrp", "VRRP_Script(chk_haproxy) succeeded"),
    said(2_250_000, "Keepalived_vrrp", "(VI_1) Entering MASTER STATE"),
    said(2_300_000, "Keepalived_vrrp", "(other) Entering MASTER STATE"),
    said(2_400_000, "Keepalived_vrrp", [40, 86]),
    "not JSON",
    "{}",
    said(3_000_000, "Keepalived_vrrp", "(VI_1) Entering FAULT STATE"),
    said(4_000_000, "systemd", "keepalived.service: Main process exited, code=killed, status=9/KILL"),
    said(4_000_100, "systemd", "keepalived.service: Failed with result 'signal'."),
    said(5_000_000, "Keepalived_vrrp", "(VI_1) Entering BACKUP STATE"),
    said(6_000_000, "systemd", "Stopped keepalived.service - Keepalive Daemon (LVS and VRRP)."),
]


def test_states_are_told_once_and_end_with_the_daemon() -> None:
    """Each state as the instance enters it; STOP once, however often systemd says that the daemon is gone."""
    assert list(parse_journal(LINES, "lb1", ["VI_1"])) == [
        VrrpState(1.5, "lb1", "VI_1", "BACKUP"),
        VrrpState(2.25, "lb1", "VI_1", "MASTER"),
        VrrpState(3.0, "lb1", "VI_1", "FAULT"),
        VrrpState(4.0, "lb1", "VI_1", "STOP"),
        VrrpState(5.0, "lb1", "VI_1", "BACKUP"),
        VrrpState(6.0, "lb1", "VI_1", "STOP"),
    ]
