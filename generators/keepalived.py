"""keepalived.conf and the script it judges HAProxy by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators import quoting
from generators.bundle import Artefact
from generators.header import header
from generators.render import render
from rmqha_model.keepalived import CommandScript, ObserveScript, SelfHealingScript

if TYPE_CHECKING:
    from rmqha_model.keepalived import Keepalived, TrackProcess, TrackScript, VirtualAddress
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology
    from rmqha_model.units import Duration

__all__ = ["PATH", "artefacts"]

PATH = "/etc/keepalived/keepalived.conf"


@dataclass(frozen=True, slots=True)
class Block:
    """A block in braces: its title, its lines, and the blocks inside it."""

    title: str
    lines: tuple[str, ...]
    blocks: tuple[Block, ...] = ()

    def printed(self, indent: str = "") -> Iterator[str]:
        """Give the block line by line."""
        yield f"{indent}{self.title} {{"
        yield from (f"{indent}    {line}" for line in self.lines)
        for block in self.blocks:
            yield from block.printed(indent + "    ")
        yield f"{indent}}}"


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:
    """Give keepalived.conf and the check scripts of every host that owns virtual addresses."""
    keepalived = topology.keepalived
    if keepalived is None:
        return
    secret = any(instance.authentication for instance in keepalived.instances.values())
    scripts = {script.path: _script(topology, script) for script in keepalived.scripts.values()}
    shared = [_track_script(name, script) for name, script in keepalived.scripts.items()]
    shared += [_track_process(name, process) for name, process in keepalived.processes.items()]
    for host in topology.vrrp_hosts:
        names = [name for name in keepalived.instances if host in keepalived.members(name)]
        blocks = [_global(keepalived, host), *shared, *(_instance(topology, secrets, host, name) for name in names)]
        what = "Keepalived: owns the virtual addresses while this host is the best one alive."
        content = render("keepalived.conf.j2", header=header(topology, what), blocks=blocks)
        yield Artefact(host, PATH, content, 0o600 if secret else 0o644, secret=secret)
        for path, text in scripts.items():
            if text is not None:
                yield Artefact(host, path, text, 0o755)


def _seconds(duration: Duration) -> str:
    """Write a time in seconds, with as many decimals as it needs."""
    return f"{duration.ms / 1000:.2f}".rstrip("0").rstrip(".")


def _global(keepalived: Keepalived, host: str) -> Block:
    settings = keepalived.global_
    lines = [f"router_id {settings.router_ids.get(host, host)}"]
    lines += ["enable_script_security"] if settings.script_security else []
    lines += [f"script_user {settings.script_user}"] if settings.script_user else []
    lines += [f"vrrp_version {settings.version}"] if settings.version else []
    lines += [f"vrrp_startup_delay {settings.startup_delay.whole_s}"] if settings.startup_delay else []
    return Block("global_defs", (*lines, *settings.extra))


def _track_script(name: str, script: TrackScript) -> Block:
    words = (script.path, *script.arguments) if isinstance(script, CommandScript) else (script.path,)
    lines = [f"script {quoting.keepalived_command(words)}", f"interval {script.interval.whole_s}"]
    lines += [f"timeout {script.timeout.whole_s}"] if script.timeout else []
    lines += _optional(script, "weight", "rise", "fall", "user")
    lines += ["init_fail"] if script.init_fail else []
    return Block(f"vrrp_script {name}", tuple(lines))


def _track_process(name: str, process: TrackProcess) -> Block:
    lines = [f"process {process.process}", *_optional(process, "weight", "quorum", "delay")]
    return Block(f"vrrp_track_process {name}", tuple(lines))


def _optional(part: object, *names: str) -> list[str]:
    return [f"{name} {value}" for name in names if (value := getattr(part, name)) is not None]


def _instance(topology: Topology, secrets: Secrets, host: str, name: str) -> Block:
    keepalived = topology.keepalived
    assert keepalived is not None
    instance = keepalived.instances[name]
    members = keepalived.members(name)
    own = members[host]
    lines = [
        f"state {own.state}",
        f"interface {own.interface or topology.hosts[host].interface}",
        f"virtual_router_id {instance.virtual_router_id}",
        f"priority {own.priority}",
        *([f"version {instance.version}"] if instance.version else []),
        f"advert_int {_seconds(instance.advert_int)}",
        *_optional(instance, "down_timer_adverts"),
    ]
    if not instance.preempt:
        lines.append("nopreempt")
    elif instance.preempt_delay:
        lines.append(f"preempt_delay {instance.preempt_delay.whole_s}")
    blocks: list[Block] = []
    if instance.unicast:
        if instance.unicast_source == "host":
            lines.append(f"unicast_src_ip {topology.ip(host)}")
        blocks.append(Block("unicast_peer", tuple(topology.ip(other) for other in members if other != host)))
    if instance.authentication:
        password = quoting.keepalived(secrets[instance.authentication.password])
        blocks.append(Block("authentication", (f"auth_type {instance.authentication.type}", f"auth_pass {password}")))
    lines += [f"{keyword} {value}" for keyword, value in instance.garp.lines()]
    lines += [f"{keyword} {quoting.keepalived_command(path)}" for keyword, path in instance.notify.lines()]
    blocks += _tracked("track_script", keepalived.scripts if instance.track_scripts is None else instance.track_scripts)
    blocks += _tracked(
        "track_process", keepalived.processes if instance.track_processes is None else instance.track_processes
    )
    blocks += _tracked(
        "track_interface",
        (
            other.interface + (f" weight {other.weight}" if other.weight is not None else "")
            for other in instance.track_interfaces
        ),
    )
    blocks += _tracked("virtual_ipaddress", map(_virtual, instance.virtual_addresses))
    return Block(f"vrrp_instance {name}", (*lines, *instance.extra), tuple(blocks))


def _tracked(title: str, lines: Iterable[str]) -> list[Block]:
    block = Block(title, tuple(lines))
    return [block] if block.lines else []


def _virtual(virtual: VirtualAddress) -> str:
    # Without a length keepalived takes the whole address (/32, /128): written as people write it.
    whole = virtual.address.network.prefixlen == virtual.address.max_prefixlen
    words = [str(virtual.address.ip if whole else virtual.address)]
    words += [f"dev {virtual.interface}"] if virtual.interface else []
    words += [f"label {virtual.label}"] if virtual.label else []
    return " ".join(words)


def _script(topology: Topology, script: TrackScript) -> str | None:
    what = "Tells keepalived whether the HAProxy of this host serves."
    if isinstance(script, ObserveScript):
        assert topology.haproxy is not None
        limit = script.timeout or script.interval
        return render(
            "check_haproxy.sh.j2",
            header=header(topology, what),
            socket=topology.haproxy.global_.stats_socket,
            # Half of what keepalived allows, so that the script says why before it is killed.
            limit_s=_seconds_half(limit),
        )
    if isinstance(script, SelfHealingScript):
        return render(
            "haproxy_check.sh.j2",
            header=header(topology, what),
            config="/etc/haproxy/haproxy.cfg",
            wait_s=_seconds(script.wait),
        )
    return None


def _seconds_half(duration: Duration) -> str:
    return f"{max(duration.ms / 2000, 0.5):.1f}"
