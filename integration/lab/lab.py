"""A lab that is up, as an object: its hosts, its network, and the place of its clients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from generators.bundle import Artefact, Bundle
from integration.errors import LabError
from integration.lab.confidential import secrets_of
from integration.lab.machine import Machine
from integration.lab.network import CLIENTS, Network
from integration.lab.record import Record
from integration.lab.roots import Root
from rmqha_model.errors import did_you_mean
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from rmqha_model.secrets import Secrets

__all__ = ["Lab", "find"]

SECRETS = "secrets.yaml"
_DESIGN = "design.json"


class Lab:
    """A lab; it satisfies :class:`integration.host.Stack`."""

    def __init__(self, record: Record, topology: Topology, bundle: Bundle, secrets: Secrets, root: Root) -> None:
        self.name = record.name
        self.record = record
        self.root = root
        self.network = Network(record.name, topology, record)
        self._topology = topology
        self._bundle = bundle
        self._secrets = secrets
        self._hosts = {
            host: Machine(
                host,
                lower=root.path,
                network=self.network,
                record=record,
            )
            for host in topology.hosts
        }

    @property
    def release(self) -> str:
        """Debian's name for what the hosts are."""
        return self.root.release

    @property
    def topology(self) -> Topology:
        """The design as it was installed: with the releases that the hosts really have."""
        return self._topology

    @property
    def bundle(self) -> Bundle:
        """The files that were installed."""
        return self._bundle

    @property
    def secrets(self) -> Secrets:
        """The passwords of the design."""
        return self._secrets

    @property
    def journal(self) -> Path:
        """A file, private to root, in which is kept what is to be undone if this program ends before it does."""
        return self.record.folder / "faults.jsonl"

    @property
    def hosts(self) -> Mapping[str, Machine]:
        """The hosts by their names in the design."""
        return self._hosts

    def host(self, name: str) -> Machine:
        """Give one host.

        Raises:
            LabError: the design has none of this name.
        """
        if name not in self._hosts:
            hint = did_you_mean(name, list(self._hosts))
            raise LabError(f"host: found {name!r}; allowed: {', '.join(self._hosts)}{f'; {hint}' if hint else ''}")
        return self._hosts[name]

    # -- places ---------------------------------------------------------------------------------

    def client_command(self, *command: str) -> list[str]:
        """Give the command line that runs *command* where the design's clients are."""
        return self._in_namespace(CLIENTS, command)

    def host_command(self, host: str, *command: str) -> list[str]:
        """Give the command line that runs *command*, a program of this machine, with the network of *host*."""
        self.host(host)
        return self._in_namespace(host, command)

    def _in_namespace(self, host: str, command: Sequence[str]) -> list[str]:
        # nsenter becomes the command, so that whoever ends the one ends the other.
        return ["nsenter", f"--net=/run/netns/{self.network.namespace(host)}", "--", *command]

    def path_of(self, host: str, path: str) -> str:
        """Give the place where this machine sees the file *path* of *host*, which must be running."""
        return self.host(host).path(path)

    # -- power and cables -----------------------------------------------------------------------

    def power_off(self, hosts: Iterable[str]) -> None:
        """Cut the power of *hosts*, all in the same instant as nearly as can be: nothing is flushed, nobody is told."""
        machines = [self.host(host) for host in hosts]
        # Cables first: the kernel that closes a killed host's connections must not tell their other ends.
        self.network.links((machine.name for machine in machines), up=False)
        for machine in machines:
            machine.power_off()
        for machine in machines:
            machine.wait_off()

    def power_on(self, hosts: Iterable[str]) -> None:
        """Give *hosts* their power back; returns when they boot, not when they have booted."""
        machines = [self.host(host) for host in hosts]
        for machine in machines:
            if machine.running:
                raise LabError(f"{machine.name}: has power already")
        for machine in machines:
            machine.wait_off()
            # The kernel of a host that was off remembers no address, rule or connection.
            self.network.unplug(machine.name)
            self.network.plug_in(machine.name)
            if machine.name in self._without_cable():
                self.network.links([machine.name], up=False)
            machine.start()

    def link(self, host: str, *, up: bool) -> None:
        """Take the cable out of the interface of *host*, or put it back; the host sees its carrier change."""
        self.record.note("cable", host=host, up=up)
        self.network.links([host], up=up)

    def _without_cable(self) -> set[str]:
        last = {entry["host"]: entry["up"] for entry in self.record.noted("cable")}
        return {host for host, up in last.items() if not up}

    def cut(self, source: Sequence[str], target: Sequence[str]) -> AbstractContextManager[None]:
        """Drop, while entered, every packet from hosts of *source* to hosts of *target*; nobody is told."""
        return self.network.cut(source, target)

    def heal(self) -> None:
        """Let every packet pass and put every cable back, whatever an earlier program cut and could not undo."""
        self.network.heal()
        self.network.links((host for host, machine in self._hosts.items() if machine.running), up=True)

    def lose(self, host: str, share: float) -> AbstractContextManager[None]:
        """Drop, while entered, a random *share* (0 to 1) of the packets to and from *host*."""
        return self.network.lose(host, share)

    # -- keeping --------------------------------------------------------------------------------

    def save(self) -> None:
        """Write down what :func:`find` needs to know."""
        from integration.lab.adapt import document_of

        names = ("host", "path", "content", "mode", "owner", "group", "secret")
        kept = {
            "release": self.release,
            "root": str(self.root.path),
            "topology": document_of(self._topology),
            "digest": self._bundle.model_digest,
            "artefacts": [[getattr(artefact, name) for name in names] for artefact in self._bundle.artefacts],
        }
        path = self.record.folder / _DESIGN
        path.touch(mode=0o600)
        path.write_text(json.dumps(kept), encoding="utf-8")


def find(name: str) -> Lab:
    """Give the lab *name*, which is up.

    Raises:
        LabError: there is none, or what there is cannot be used.
    """
    record = Record(name)
    path = record.folder / _DESIGN
    if not record.exists:
        from integration.lab.sweep import names

        known = names()
        hint = f"; allowed: {', '.join(known)}" if known else ": `rmqha lab up TOPOLOGY` makes one"
        raise LabError(f"lab: found no {name!r}{hint}")
    if not path.is_file() or not record.of_this_boot:
        why = "was never finished" if record.of_this_boot else "is of before this machine's last boot"
        raise LabError(f"lab {name}: {why}; `rmqha lab down {name}` removes it")
    kept = json.loads(path.read_text(encoding="utf-8"))
    topology = Topology.model_validate(kept["topology"])
    bundle = Bundle(topology.name, kept["digest"], tuple(Artefact(*row) for row in kept["artefacts"]))
    secrets, _ = secrets_of(topology, record.folder / SECRETS)
    return Lab(record, topology, bundle, secrets, Root(kept["release"], Path(kept["root"])))
