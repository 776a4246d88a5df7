"""An Ansible inventory and playbook that install the whole design from the output tree."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from generators.bundle import Artefact
from generators.firewall import NFTABLES
from generators.header import header
from generators.identity import HOSTNAME, HOSTS, block_markers, names_of
from generators.install import packages_of
from generators.logs import RSYSLOG
from generators.quoting import Quoted, regex, verbatim, yaml
from generators.render import render
from generators.steps import discovery, steps_of
from generators.system import DROP_INS, SYSCTL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rmqha_model.topology import Topology

__all__ = ["FOLDER", "artefacts", "part_of"]

FOLDER = "ansible"


class Entry(NamedTuple):
    """A file as the playbook installs it."""

    path: str
    owner: str
    group: str
    mode: str
    part: str

    def written(self) -> str:
        """Give it in YAML; paths are of characters that need no quotes."""
        return (
            f"{{path: {self.path}, owner: {yaml(self.owner)}, group: {yaml(self.group)}, "
            f"mode: {yaml(self.mode)}, part: {self.part}}}"
        )


def artefacts(topology: Topology, installed: Iterable[Artefact]) -> Iterator[Artefact]:
    """Give the playbook, its settings, and the variables of each host; hosts with the same files share one text."""
    files: dict[str, list[Artefact]] = defaultdict(list)
    for artefact in installed:
        if artefact.host is not None and artefact.path.startswith("/"):
            files[artefact.host].append(artefact)
    scripts = dict.fromkeys(step for host in topology.brokers for step in steps_of(files[host]))
    begin, end = block_markers(topology)
    context = {
        "begin": Quoted(begin),
        "end": Quoted(end),
        "begin_regex": verbatim(regex(begin)),
        "end_regex": verbatim(regex(end)),
        "design": topology.name,
        "discovery": discovery(topology),
        "nft_rules": NFTABLES,
        "wait_s": topology.rabbitmq.formation.seed_timeout.whole_s,
        "joining": [step.path for step in scripts if not step.on_seed],
        "on_seed": [step.path for step in scripts if step.on_seed],
    }
    for name, what in (
        ("ansible.cfg", "Ansible: where this design's inventory is."),
        (
            "site.yml",
            "Ansible playbook: installs the design from the output tree around it, and changes it without an outage.",
        ),
        ("tasks/files.yml", "Ansible tasks: one part of a host's files, included by the plays of site.yml."),
        ("group_vars/all.yml", "Ansible variables: what may be changed with -e on the command line."),
    ):
        yield Artefact(None, f"{FOLDER}/{name}", render(f"ansible/{name}.j2", header=header(topology, what), **context))
    about = render("ansible/README.md.j2", header=header(topology, "How to run the playbook.", " "), **context)
    yield Artefact(None, f"{FOLDER}/README.md", about)
    yield Artefact(None, f"{FOLDER}/inventory.yml", _inventory(topology))
    yield from _host_variables(topology, files)


def part_of(path: str, mode: int = 0o644) -> str:
    """Give the part of a host's files that *path* belongs to: each takes effect in a way of its own."""
    exact = {
        HOSTS: "hosts",
        HOSTNAME: "hostname",
        SYSCTL: "kernel",
        RSYSLOG: "rsyslog",
        DROP_INS["haproxy"]: "units",
        DROP_INS["keepalived"]: "units",
        DROP_INS["rabbitmq-server"]: "rabbitmq",
    }
    if path in exact:
        return exact[path]
    for start, part in (
        ("/etc/nftables.d/", "nftables"),
        ("/etc/firewalld/", "firewalld"),
        ("/etc/haproxy/", "haproxy"),
        ("/etc/keepalived/", "keepalived"),
    ):
        if path.startswith(start):
            return part
    if path.startswith(("/etc/rabbitmq/", "/var/lib/rabbitmq/")) and not path.endswith(".json") and not mode & 0o111:
        return "rabbitmq"
    return "others"


def _inventory(topology: Topology) -> str:
    seed = topology.rabbitmq.seed
    groups = {
        "rmqha_seed": [seed],
        "rmqha_brokers": [seed, *(host for host in topology.brokers if host != seed)],
        "rmqha_load_balancers": topology.load_balancers,
        "rmqha_vrrp": topology.vrrp_hosts,
    }
    lines = [
        "---",
        header(topology, "Ansible inventory: every host, and what runs where.").rstrip("\n"),
        "all:",
        "  hosts:",
    ]
    lines += [f'    "{host}": {{ansible_host: "{topology.ip(host)}"}}' for host in topology.hosts]
    lines.append("  children:")
    for group, hosts in groups.items():
        lines.append(f"    {group}:")
        # Quoted: a host may be called 10, no or 1e3.
        lines += ["      hosts:", *(f'        "{host}":' for host in hosts)] if hosts else ["      hosts: {}"]
    return "\n".join(lines) + "\n"


def _host_variables(topology: Topology, files: dict[str, list[Artefact]]) -> Iterator[Artefact]:
    top = "---\n" + header(topology, "Ansible variables of one host: its packages and files.")
    made: dict[tuple[object, ...], str] = {}
    for host in topology.hosts:
        own = files[host]
        family = topology.os_of(host).family
        packages = packages_of(topology, host, own)
        entries = tuple((a.path, a.owner, a.group, a.mode, a.secret) for a in own)
        key = (family, packages, entries)
        if key not in made:
            made[key] = _variables(family, packages, own)
        names = "".join(
            (
                f"rmqha_address: {yaml(topology.ip(host))}\n",
                f"rmqha_hostname: {yaml(topology.short_name(host))}\n",
                f"rmqha_names: {yaml(names_of(topology, host))}\n",
                f"rmqha_node: {yaml(topology.node_name(host))}\n" if host in topology.rabbitmq.nodes else "",
            )
        )
        yield Artefact(None, f"{FOLDER}/host_vars/{host}.yml", f"{top}{names}{made[key]}")


def _variables(family: str, packages: Sequence[str], files: Sequence[Artefact]) -> str:
    plain, secret = ([_entry(a) for a in files if a.secret == hidden] for hidden in (False, True))
    parts = {entry.part for entry in plain}
    preferred = ("nftables", "firewalld") if family == "debian" else ("firewalld", "nftables")
    firewall = next((kind for kind in preferred if kind in parts), "none")
    folders = sorted({str(PurePosixPath(e.path).parent) for e in plain if e.path.endswith("/rmqha.conf")})
    lines = [f"rmqha_family: {family}", f"rmqha_firewall: {firewall}", f"rmqha_packages: {yaml(packages)}"]
    for name, entries in (("rmqha_files", plain), ("rmqha_secret_files", secret)):
        lines += [f"{name}:", *(f"  - {entry.written()}" for entry in entries)] if entries else [f"{name}: []"]
    drop_ins = [folder for folder in folders if folder.startswith("/etc/systemd/")]
    lines.append(f"rmqha_drop_in_folders: {yaml(drop_ins)}")
    return "\n".join(lines) + "\n"


def _entry(artefact: Artefact) -> Entry:
    part = part_of(artefact.path, artefact.mode)
    return Entry(artefact.path, artefact.owner, artefact.group, f"{artefact.mode:04o}", part)
