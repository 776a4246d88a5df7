"""One host as a machine of systemd-nspawn: booted on an overlay of a root, entered, stopped, or left without power."""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from integration.errors import LabError
from integration.host import Done, checked
from integration.lab import cgroups, nspawn, processes
from integration.lab.inside import entering, within
from integration.lab.layer import Layer

if TYPE_CHECKING:
    from integration.lab.network import Network
    from integration.lab.record import Record

__all__ = ["Machine"]

_LATE_S = 15
"""How much longer than it may take a command is waited for: by then it has been ended inside."""


class Machine:
    """A host of a lab; the object can be made by any process, as all it knows is read from the system."""

    def __init__(self, name: str, *, lower: Path, network: Network, record: Record) -> None:
        self.name = name
        self.folder = record.folder / "hosts" / name
        self.console = self.folder / "console.log"
        self._lab = record.name
        self._lower = lower
        self._network = network
        self._record = record

    # -- power ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Give it power; returns when it boots.

        Raises:
            LabError: it has power already, or nspawn cannot be started.
        """
        if self.keepers:
            raise LabError(f"{self.name}: has power already")
        group = cgroups.folder(self._lab, self.name)
        self._prepare()
        self._record.note("cgroup", host=self.name)
        group.mkdir(parents=True, exist_ok=True)
        namespace = f"/run/netns/{self._network.namespace(self.name)}"
        arguments = nspawn.arguments(self._lab, self.name, self.folder, namespace)
        command = nspawn.launcher(self.folder, self._lower, self.console, group, arguments)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for the type checker
            told = process.stdout.readline().strip()
            if not told.isdigit():
                raise LabError(f"{self.name}: systemd-nspawn could not be started")
            self._record.note("process", host=self.name, pid=int(told), start=processes.start_time(int(told)))
            process.stdin.write("go\n")
            process.stdin.flush()

    def _prepare(self) -> None:
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        if not (self.layer.upper / "etc/machine-id").exists():
            self.layer.put("/etc/machine-id", f"{uuid.uuid4().hex}\n", mode=0o444)
            # Installers leave one, and without it PAM complains at each call of rabbitmqctl.
            self.layer.put("/etc/default/locale", "LANG=C.UTF-8\n")

    @property
    def layer(self) -> Layer:
        """What it has for itself over its root; to be written to while it is off only."""
        return Layer(self.folder / "upper", self._lower)

    def power_off(self) -> None:
        """Cut its power: its first process is killed, and so the whole host, in the same instant."""
        for pid, start in self.keepers:
            if processes.inner_pid(pid) == 1:
                processes.send(pid, start, signal.SIGKILL)

    def wait_off(self, timeout_s: float = 20) -> None:
        """Wait until nothing of it runs, and see to it."""
        deadline = time.monotonic() + timeout_s / 2
        while self.keepers and time.monotonic() < deadline:
            time.sleep(0.02)
        group = cgroups.folder(self._lab, self.name)
        if self.keepers:
            cgroups.kill(group, timeout_s / 2)

    # -- what there is --------------------------------------------------------------------------

    @property
    def keepers(self) -> list[tuple[int, int]]:
        """Every process of it that runs, with its start time; nspawn itself among them."""
        pids = cgroups.members(cgroups.folder(self._lab, self.name))
        return [(pid, start) for pid in pids if (start := processes.start_time(pid)) is not None]

    @property
    def leader(self) -> int | None:
        """Its first process, as this machine counts; ``None`` when it is off."""
        for pid in cgroups.members(cgroups.folder(self._lab, self.name)):
            if processes.inner_pid(pid) == 1 and processes.start_time(pid) is not None:
                return pid
        return None

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return self.leader is not None

    @property
    def memory_kib(self) -> int:
        """Memory of all its processes."""
        return sum(processes.pss_kib(pid) for pid, _ in self.keepers)

    def path(self, path: str) -> str:
        """Give the place where this machine sees its file *path*."""
        return within(f"/proc/{self._leader()}/root", path)

    def _leader(self) -> int:
        leader = self.leader
        if leader is None:
            raise LabError(f"{self.name}: is off")
        return leader

    # -- commands -------------------------------------------------------------------------------

    def command(self, *command: str, terminal: str = "") -> list[str]:
        """Give the command line that runs *command* inside, as root, with nothing of this machine's environment."""
        return entering(self._leader(), command, terminal)

    def run(self, *command: str, stdin: str = "", timeout_s: float = 60) -> Done:
        """Run a command as root, to its end; a status of 124 says that it was ended after *timeout_s*.

        Raises:
            LabError: the host is off, or went off.
        """
        # Ended inside: to end what enters a host does not end what it has started there.
        began = time.monotonic()
        line = self.command("/usr/bin/timeout", "--kill-after=5", f"{timeout_s:g}", *command)
        try:
            done = subprocess.run(
                line,
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s + _LATE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: {command[0]}: the host does not even end a command") from None
        if done.returncode and not self.running:
            raise LabError(f"{self.name}: went off during {command[0]}")
        # 137: it did not heed the first signal.
        late = done.returncode == 137 and time.monotonic() - began >= timeout_s
        status = 124 if late else done.returncode
        return Done(command, status, done.stdout, done.stderr)

    def check(self, *command: str, stdin: str = "", timeout_s: float = 60) -> str:
        """Run a command that must succeed, and give what it wrote.

        Raises:
            CommandFailed: its exit status was not 0.
            LabError: as :meth:`run`.
        """
        return checked(self.name, self.run(*command, stdin=stdin, timeout_s=timeout_s))

    def booted(self) -> bool:
        """Whether its systemd says that it has started everything there is to start."""
        if not self.running:
            raise LabError(f"{self.name}: went off while it booted; its last words:{self.last_words()}")
        said = self.run("/usr/bin/systemctl", "is-system-running", timeout_s=20).out.strip()
        return said in {"running", "degraded"}

    def last_words(self, lines: int = 12) -> str:
        """Give the last lines of its console, each on a line of its own."""
        try:
            text = self.console.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "".join(f"\n  {line}" for line in text.splitlines()[-lines:])
