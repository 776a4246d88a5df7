"""``install.sh``: what puts the files of one host in their places and makes them take effect, on that host."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from generators.bundle import Artefact
from generators.firewall import NFTABLES
from generators.header import header
from generators.identity import block_markers
from generators.logs import RSYSLOG
from generators.quoting import Quoted, shell
from generators.render import render
from generators.steps import discovery, next_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rmqha_model.topology import Topology

__all__ = ["INSTALL", "artefacts", "packages_of", "scripts"]

INSTALL = "install.sh"

_SETTINGS = "__settings__"


def artefacts(topology: Topology, installed: Iterable[Artefact]) -> Iterator[Artefact]:
    """Give ``install.sh`` of every host, which lies beside the host's files and is not installed itself."""
    for host, text in scripts(topology, installed).items():
        yield Artefact(host, INSTALL, text, 0o755)


def scripts(topology: Topology, installed: Iterable[Artefact]) -> dict[str, str]:
    """Give the installer of every host: one text for all, with a part of its own for each."""
    files: dict[str, list[Artefact]] = defaultdict(list)
    for artefact in installed:
        if artefact.host is not None and artefact.path.startswith("/"):
            files[artefact.host].append(artefact)
    what = "Puts the files of one host in their places and makes them take effect."
    text = render("install.sh.j2", header=header(topology, what), settings=_SETTINGS)
    before, _, after = text.partition(_SETTINGS)
    return {host: f"{before}{_settings(topology, host, files[host])}{after}" for host in topology.hosts}


def packages_of(topology: Topology, host: str, files: Iterable[Artefact]) -> tuple[str, ...]:
    """Give the packages that *host* needs; they have the same names in both families, but for procps."""
    paths = {artefact.path for artefact in files}
    wanted = ["procps" if topology.os_of(host).family == "debian" else "procps-ng"]
    if host in topology.rabbitmq.nodes:
        wanted.append("rabbitmq-server")
    if host in topology.load_balancers:
        wanted.append("haproxy")
    if RSYSLOG in paths:
        wanted += ["rsyslog", "logrotate"]
    if topology.keepalived and host in topology.keepalived.hosts:
        wanted.append("keepalived")
    if topology.haproxy and host in topology.load_balancers and topology.haproxy.global_.stats_socket:
        # For the check script, and for people: the runbook asks the runtime API.
        wanted.append("socat")
    return tuple(wanted)


def _settings(topology: Topology, host: str, files: Sequence[Artefact]) -> str:
    rabbitmq = topology.rabbitmq
    begin, end = block_markers(topology)
    roles = [
        role
        for role, hosts in (
            ("broker", rabbitmq.nodes),
            ("balancer", topology.load_balancers),
            ("vrrp", topology.vrrp_hosts),
        )
        if host in hosts
    ]
    lines = [
        f"readonly HOST={shell(host)} ADDRESS={shell(topology.ip(host))} FAMILY={topology.os_of(host).family}",
        f"readonly NODE={shell(topology.node_name(host))} SEED_NODE={shell(topology.node_name(rabbitmq.seed))}",
        f"readonly SEED_WAIT={rabbitmq.formation.seed_timeout.whole_s} DISCOVERY={discovery(topology)}",
        f"readonly BLOCK_BEGIN={shell(begin)} BLOCK_END={shell(end)} NFT_RULES={shell(NFTABLES)}",
        f"readonly ROLES=({' '.join(roles)})",
        f"readonly PACKAGES=({' '.join(packages_of(topology, host, files))})",
        "# owner group mode path",
        "FILES=(",
        *(f"    {shell(f'{a.owner} {a.group} {a.mode:04o} {a.path}')}" for a in files),
        ")",
        "readonly NEXT=(",
        *(f"    {shell(step)}" for step in next_steps(topology, host, files)),
        ")",
    ]
    return Quoted("\n".join(lines))
