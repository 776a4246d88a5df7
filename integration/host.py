"""What tests, faults and observers need of real hosts: the lab's machines, or a user's own by ssh."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from integration.errors import CommandFailed

if TYPE_CHECKING:
    from generators.bundle import Bundle
    from integration.faults.steps import Step
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["Distant", "Done", "Host", "Insured", "Stack", "checked"]


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended: what it was, its exit status, and what it said."""

    command: tuple[str, ...]
    status: int
    out: str
    err: str


class Host(Protocol):
    """One host of a design, as it really runs."""

    @property
    def name(self) -> str:
        """Its name in the design."""

    @property
    def running(self) -> bool:
        """Whether it has power."""

    def run(self, *command: str, stdin: str = "", timeout_s: float = 60) -> Done:
        """Run a command as root, to its end; a status of 124 says that it was ended after *timeout_s*.

        Raises:
            LabError: the host is off, or cannot be reached.
        """

    def check(self, *command: str, stdin: str = "", timeout_s: float = 60) -> str:
        """Run a command that must succeed, and give what it wrote.

        Raises:
            CommandFailed: its exit status was not 0.
            LabError: as :meth:`run`.
        """


class Stack(Protocol):
    """All hosts of a design, their network, and a place where its clients run."""

    @property
    def topology(self) -> Topology:
        """The design as it was installed: with the releases that the hosts really have."""

    @property
    def bundle(self) -> Bundle:
        """The files that were installed."""

    @property
    def secrets(self) -> Secrets:
        """The passwords of the design."""

    @property
    def journal(self) -> Path:
        """A file, private to its user, in which is kept what is to be undone if this program ends before it does."""

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The hosts by their names in the design."""

    def client_command(self, *command: str) -> list[str]:
        """Give the command line that runs *command* where the design's clients are."""

    def host_command(self, host: str, *command: str) -> list[str]:
        """Give the command line that runs *command*, a program of this machine, with the network of *host*.

        Raises:
            NotPossible: the hosts are not on this machine.
        """

    def path_of(self, host: str, path: str) -> str:
        """Give the place where this machine sees the file *path* of *host*, which must be running.

        Raises:
            NotPossible: the hosts are not on this machine.
        """

    def power_off(self, hosts: Iterable[str]) -> None:
        """Cut the power of *hosts*, all in the same instant as nearly as can be: nothing is flushed, nobody is told."""

    def power_on(self, hosts: Iterable[str]) -> None:
        """Give *hosts* their power back; returns when they boot, not when they have booted."""

    def link(self, host: str, *, up: bool) -> None:
        """Take the cable out of the interface of *host*, or put it back; the host sees its carrier change."""

    def cut(self, source: Sequence[str], target: Sequence[str]) -> contextlib.AbstractContextManager[None]:
        """Drop, while entered, every packet from hosts of *source* to hosts of *target*; nobody is told.

        The name ``@clients`` stands for the place where the design's clients run.
        """

    def heal(self) -> None:
        """Let every packet pass and put every cable back, whatever an earlier program cut and could not undo."""

    def lose(self, host: str, share: float) -> contextlib.AbstractContextManager[None]:
        """Drop, while entered, a random *share* (0 to 1) of the packets to and from *host*."""


@runtime_checkable
class Insured(Protocol):
    """A stack whose hosts undo a fault by themselves when they hear no more of who did it."""

    def insure(self, number: int, steps: Sequence[Step]) -> None:
        """Have the hosts carry out *steps*, which undo the fault of this *number*, should they hear nothing from here.

        Raises:
            NotPossible: this fault is not allowed, or cannot be undone by a host alone; nothing was done.
        """

    def release(self, number: int) -> None:
        """Let the hosts forget the fault with this *number*, which is undone."""


@runtime_checkable
class Distant(Protocol):
    """A stack whose hosts are not on this machine: no program of this one can have their networks and files."""

    def relayed(self, host: str, endpoint: tuple[str, int]) -> contextlib.AbstractContextManager[tuple[str, int]]:
        """Give, while entered, an endpoint of this machine that leads to *endpoint* as *host* itself reaches it.

        Raises:
            LabError: the host gets no connection; the text is the reason.
        """

    def observer_command(self, host: str) -> list[str]:
        """Give the command line of a program that does on this machine what ``integration.observe`` does in a lab."""

    def behind_s(self, host: str) -> float:
        """Give by how much this machine's CLOCK_MONOTONIC is behind the wall clock of *host*."""


def checked(host: str, done: Done) -> str:
    """Give what a command wrote, if it succeeded."""
    if done.status:
        raise CommandFailed(host, done)
    return done.out
