"""Whether each virtual address is on exactly one host, on the right one, and what keepalived judges its host by."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from integration.diagnose import units
from integration.diagnose.asking import each
from integration.diagnose.finding import Finding
from rmqha_model.keepalived import CommandScript
from rmqha_model.timers import vrrp

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.keepalived import TrackScript

__all__ = ["of_config", "of_owners", "of_scripts", "owner_wanted", "owners", "run_script"]


def owners(stack: Stack) -> dict[str, tuple[str, ...]]:
    """Give the hosts that have each virtual address on an interface."""
    hosts = [host for host in stack.topology.vrrp_hosts if stack.hosts[host].running]
    said = each(lambda host: stack.hosts[host].run("ip", "-j", "address", "show").out, hosts)
    held = {host: _addresses(text) for host, text in zip(hosts, said, strict=True)}
    return {ip: tuple(host for host in hosts if ip in held[host]) for ip in stack.topology.virtual_ips}


def _addresses(text: str) -> set[str]:
    links = json.loads(text or "[]")
    return {address["local"] for link in links for address in link.get("addr_info", ()) if "local" in address}


def owner_wanted(stack: Stack, instance: str) -> str | None:
    """Give the host that must own the addresses of *instance*; nothing where whoever has them keeps them."""
    keepalived = stack.topology.keepalived
    assert keepalived is not None
    return vrrp.preferred(stack.topology, instance) if keepalived.instances[instance].preempt else None


def of_owners(stack: Stack) -> Iterator[Finding]:
    """Give the virtual addresses that are on no host, on several, or on another than the priorities say."""
    keepalived = stack.topology.keepalived
    if keepalived is None:
        return
    held = owners(stack)
    for name, instance in keepalived.instances.items():
        wanted = owner_wanted(stack, name)
        for ip in instance.ips:
            where, on = f"virtual address {ip}", held[ip]
            if not on:
                yield Finding(
                    "address", where, f"no host that has it{_why_none(stack, name)}", "one host", _start(stack)
                )
            elif len(on) > 1:
                yield _shared(stack, where, on, name)
            elif wanted and on != (wanted,):
                found = f"it on {on[0]}"
                todo = f"look at keepalived on {wanted}: with preempt it takes the address back by itself"
                yield Finding("address", where, found, f"it on {wanted}, whose priority is higher", todo)


def _start(stack: Stack) -> str:
    return f"journalctl -u keepalived on {' and '.join(stack.topology.vrrp_hosts)}; systemctl start keepalived there"


def _why_none(stack: Stack, instance: str) -> str:
    """Give what keepalived of each member said last about *instance*."""
    told = []
    for host in stack.topology.vrrp_hosts:
        if not stack.hosts[host].running:
            told.append(f"{host} has no power")
            continue
        unit = units.look(stack.hosts[host], ["keepalived"])["keepalived"]
        if not unit.runs:
            told.append(f"keepalived on {host} is {unit.active}")
            continue
        said = stack.hosts[host].run("journalctl", "--no-pager", "-o", "cat", "-b", "-n", "200", "-u", "keepalived").out
        lines = [
            x for x in said.splitlines() if re.search(rf"\({re.escape(instance)}\)|VRRP_Script|Script `|SECURITY", x)
        ]
        if lines:
            told.append(f"keepalived on {host}: {lines[-1].strip()[:160]}")
    return "".join(f"\n    {line}" for line in told)


def _shared(stack: Stack, where: str, on: tuple[str, ...], instance: str) -> Finding:
    dead = [host for host in on if not units.look(stack.hosts[host], ["keepalived"])["keepalived"].runs]
    if dead:
        why = f": keepalived on {', '.join(dead)} is dead and left the address behind"
        todo = f"systemctl start keepalived on {', '.join(dead)}: it clears the address as it starts"
    else:
        settings = stack.topology.keepalived.instances[instance] if stack.topology.keepalived else None
        way = "unicast adverts" if settings and settings.unicast else "adverts to 224.0.0.18"
        why = f": both send adverts, and do not hear or do not accept each other's ({way}, protocol 112)"
        todo = "let the adverts pass, and install the same design on both: router id, interval and password must agree"
    return Finding("address", where, f"it on {' and '.join(on)}{why}", "it on exactly one host", todo)


def of_config(stack: Stack, host: str) -> Iterator[Finding]:
    """Give what keepalived of *host* has against its configuration, and the scripts it refuses to run."""
    reason = units.refused_by_keepalived(stack.hosts[host])
    if reason:
        words = "".join(f"\n    {line}" for line in reason)
        mend = f"put the design's keepalived.conf and scripts on {host} right with its install.sh"
        found = f"a configuration that keepalived refuses; it says:{words}"
        yield Finding("address", f"{host}: keepalived", found, "one that it takes", mend)


def run_script(stack: Stack, host: str, script: TrackScript) -> tuple[int, str]:
    """Run a check script on *host* as keepalived does, and give its exit status and what it said."""
    assert stack.topology.keepalived is not None
    words = (script.path, *script.arguments) if isinstance(script, CommandScript) else (script.path,)
    user = (script.user or stack.topology.keepalived.global_.script_user or "root").split()[0]
    command = shlex.join(words)
    as_user = ("/bin/sh", "-c", command) if user == "root" else ("runuser", "-u", user, "--", "/bin/sh", "-c", command)
    done = stack.hosts[host].run(*as_user, timeout_s=30)
    return done.status, (done.err.strip() or done.out.strip())


def of_scripts(stack: Stack, host: str) -> Iterator[Finding]:
    """Give the check scripts that fail on *host*."""
    keepalived = stack.topology.keepalived
    for name, script in (keepalived.scripts if keepalived else {}).items():
        status, said = run_script(stack, host, script)
        if status:
            found = f"exit status {status}{f': {said[-200:]}' if said else ''}"
            todo = (
                f"run {script.path} on {host} by hand, and look at HAProxy there: a failing script gives up the address"
            )
            yield Finding("check", f"{host}: check script {name}", found, "exit status 0", todo)
