"""Client programs as processes: started, told to end, and ended."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from integration.environment import environment
from integration.errors import LabError, NotPossible
from integration.host import Distant
from integration.observe.watch import Tail

if TYPE_CHECKING:
    from integration.clients.spec import Spec
    from integration.host import Stack

__all__ = ["Program", "to_the_end"]

_SHOWN_LINES = 5


class Program:
    """A client program that runs where the design's clients are, or, given a *host*, with the network of that one."""

    def __init__(self, stack: Stack, what: str, spec: Spec, folder: Path, *, host: str = "") -> None:
        self.label = spec.label
        self.tail = Tail(folder / f"{what}-{spec.label}.jsonl")
        self._log = folder / f"{what}-{spec.label}.log"
        self._led = contextlib.ExitStack()
        if host and isinstance(stack, Distant):
            # It runs here, and its connections are led through the host.
            endpoints = tuple(self._led.enter_context(stack.relayed(host, each)) for each in spec.target.endpoints)
            spec = replace(spec, target=replace(spec.target, endpoints=endpoints))
        command = (sys.executable, "-m", "integration.clients", what)
        with self.tail.path.open("wb") as out, self._log.open("wb") as err:
            self._process = subprocess.Popen(
                _placed(stack, command, host),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=environment(),
                # Ctrl-C on a terminal is for the one who decides what becomes of the clients.
                start_new_session=True,
            )
        self._write(spec.line())

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said(self) -> str:
        """Give the last lines of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
        return "".join(f"\n  {line}" for line in lines)

    def ask_to_end(self) -> None:
        """Ask it to come to an orderly end."""
        self._write("end\n")

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; say whether it came."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def check(self) -> None:
        """Raise :class:`LabError` if it failed."""
        if self._process.poll():
            raise LabError(f"client {self.label}: exit status {self._process.returncode}{self.said()}")

    def stop(self) -> None:
        """End it at once."""
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if not self.wait(2):
            self._process.kill()
            self._process.wait()
        self._led.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # It has ended; whoever looks after it will see that.


def _placed(stack: Stack, command: tuple[str, ...], host: str) -> list[str]:
    """Give the command line that runs *command* with the network of *host*; elsewhere where that cannot be."""
    if host:
        with contextlib.suppress(NotPossible):
            return stack.host_command(host, *command)
    return stack.client_command(*command)


def to_the_end(program: Program, timeout_s: float) -> None:
    """Wait until *program* has done its work.

    Raises:
        LabError: it failed, or did not end.
    """
    began = time.monotonic()
    try:
        if not program.wait(timeout_s):
            raise LabError(f"client {program.label}: not done after {time.monotonic() - began:.0f} s{program.said()}")
        program.check()
    finally:
        program.stop()
