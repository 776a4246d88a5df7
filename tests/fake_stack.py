"""A stack that is played: hosts answer commands from a table, so that what is made of answers can be tested."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generators import generate
from integration.errors import LabError, NotPossible
from integration.host import Done, checked
from rmqha_model.secrets import Secrets

if TYPE_CHECKING:
    from generators.bundle import Bundle
    from rmqha_model.topology import Topology

__all__ = ["FakeHost", "FakeStack", "told"]

Answer = str | tuple[int, str, str] | Callable[[tuple[str, ...], str], tuple[int, str, str]]


class FakeHost:
    """A host that answers each command by the first pattern that its words match."""

    def __init__(self, name: str, answers: Mapping[str, Answer] | None = None) -> None:
        self.name = name
        self.running = True
        self.answers: dict[str, Answer] = dict(answers or {})
        self.asked: list[tuple[str, ...]] = []

    def run(self, *command: str, stdin: str = "", timeout_s: float = 60) -> Done:
        """Answer a command; one that nothing is known about succeeds and says nothing."""
        del timeout_s
        if not self.running:
            raise LabError(f"{self.name}: is off")
        self.asked.append(command)
        for pattern, answer in self.answers.items():
            if re.search(pattern, " ".join(command)):
                told = (
                    answer(command, stdin)
                    if callable(answer)
                    else (0, answer, "")
                    if isinstance(answer, str)
                    else answer
                )
                return Done(command, *told)
        return Done(command, 0, "", "")

    def check(self, *command: str, stdin: str = "", timeout_s: float = 60) -> str:
        """Answer a command that must succeed."""
        return checked(self.name, self.run(*command, stdin=stdin, timeout_s=timeout_s))


class FakeStack:
    """A design with played hosts; nothing of it is on any machine."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        sources = [need.source for need in topology.secret_needs()]
        self.secrets = Secrets({source: f"secretNumber{index}" for index, source in enumerate(dict.fromkeys(sources))})
        self.bundle: Bundle = generate(topology, self.secrets)
        self.hosts = {host: FakeHost(host) for host in topology.hosts}
        self.journal = Path("/nowhere/journal")
        self.done: list[str] = []

    def client_command(self, *command: str) -> list[str]:
        """Run it right here."""
        return list(command)

    def host_command(self, host: str, *command: str) -> list[str]:
        """Refuse: the hosts are nowhere."""
        raise NotPossible(f"{host} is played, so it cannot run {command[0]}")

    def path_of(self, host: str, path: str) -> str:
        """Refuse, as above."""
        raise NotPossible(f"{host}:{path} is played")

    def power_off(self, hosts: Iterable[str]) -> None:
        """Let hosts be off."""
        for host in hosts:
            self.hosts[host].running = False

    def power_on(self, hosts: Iterable[str]) -> None:
        """Let hosts be on."""
        for host in hosts:
            self.hosts[host].running = True

    def link(self, host: str, *, up: bool) -> None:
        """Do nothing but note it."""
        self.done.append(f"link {host} {up}")

    @contextlib.contextmanager
    def cut(self, source: Sequence[str], target: Sequence[str]) -> Iterator[None]:
        """Do nothing but note it."""
        self.done.append(f"cut {source} {target}")
        yield

    @contextlib.contextmanager
    def lose(self, host: str, share: float) -> Iterator[None]:
        """Do nothing but note it."""
        self.done.append(f"lose {host} {share}")
        yield

    def heal(self) -> None:
        """Do nothing but note it."""
        self.done.append("heal")


def told(findings: object) -> str:
    """All findings as one text."""
    return "\n".join(map(str, findings))  # type: ignore[call-overload]
