"""Certificates for designs with TLS: an authority that goes with the lab, and one certificate for each host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from integration.lab.shell import run
from rmqha_model.haproxy import AmqpsListener

if TYPE_CHECKING:
    from integration.lab.lab import Lab
    from rmqha_model.topology import Topology

__all__ = ["certify", "wanted"]

_DAYS = 30
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Wanted(NamedTuple):
    """A file of TLS on a host: what is in it, in this order, and the group that reads it."""

    host: str
    path: str
    parts: tuple[str, ...]
    group: str


def wanted(topology: Topology) -> tuple[Wanted, ...]:
    """Give the files of TLS that *topology* names."""
    parts: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for host, path, part, group in _named(topology):
        if part not in parts[host, path, group]:
            parts[host, path, group].append(part)
    return tuple(Wanted(host, path, tuple(them), group) for (host, path, group), them in parts.items())


def _named(topology: Topology) -> Iterator[tuple[str, str, str, str]]:
    tls = topology.rabbitmq.tls
    for host in topology.brokers:
        for each in (tls.clients, tls.management, tls.inter_node):
            if each:
                yield host, each.certificate, "certificate", "rabbitmq"
                yield host, each.key, "key", "rabbitmq"
                yield host, each.ca, "ca", "rabbitmq"
    for listener in topology.haproxy.listeners.values() if topology.haproxy else ():
        if isinstance(listener, AmqpsListener) and listener.certificate:
            for host in topology.load_balancers:
                # HAProxy reads it as root, before it becomes somebody else.
                yield host, listener.certificate, "certificate", "root"
                yield host, listener.certificate, "key", "root"


def certify(lab: Lab) -> tuple[str, ...]:
    """Put the files of TLS in their places, before the hosts are switched on for the first time; say which."""
    files = wanted(lab.topology)
    if not files:
        return ()
    folder = lab.record.folder / "certificates"
    folder.mkdir(mode=0o700)
    authority = [*_CURVE, "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem", "-subj", "/CN=authority of a lab"]
    run(["openssl", "req", "-x509", "-days", str(_DAYS), *authority])
    for host in dict.fromkeys(file.host for file in files):
        _issue(lab.topology, host, folder)
    groups = _groups(lab.root.path)
    for file in files:
        sources = {"ca": "ca.pem", "certificate": f"{file.host}.pem", "key": f"{file.host}.key"}
        text = "".join((folder / sources[part]).read_text(encoding="ascii") for part in file.parts)
        lab.hosts[file.host].layer.put(file.path, text, mode=0o640, group=groups.get(file.group, 0))
    return (f"a throw-away authority has issued {', '.join(dict.fromkeys(file.path for file in files))}",)


def _issue(topology: Topology, host: str, folder: Path) -> None:
    names = dict.fromkeys((topology.full_name(host), topology.short_name(host), host))
    own = (a.ip for a in (topology.hosts[host].address, *topology.hosts[host].addresses))
    alternatives = [f"DNS:{name}" for name in names] + [f"IP:{ip}" for ip in (*own, *topology.virtual_ips)]
    extensions = folder / f"{host}.ext"
    extensions.write_text(
        f"subjectAltName={','.join(alternatives)}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n",
        encoding="ascii",
    )
    request, key = f"{folder}/{host}.csr", f"{folder}/{host}.key"
    # RFC 5280 has room for 64 characters in a common name; who is asked for stands in the alternatives.
    run(["openssl", "req", "-new", *_CURVE, "-keyout", key, "-out", request, "-subj", f"/CN={host[:64]}"])
    signed = ["-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", str(_DAYS)]
    run(
        [
            "openssl",
            "x509",
            "-req",
            "-in",
            request,
            *signed,
            "-extfile",
            str(extensions),
            "-out",
            f"{folder}/{host}.pem",
        ]
    )


def _groups(root: Path) -> dict[str, int]:
    lines = (root / "etc/group").read_text(encoding="utf-8").splitlines()
    return {fields[0]: int(fields[2]) for line in lines if len(fields := line.split(":")) >= 3}
