"""Connections led through a host: to what only the host itself reaches, such as a broker behind a packet filter.

A shell on the host connects and copies, so that sshd need not allow forwarding, which hardened hosts forbid.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from integration.errors import LabError

if TYPE_CHECKING:
    from integration.ssh.host import SshHost

__all__ = ["NotReached", "Relay", "relayed"]

_PATIENCE_S = 5
# bash is on every host of a design: the generated scripts are its. It says "bash: connect: Connection refused", and
# "bash: line 1: /dev/tcp/10.0.0.1/80: Connection refused".
_CONNECT = 'exec 3<>"/dev/tcp/$1/$2"'
_COPY = "exec bash -c 'exec 3<>/dev/tcp/{address}/{port} || exit 1; (cat <&3; kill $$) & cat >&3; kill $!'"


class NotReached(LabError):
    """An endpoint to which a host gets no connection; the text is the kernel's reason."""


@contextlib.contextmanager
def relayed(host: SshHost, endpoint: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Give, while entered, an endpoint of this machine that leads to *endpoint* as *host* reaches it.

    Raises:
        NotReached: the host does not get a connection.
        LabError: the host cannot be reached.
    """
    address, port = endpoint
    done = host.run("bash", "-c", _CONNECT, "bash", address, str(port), timeout_s=_PATIENCE_S)
    if done.status:
        reason = done.err.strip().rpartition("\n")[2].rpartition(": ")[2].lower()
        raise NotReached("no answer in time" if done.status == 124 else reason or f"exit status {done.status}")
    host.connection.open()
    with Relay(host.connection.line, endpoint) as relay:
        yield relay.endpoint


class Relay:
    """A listening socket on the loopback; each connection to it is the input and output of a shell on a host.

    *line* gives the command line that has the host's login shell run something.
    """

    def __init__(self, line: Callable[[str], list[str]], endpoint: tuple[str, int]) -> None:
        address, port = ipaddress.ip_address(endpoint[0]), int(endpoint[1])
        self._line = line(_COPY.format(address=address, port=port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._serve, name="relay", daemon=True)

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where it listens."""
        address, port = self._listening.getsockname()
        return str(address), int(port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            # A thread that waits in accept is not woken by close.
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        for process in self._processes:
            process.terminate()
            process.wait()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            self._processes = [process for process in self._processes if process.poll() is None]
            with taken:
                end = taken.fileno()
                process = subprocess.Popen(
                    self._line, stdin=end, stdout=end, stderr=subprocess.DEVNULL, start_new_session=True
                )
            self._processes.append(process)
