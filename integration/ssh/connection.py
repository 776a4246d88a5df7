"""One connection to a host, that all its commands share: the system's own ssh, as the master of a control socket.

It ends with whoever opened it: its own command waits for the end of its input, which the kernel brings about.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from integration.errors import LabError
from integration.ssh.command import Said, invocation, program, said
from integration.ssh.explain import Unreachable, explained

if TYPE_CHECKING:
    from integration.ssh.inventory import Way

__all__ = ["Connection", "options"]

CONNECT_S = 10
ALIVE_S, ALIVE_COUNT = 5, 3
"""A connection on which nothing came for their product is given up: every command is answered within it, or fails."""
_LOGIN_S = 30
"""How long the first words of a login may take after its connection; sshd's LoginGraceTime is 120 s, its DNS slow."""
_LATE_S = 20
"""How much longer than it may take a command is waited for: by then the host has ended it, or ssh has given up."""
_SESSIONS = 6
"""Of one connection at the same time; sshd's MaxSessions is 10, and one is the connection's own."""
_ENDS_S = 3


def options(way: Way, socket: Path) -> list[str]:
    """Give ssh's arguments for *way*: nothing is asked of a person, and nothing but commands passes."""
    fixed = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(CONNECT_S),
        "ConnectionAttempts": "1",
        "ServerAliveInterval": str(ALIVE_S),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        "ControlPersist": "no",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "EscapeChar": "none",
        "LogLevel": "ERROR",
    }
    words = ["-F", str(way.config)] if way.config else []
    words += [word for name, value in fixed.items() for word in ("-o", f"{name}={value}")]
    words += ["-T", "-S", _plain(socket), "-l", way.user]
    words += ["-p", str(way.port)] if way.port else []
    # An agent may hold more keys than sshd lets anyone try.
    words += ["-i", _plain(way.identity), "-o", "IdentitiesOnly=yes"] if way.identity else []
    return words


def _plain(path: Path) -> str:
    return str(path).replace("%", "%%")


class Connection:
    """The way to one host, open or not; commands may run from several threads."""

    def __init__(self, way: Way, socket: Path) -> None:
        self.way = way
        self.peer: tuple[str, str, str, str] = ("", "", "", "")
        """Address and port of this side, then of the host's, as the host sees them; after it was opened once."""
        self._socket = socket
        self._errors = socket.with_suffix(".err")
        self._lock = threading.Lock()
        self._sessions = threading.BoundedSemaphore(_SESSIONS)
        self._master: subprocess.Popen[bytes] | None = None
        self._heard = 0.0

    @property
    def heard(self) -> float:
        """When the host was last heard of, by time.monotonic(); 0 when it never was, or has been lost since."""
        return self._heard if self._alive else 0.0

    @property
    def _alive(self) -> bool:
        return self._master is not None and self._master.poll() is None

    def open(self) -> None:
        """Connect and log in, if that has not been done or the connection is lost.

        Raises:
            Unreachable: the host does not answer.
            Refused: its key is not known, or it lets the user not in.
        """
        with self._lock:
            if self._alive:
                return
            self._end()
            mark = secrets.token_hex(8)
            # Said by the host: who connects, as it sees it. Then it waits for the end of its input.
            greeting = f"exec /bin/sh -c 'echo {mark} $SSH_CONNECTION; exec cat >/dev/null'"
            with self._errors.open("wb") as errors:
                self._master = self._ssh(greeting, "-M", stderr=errors)
            try:
                self.peer = self._greeted(mark)
            except BaseException:
                self._end()
                raise
            self._heard = time.monotonic()

    def line(self, remote: str, *more: str) -> list[str]:
        """Give the command line that has the host's login shell run *remote*, over this connection if it is open."""
        return ["ssh", *options(self.way, self._socket), *more, "--", self.way.address, remote]

    def _ssh(
        self,
        remote: str,
        *more: str,
        stderr: IO[bytes] | int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.line(remote, *more),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                # Ctrl-C is for this program, which may still need the connection to undo what it did.
                start_new_session=True,
            )
        except FileNotFoundError:
            raise LabError("ssh is not installed: apt-get install openssh-client") from None

    def _greeted(self, mark: str) -> tuple[str, str, str, str]:
        assert self._master is not None
        stream = self._master.stdout
        assert stream is not None
        deadline = time.monotonic() + CONNECT_S + _LOGIN_S
        text = b""
        while not text.endswith(b"\n") or mark.encode() not in text:
            ready, _, _ = select.select([stream], [], [], max(0, deadline - time.monotonic()))
            # A descriptor of its own buffer would hide from select what it has read already.
            part = stream.raw.read(4096) if ready else None  # type: ignore[attr-defined]
            if not part:
                why = "" if ready else f"no login within {CONNECT_S + _LOGIN_S} s\n"
                self._end()
                raise explained(self.way, why + self._errors.read_text("utf-8", "replace"))
            text += part
        words = text.decode("utf-8", "replace").rpartition(f"{mark} ")[2].split()
        if len(words) != 4:
            raise Unreachable(f"{self.way}: found {' '.join(words)!r} as its word on the connection; allowed: sshd's")
        return words[0], words[1], words[2], words[3]

    def run(self, command: Sequence[str], *, stdin: str, timeout_s: float) -> Said:
        """Run *command* as root on the host, to its end.

        Raises:
            Unreachable: the host does not answer, or the connection ended before the command did.
            Refused: as :meth:`open`.
        """
        with self._sessions:
            self.open()
            mark = secrets.token_hex(8)
            told = program(command, mark, sudo=self.way.sudo, timeout_s=timeout_s)
            process = self._ssh(invocation(len(told)))
            with process:
                try:
                    sent = told + stdin.encode("utf-8", "surrogateescape")
                    out, err = process.communicate(sent, timeout=timeout_s + _LATE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    words = f"{command[0]}: found no end of it after {timeout_s + _LATE_S:g} s"
                    raise Unreachable(f"{self.way}: {words}") from None
                except BaseException:
                    process.kill()
                    raise
            ended = said(out, err, mark)
            if ended is None:
                self._heard = 0.0
                raise explained(self.way, err.decode("utf-8", "replace"))
            self._heard = time.monotonic()
            return ended

    def close(self) -> None:
        """End it; another command opens it again."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        master, self._master = self._master, None
        self._heard = 0.0
        if master is None:
            return
        with contextlib.suppress(OSError):
            assert master.stdin is not None
            master.stdin.close()
        try:
            master.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            master.kill()
            master.wait()
        assert master.stdout is not None
        master.stdout.close()
