"""Who is who: the block of /etc/hosts that all hosts share, and each host's own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generators.bundle import Artefact
from generators.header import header
from generators.quoting import Quoted, hosts
from generators.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["HOSTNAME", "HOSTS", "artefacts", "block_markers", "names_of"]

HOSTS = "/etc/hosts"
HOSTNAME = "/etc/hostname"


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:  # noqa: ARG001 - every part is called alike
    """Give /etc/hosts, one text for all, and /etc/hostname of every host."""
    begin, end = block_markers(topology)
    text = render(
        "hosts.j2",
        header=header(
            topology, "Names and addresses of the design, so that no failure of a name service is one of the stack."
        ),
        begin=Quoted(begin),
        end=Quoted(end),
        lines=[
            Quoted(" ".join((hosts(topology.ip(host)), *map(hosts, names_of(topology, host)))))
            for host in topology.hosts
        ],
    )
    for host in topology.hosts:
        yield Artefact(host, HOSTS, text)
        yield Artefact(host, HOSTNAME, f"{topology.short_name(host)}\n")


def names_of(topology: Topology, host: str) -> tuple[str, ...]:
    """Give every name of *host*, the full one first: it is what the resolver calls canonical."""
    return tuple(dict.fromkeys((topology.full_name(host), host, topology.short_name(host))))


def block_markers(topology: Topology) -> tuple[str, str]:
    """Give the lines around the block, by which it is found again in a file that holds other things too."""
    return f"# BEGIN rmqha {topology.name}", f"# END rmqha {topology.name}"
