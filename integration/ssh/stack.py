"""The hosts that a user already has, reached by ssh, as a stack: the suite asks them what it asks a lab's machines."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from integration.errors import LabError, NotPossible
from integration.lab.places import private
from integration.ssh import relay, rules
from integration.ssh.connection import Connection
from integration.ssh.host import SshHost
from integration.ssh.switch import Switch
from integration.ssh.together import on_all, tried_on_all
from integration.ssh.undo import NO_CABLE, NO_POWER, scripts
from rmqha_model.errors import did_you_mean
from rmqha_model.faults import CLIENTS

if TYPE_CHECKING:
    from generators.bundle import Bundle
    from integration.faults.steps import Step
    from integration.ssh.inventory import Inventory, Way
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["SshStack"]

_HEAL = """\
command -v nft >/dev/null || exit 0
nft list tables inet | while read -r _ _ table; do
  case "$table" in "$1"*) nft delete table inet "$table";; esac
done
"""


class SshStack:
    """Hosts that are reached by ssh; it satisfies :class:`integration.host.Stack`.

    What only asks works always. Faults are refused unless they are *allowed*; those that are left to ssh alone are each
    undone by the host itself when it hears nothing from here for :data:`integration.ssh.switch.LEASE_S`.
    """

    def __init__(  # noqa: PLR0913 - each is a part of what it is
        self,
        topology: Topology,
        bundle: Bundle,
        secrets_: Secrets,
        inventory: Inventory,
        ways: Mapping[str, Way],
        *,
        allowed: bool = False,
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.topology = topology
        self.bundle = bundle
        self.secrets = secrets_
        self.faults_allowed = allowed
        self._inventory = inventory
        self._on_note = on_note
        # The path of a socket has 107 bytes at most (sun_path, unix(7)), of which ssh takes 17 while it makes one.
        self._sockets = tempfile.TemporaryDirectory(prefix="rmqha-ssh-", ignore_cleanup_errors=True)
        folder = Path(self._sockets.name)
        self.hosts: dict[str, SshHost] = {
            name: SshHost(name, Connection(way, folder / str(number)))
            for number, (name, way) in enumerate(ways.items())
        }
        self._insured: dict[int, Switch] = {}

    # -- coming and going -----------------------------------------------------------------------

    def connect(self) -> Self:
        """Log in to all hosts at the same time, and see that commands run as root.

        Raises:
            LabError: with some it is not so; the text tells of all of them.
        """
        _, errors = tried_on_all(SshHost.require_root, self.hosts.values())
        if errors:
            self.close()
            raise LabError("\n".join(map(str, errors)))
        return self

    def close(self) -> None:
        """End the connections; a fault that is not undone yet is by its timers, in a while."""
        for switch in self._insured.values():
            switch.leave()
        tried_on_all(Connection.close, [host.connection for host in self.hosts.values()])
        self._sockets.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def host(self, name: str) -> SshHost:
        """Give one host.

        Raises:
            LabError: the design has none of this name.
        """
        if name not in self.hosts:
            hint = did_you_mean(name, list(self.hosts))
            raise LabError(f"host: found {name!r}; allowed: {', '.join(self.hosts)}{f'; {hint}' if hint else ''}")
        return self.hosts[name]

    @property
    def journal(self) -> Path:
        """A file, private to its user, in which is kept what is to be undone if this program ends before it does."""
        state = Path(os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser())
        ways = "\n".join(sorted(str(host.connection.way) for host in self.hosts.values()))
        mark = hashlib.sha256(ways.encode()).hexdigest()[:12]
        return private(state / "rmqha") / f"ssh-{self.topology.name}-{mark}.faults"

    # -- places ---------------------------------------------------------------------------------

    def client_command(self, *command: str) -> list[str]:
        """Give the command line that runs *command* where clients are: on this machine, with its own network."""
        return list(command)

    def host_command(self, host: str, *command: str) -> list[str]:
        """Refuse: a program of this machine cannot have the network of another."""
        raise NotPossible(
            f"{host}: reached by ssh: {command[0]} of this machine cannot run with the network of another"
        )

    def relayed(self, host: str, endpoint: tuple[str, int]) -> contextlib.AbstractContextManager[tuple[str, int]]:
        """Give, while entered, an endpoint of this machine that leads to *endpoint* as *host* itself reaches it.

        Raises:
            NotReached: the host gets no connection.
        """
        return relay.relayed(self.host(host), endpoint)

    def observer_command(self, host: str) -> list[str]:
        """Give the command line of the observer of *host*, which looks at it by ssh."""
        connection = self.host(host).connection
        how = "sudo" if connection.way.sudo else "plain"
        return [sys.executable, "-m", "integration.ssh.observe", how, *connection.line("")[:-1]]

    def behind_s(self, host: str) -> float:
        """Give by how much this machine's CLOCK_MONOTONIC is behind the wall clock of *host*."""
        before = time.monotonic()
        told = float(self.host(host).check("date", "+%s.%N"))
        return told - (before + time.monotonic()) / 2

    def path_of(self, host: str, path: str) -> str:
        """Refuse: this machine does not see the files of another."""
        raise NotPossible(f"{host}: reached by ssh: {path} is not seen from this machine")

    # -- power and cables -----------------------------------------------------------------------

    def power_off(self, hosts: Iterable[str]) -> None:
        """Refuse: whoever is logged in cannot give the power back."""
        raise NotPossible(f"{', '.join(hosts)}: {NO_POWER}")

    def power_on(self, hosts: Iterable[str]) -> None:
        """Refuse: nobody logs in to a host without power."""
        raise NotPossible(f"{', '.join(hosts)}: {NO_POWER}")

    def link(self, host: str, *, up: bool) -> None:
        """Refuse to take the cable out; there is none to be put back."""
        if not up:
            raise NotPossible(f"{host}: {NO_CABLE}")

    # -- packets --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def cut(self, source: Sequence[str], target: Sequence[str]) -> Iterator[None]:
        """Drop, while entered, every packet from hosts of *source* to hosts of *target*, but those of ssh.

        The name ``@clients`` stands for this machine. Sources drop what they send, targets what comes: neither needs
        the other to know of it, and no host is asked to believe in addresses alone.
        """
        self._require_allowed()
        to, of = self._addresses(target), self._addresses(source)
        macs, ports, table = self._hardware(source), self._ports(), self._table()
        texts = {}
        for name in dict.fromkeys((*source, *target)):
            if name == CLIENTS:
                continue
            given = {"to": to if name in source else (), "of": of if name in target else ()}
            text = rules.cut(table, ports, **given, hardware=macs if name in target else ())
            texts[self.host(name)] = text
        with self._dropping(table, texts):
            yield

    @contextlib.contextmanager
    def lose(self, host: str, share: float) -> Iterator[None]:
        """Drop, while entered, a random *share* (0 to 1) of the packets to and from *host*, but those of ssh."""
        self._require_allowed()
        if not 0 <= share <= 1:
            raise LabError(f"share of lost packets: found {share}; allowed: 0 to 1")
        table = self._table()
        with self._dropping(table, {self.host(host): rules.lose(table, self._ports(), share)}):
            yield

    @contextlib.contextmanager
    def _dropping(self, table: str, texts: Mapping[SshHost, str]) -> Iterator[None]:
        undo = rules.remove(table)
        switch = Switch(dict.fromkeys(texts, undo), self._on_note)
        switch.arm()

        def begin(item: tuple[SshHost, str]) -> None:
            host, text = item
            done = host.run("nft", "-f", "-", stdin=text)
            if done.status == 127:
                raise NotPossible(
                    f"{host.name}: packets are dropped by nftables, and there is no nft: install nftables"
                )
            if done.status:
                raise LabError(f"{host.name}: nft says: {done.err.strip()[-300:]}")

        try:
            on_all(begin, texts.items())
            yield
        finally:
            # The timers go last: until the rules are gone they are what makes sure that they will be.
            switch.leave()
            on_all(lambda host: host.check("sh", "-c", undo), texts)
            switch.release()

    def heal(self) -> None:
        """Let every packet pass, whatever an earlier program cut and could not undo."""
        on_all(lambda host: host.check("sh", "-c", _HEAL, "sh", rules.PREFIX), self.hosts.values())

    @staticmethod
    def _table() -> str:
        return f"{rules.PREFIX}{secrets.token_hex(4)}"

    def _peers(self) -> list[tuple[str, str, str, str]]:
        connections = [host.connection for host in self.hosts.values()]
        on_all(Connection.open, connections)
        return [connection.peer for connection in connections]

    def _ports(self) -> list[str]:
        """Give the ports of sshd on all hosts: one may be the way to another."""
        return [peer[3] for peer in self._peers()]

    def _addresses(self, names: Sequence[str]) -> tuple[str, ...]:
        found: list[str] = []
        for name in names:
            if name == CLIENTS:
                found += self._clients()
            else:
                settings = self.topology.hosts[self.host(name).name]
                found += [str(each.ip) for each in (settings.address, *settings.addresses)]
        return tuple(found)

    def _clients(self) -> list[str]:
        """Give the addresses that this machine has in the hosts' eyes."""
        if self._inventory.clients is not None:
            return [str(address) for address in self._inventory.clients]
        return [peer[0].partition("%")[0] for peer in self._peers()]

    def _hardware(self, names: Sequence[str]) -> list[str]:
        def of(host: SshHost) -> str:
            return host.run("cat", f"/sys/class/net/{self.topology.hosts[host.name].interface}/address").out.strip()

        return [mac for mac in on_all(of, [self.host(name) for name in names if name != CLIENTS]) if mac]

    # -- faults ---------------------------------------------------------------------------------

    def insure(self, number: int, steps: Sequence[Step]) -> None:
        """Have the hosts themselves carry out *steps*, which undo fault *number*, should they hear nothing from here.

        Raises:
            NotPossible: faults are not allowed, or this one cannot be undone by a host alone.
        """
        self._require_allowed()
        needed = {self.host(name): text for name, text in scripts(steps).items()}
        if needed:
            switch = Switch(needed, self._on_note)
            switch.arm()
            self._insured[number] = switch

    def release(self, number: int) -> None:
        """End the timers of fault *number*, which is undone."""
        switch = self._insured.pop(number, None)
        if switch:
            switch.release()

    def _require_allowed(self) -> None:
        if not self.faults_allowed:
            raise NotPossible("faults on hosts that are reached by ssh need --allow-faults: they are not the lab's own")
