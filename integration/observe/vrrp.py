"""What keepalived went through, from the journal of its host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from rmqha_model.events import VrrpState

__all__ = ["COMMAND", "parse_journal"]

COMMAND = (
    "journalctl",
    "--no-pager",
    "--quiet",
    "--output=json",
    "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,__MONOTONIC_TIMESTAMP",
    "--unit=keepalived.service",
)
"""All that keepalived said, and what systemd said of it; stamped by the machine's own monotonic clock."""

# "(VI_1) Entering BACKUP STATE (init)": vrrp.c and vrrp_scheduler.c of keepalived 2.1 to 2.3.
_ENTERED = re.compile(r"\((?P<instance>[^)]+)\) Entering (?P<state>MASTER|BACKUP|FAULT) STATE")
# What systemd says, from 247 (bullseye) to 258 (sid), when there is no such process any more.
_GONE = re.compile(r"^(?:Stopped|keepalived\.service: (?:Deactivated|Succeeded|Failed with|Main process exited))")
State = Literal["MASTER", "BACKUP", "FAULT", "STOP"]


def parse_journal(
    lines: Iterable[str], host: str, instances: Iterable[str], *, behind_s: float | None = None
) -> Iterator[VrrpState]:
    """Give the states that the instances entered, by the lines of :data:`COMMAND`; ``STOP`` when keepalived ended.

    The stamps are of this machine's monotonic clock; of another machine the wall clock counts, which this machine's
    monotonic one is behind by *behind_s*.
    """
    instances = tuple(instances)
    states: dict[str, State] = dict.fromkeys(instances, "STOP")
    for line in lines:
        try:
            row: Mapping[str, Any] = json.loads(line)
            t = int(row["__MONOTONIC_TIMESTAMP"]) / 1e6
            if behind_s is not None:
                t = int(row["__REALTIME_TIMESTAMP"]) / 1e6 - behind_s
        except (ValueError, KeyError):
            continue
        message = row.get("MESSAGE")
        if not isinstance(message, str):  # journald gives bytes that are no text as a list
            continue
        if row.get("SYSLOG_IDENTIFIER") == "systemd" and _GONE.match(message):
            entered: dict[str, State] = {name: "STOP" for name in instances if states[name] != "STOP"}
        elif (match := _ENTERED.search(message)) and match["instance"] in states:
            entered = {match["instance"]: match["state"]}  # type: ignore[dict-item]
        else:
            continue
        for name, state in entered.items():
            states[name] = state
            yield VrrpState(t, host, name, state)
