"""A stack of hosts that run nothing, with a journal that is real: what a fault tells them is looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from integration.errors import LabError
from integration.faults.journal import Journal
from integration.host import Done, checked
from rmqha_model.faults import AnyFault, Fault

if TYPE_CHECKING:
    from integration.faults.steps import Step
    from rmqha_model.topology import Topology

FAULT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(AnyFault)
UNIT = "ActiveState={}\nSubState=x\nMainPID={}\nInvocationID={}\nActiveEnterTimestampMonotonic=5000000\n"


class Host:
    """A host that runs nothing: it answers by what a command begins with, and remembers what it was told."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.running = True
        self.log = log
        self.answers: dict[str, str | Exception] = {
            "systemctl show --property Version": "Version=252",
            "systemctl show --property ActiveState": UNIT.format("active", 10, "a"),
            "systemctl --no-block": "",
            "systemctl reset-failed": "",
            "systemctl is-system-running": "running",
            "systemctl reboot": "",
            "cat /proc/sys/kernel/random/boot_id": "1",
            "sh -c kill": "",
            "sh -c signal": "",
            "sh -c systemctl show --property MainPID": "10\n10 (beam.smp) S 1 0\n11 (erl_child_setup) S 10 0\n",
        }

    def run(self, *command: str, stdin: str = "", timeout_s: float = 60) -> Done:  # noqa: ARG002
        """Give the answer."""
        if not self.running:
            raise LabError(f"{self.name}: is off")
        words = " ".join(command)
        self.log.append(f"{self.name}: {words}")
        for known, answer in self.answers.items():
            if words.startswith(known):
                if isinstance(answer, Exception):
                    raise answer
                return Done(command, 0, answer, "")
        return Done(command, 1, "", "unknown here")

    def check(self, *command: str, stdin: str = "", timeout_s: float = 60) -> str:
        """Give the answer, if there is one."""
        return checked(self.name, self.run(*command, stdin=stdin, timeout_s=timeout_s))


class Stack:
    """Hosts that run nothing, with a journal that is real."""

    def __init__(self, topology: Topology, journal: Path) -> None:
        self.topology = topology
        self.journal = journal
        self.log: list[str] = []
        self.hosts = {name: Host(name, self.log) for name in topology.hosts}

    def told(self, words: str) -> list[str]:
        """Give what was told that holds *words*."""
        return [line for line in self.log if words in line]

    def power_off(self, hosts: Sequence[str]) -> None:
        """Have it written down."""
        self.log.append(f"power off {' '.join(hosts)}")
        for name in hosts:
            self.hosts[name].running = False

    def power_on(self, hosts: Sequence[str]) -> None:
        """Have it written down."""
        self.log.append(f"power on {' '.join(hosts)}")
        for name in hosts:
            self.hosts[name].running = True

    def link(self, host: str, *, up: bool) -> None:
        """Have it written down."""
        self.log.append(f"link {host} {'up' if up else 'down'}")

    @contextlib.contextmanager
    def cut(self, source: Sequence[str], target: Sequence[str]) -> Iterator[None]:
        """Have it written down, and its end."""
        self.log.append(f"cut {' '.join(source)} from {' '.join(target)}")
        try:
            yield
        finally:
            self.log.append(f"joined {' '.join(source)} to {' '.join(target)}")

    @contextlib.contextmanager
    def lose(self, host: str, share: float) -> Iterator[None]:
        """Have it written down, and its end."""
        self.log.append(f"lose {share} of {host}")
        try:
            yield
        finally:
            self.log.append(f"lose nothing of {host}")

    def heal(self) -> None:
        """Have it written down."""
        self.log.append("heal")


def fault(name: str, host: str | None = None, **settings: Any) -> Fault:
    """Give a fault of the catalogue."""
    made: Fault = FAULT.validate_python({"fault": name, "at": "3s", **({"host": host} if host else {}), **settings})
    return made


def left_behind(stack: Any, *steps: Sequence[Step]) -> None:
    """Have a program be killed that had begun a fault for each list of steps."""
    journal = Journal(stack.journal)
    for place, each in enumerate(steps):
        journal.write(f"fault{place}", ["rabbit1"], each)
    journal.release()
