"""Whether the daemons of a host run and will be started at its next boot, and if not, what they said last."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators.haproxy import PATH as HAPROXY_CFG
from generators.keepalived import PATH as KEEPALIVED_CONF
from generators.logs import RSYSLOG
from integration.diagnose.finding import Finding

if TYPE_CHECKING:
    from integration.host import Host, Stack

__all__ = [
    "HANG",
    "Unit",
    "failed",
    "look",
    "of_host",
    "of_unit",
    "refused_by_haproxy",
    "refused_by_keepalived",
    "units_of",
]

_LAST_LINES = 60
_SHOWN = 3
_BROKER, _BALANCER, _VRRP = "rabbitmq-server", "haproxy", "keepalived"

TROUBLE = re.compile(
    r"(?i)error|fail|fatal|alert|crit|cannot|could not|refus|denied|invalid|unknown|unable|eaddrinuse|nxdomain|cookie"
)
"""What a line that tells a cause has in it."""
HANG = "its start hangs, as its host was back before its peers had noticed the loss (rabbitmq-server#6034)"
"""RabbitMQ 3.10 before 3.10.9 waits for Erlang's `global` for ever; from OTP 25.1 on its way out of that fails."""
_REFUSED = re.compile(r"(?i)Line \d+\)|unsafe permissions|disabling|not executable|SECURITY|must be set|non-existent")
"""What keepalived 2.1 to 2.3 says of a file that it does not take, or of a script that it will not run."""
NOISE = re.compile(
    r"(?i)Main process exited|Failed with result|Scheduled restart|Unit entered failed state|Start request repeated"
    r"|Failed to start|Stopped|Dependency failed|is in use|CoreDump|Crash dump"
)
"""What systemd says about each daemon that failed, whatever the cause."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service as systemd has it."""

    name: str
    load: str
    active: str
    sub: str
    file: str
    result: str

    @property
    def runs(self) -> bool:
        """Whether it is active."""
        return self.active == "active"

    @property
    def starts_at_boot(self) -> bool:
        """Whether it is started when the host boots; one that is static is started by others."""
        return self.file in {"enabled", "enabled-runtime", "static", "alias", "generated"}


def units_of(stack: Stack, host: str) -> tuple[str, ...]:
    """Give the services that must run on *host*."""
    topology = stack.topology
    paths = {artefact.path for artefact in stack.bundle.of(host)}
    roles = ((_BROKER, topology.brokers), (_BALANCER, topology.load_balancers), (_VRRP, topology.vrrp_hosts))
    wanted = [unit for unit, hosts in roles if host in hosts]
    if RSYSLOG in paths:
        wanted.append("rsyslog")
    return tuple(wanted)


def look(host: Host, units: Sequence[str]) -> dict[str, Unit]:
    """Give each of *units* as systemd of *host* has it."""
    properties = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,Result"
    if not units:
        return {}
    said = host.check("systemctl", "show", properties, *(f"{unit}.service" for unit in units))
    found = {}
    for unit, block in zip(units, said.strip().split("\n\n"), strict=True):
        facts = dict(line.partition("=")[::2] for line in block.splitlines())
        found[unit] = Unit(
            unit,
            facts.get("LoadState", ""),
            facts.get("ActiveState", ""),
            facts.get("SubState", ""),
            facts.get("UnitFileState", ""),
            facts.get("Result", ""),
        )
    return found


def of_host(stack: Stack, host: str) -> Iterator[Finding]:
    """Give the services of *host* that do not run or are not enabled, and why."""
    for unit in look(stack.hosts[host], units_of(stack, host)).values():
        yield from of_unit(stack, host, unit)


def of_unit(stack: Stack, host: str, unit: Unit) -> Iterator[Finding]:
    """Give what is wrong with one service."""
    name, where = unit.name, f"{host}: {unit.name}"
    if unit.load == "masked":
        mend = f"systemctl unmask {name} && systemctl enable --now {name} on {host}"
        yield Finding("unit", where, "a masked unit, which nothing can start", "active and enabled", mend)
        return
    if unit.load != "loaded":
        found = f"no unit ({unit.load or 'not-found'}): its package is not installed"
        yield Finding("unit", where, found, "active and enabled", f"install {name} on {host}")
        return
    if not unit.runs:
        yield _down(stack, host, unit)
    if not unit.starts_at_boot:
        mend = f"systemctl enable {name} on {host}"
        yield Finding("unit", where, f"a unit that is {unit.file or 'not enabled'}", "started at every boot", mend)


def failed(host: Host) -> tuple[str, ...]:
    """Give the units of *host*, whatever they are, that systemd calls failed."""
    said = host.run("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--full").out
    return tuple(line.split()[0] for line in said.splitlines() if line.strip())


def _down(stack: Stack, host: str, unit: Unit) -> Finding:
    machine = stack.hosts[host]
    state = f"{unit.active} ({unit.sub}{f', {unit.result}' if unit.result not in {'success', ''} else ''})"
    mend = f"systemctl start {unit.name} on {host}"
    reason: Sequence[str] = ()
    if unit.name == _BROKER and (hung := _hangs(machine)):
        return Finding(
            "unit", f"{host}: {unit.name}", f"{state}; {HANG}:\n    {hung}", "active", f"systemctl re{mend[10:]}"
        )
    if unit.name == _BALANCER:
        reason = refused_by_haproxy(machine)
        if reason:
            mend = f"mend {HAPROXY_CFG} on {host} (its install.sh puts the generated one back), then {mend}"
    elif unit.name == _VRRP:
        reason = refused_by_keepalived(machine)
        if reason:
            mend = f"mend {KEEPALIVED_CONF} on {host} (its install.sh puts the generated one back), then {mend}"
    if not reason:
        reason, port = last_words(stack, host, unit.name)
        if port:
            mend = f"end what listens on port {port}, then {mend}"
    words = "".join(f"\n    {line}" for line in reason)
    return Finding("unit", f"{host}: {unit.name}", state + (f"; it says:{words}" if words else ""), "active", mend)


def refused_by_haproxy(host: Host) -> tuple[str, ...]:
    """Give what HAProxy has against its configuration: its own lines, with file and line; nothing if it takes it."""
    done = host.run("haproxy", "-c", "-f", HAPROXY_CFG)
    if not done.status:
        return ()
    lines = (done.err + done.out).splitlines()
    # 2.2 puts date, time and process before the text; newer ones the process alone.
    alerts = [
        re.sub(r"^\[ALERT\]\s*(?:[\d/]+\s*)?(?:\(\d+\))?\s*:\s*(?:config : )?", "", x) for x in lines if "[ALERT]" in x
    ]
    told = [line for line in alerts if not line.startswith(("Error(s) found", "Fatal errors found"))]
    return tuple((told or alerts or lines)[:_SHOWN])


def refused_by_keepalived(host: Host) -> tuple[str, ...]:
    """Give what keepalived has against its configuration: its own lines; nothing if it takes it."""
    done = host.run("keepalived", "-t", "-f", KEEPALIVED_CONF)
    said = [line.strip() for line in (done.out + done.err).splitlines() if line.strip()]
    # A design may leave script_security off, and is told so each time.
    told = [line for line in said if "script_security not enabled" not in line]
    # 2.1 ends with 0 whatever it finds, 2.2.7 by SIGTERM when all is well (acassen/keepalived#2617); 6 is that warning.
    if done.status in {0, 6, 15, 143} and not any(_REFUSED.search(line) for line in told):
        return ()
    return tuple(told[:_SHOWN])


def _hangs(host: Host) -> str:
    """Give the line by which a broker that does not finish its start says that it hangs; empty where it does not."""
    look = "tail -q -n 2000 /var/log/rabbitmq/rabbit*@*.log 2>/dev/null"
    look += " | grep -aE 'Starting RabbitMQ|Global hang' | tail -n 1"
    said = host.run("/bin/sh", "-c", look).out.strip()
    return said[:200] if "Global hang" in said else ""


def last_words(stack: Stack, host: str, unit: str) -> tuple[tuple[str, ...], str]:
    """Give the last lines of *unit* that tell of trouble, and a port that another process has, if it is that."""
    machine = stack.hosts[host]
    said = machine.run("journalctl", "--no-pager", "-o", "cat", "-b", "-n", str(_LAST_LINES), "-u", unit).out
    text = said.splitlines()
    if unit == _BROKER:
        text += machine.run("/bin/sh", "-c", "tail -q -n 80 /var/log/rabbitmq/rabbit*.log 2>/dev/null").out.splitlines()
    lines = [line.strip() for line in text if TROUBLE.search(line) and not NOISE.search(line)]
    shown = list(dict.fromkeys(line[:240] for line in lines))[-_SHOWN:]
    port = _taken_port(text)
    if port:
        holder = machine.run("/bin/sh", "-c", f"ss -Hltnp 'sport = :{shlex.quote(port)}'").out.strip()
        process = re.search(r'users:\(\("([^"]+)",pid=(\d+)', holder)
        by = f"process {process[1]} ({process[2]})" if process else "another process"
        shown.append(f"port {port} is taken by {by}")
    return tuple(shown), port


def _taken_port(lines: Sequence[str]) -> str:
    for line in reversed(lines):
        if re.search(r"(?i)address already in use|eaddrinuse|cannot bind socket", line):
            # The last one: before it may stand the line of the configuration that asks for it.
            found = re.findall(r"[\]:](\d{2,5})\]?\)?(?:\D|$)", line)
            if found:
                return str(found[-1])
    return ""
