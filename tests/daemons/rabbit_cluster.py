"""A few hosts with real brokers on this machine, each in namespaces of its own, for tests of generated files.

Each host has its own network interface, host name, process table and a copy-on-write view of the file system. They
meet on a bridge that leads nowhere else. All of it hangs on one process: when that ends, the kernel ends every process
of every host, and mounts and networks go with them. It ends with the process that made it, even by SIGKILL.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from generators.bundle import Artefact

__all__ = ["Host", "RabbitCluster", "why_not"]

TIMEOUT_S = 240.0
"""For one command: a join waits for another node's boot, on a machine that does other things as well."""

AS_RABBITMQ = ("env", "HOME=/var/lib/rabbitmq", "LC_ALL=C.UTF-8", "runuser", "-u", "rabbitmq", "--")
RABBITMQCTL = (*AS_RABBITMQ, "/usr/lib/rabbitmq/bin/rabbitmqctl")
"""Not the one in PATH: Debian's wrapper lets a shell expand the arguments."""

# $1 host name, $2 root file system, $3 lines of /etc/hosts
SET_UP = r"""
set -eu
hostname "$1"
ip link set lo up
mount -t proc proc /proc
mount -t tmpfs -o size=8g,mode=0755 rmqha /dev/shm
mkdir /dev/shm/upper /dev/shm/work /dev/shm/root
mount -t overlay -o "lowerdir=$2,upperdir=/dev/shm/upper,workdir=/dev/shm/work" rmqha /dev/shm/root
cd /dev/shm/root
mount -t proc proc proc
mount --bind /dev dev
mount -t tmpfs -o mode=0755 rmqha run
mount -t tmpfs -o mode=1777 rmqha tmp
mkdir -p run/lock var/lib/rabbitmq var/log/rabbitmq
rm -rf var/lib/rabbitmq/.erlang.cookie var/lib/rabbitmq/mnesia var/log/rabbitmq/* etc/rabbitmq
mkdir -p etc/rabbitmq
printf '%s\n' '127.0.0.1 localhost' '::1 localhost ip6-localhost' "$3" > etc/hosts
printf '%s\n' "$1" > etc/hostname
echo ready
exec chroot . /bin/sleep infinity
"""

ASK_URL = """
import base64, ssl, sys, urllib.request
method, url, user, password, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode() or None, {"Content-Type": "application/json"}, method=method)
request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
context = ssl._create_unverified_context() if url.startswith("https") else None
try:
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, "")
"""


def why_not() -> str:
    """Say what this machine lacks for such hosts; empty when it lacks nothing."""
    missing = [name for name in ("unshare", "nsenter", "ip", "setpriv", "runuser") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not installed"
    if os.geteuid() != 0:
        return "not root: hosts in namespaces cannot be made"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True, check=False
    )
    return f"namespaces cannot be made: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass
class Host:
    """One of the hosts."""

    name: str
    address: str
    leader: int
    """Process 1 of the host, as this machine numbers it."""
    brokers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def _inside(self, *argv: str) -> list[str]:
        clean = ["/usr/bin/env", "-i", "HOME=/root", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"]
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        return ["nsenter", "--target", str(self.leader), *namespaces, *clean, *argv]

    def run(self, *argv: str, stdin: str = "", timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, as root."""
        return subprocess.run(
            self._inside(*argv), input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def begin(self, *argv: str) -> subprocess.Popen[str]:
        """Start a command in the host, as root, and go on."""
        return subprocess.Popen(
            self._inside(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def ctl(self, *arguments: str) -> str:
        """Give what rabbitmqctl answers."""
        done = self.run(*RABBITMQCTL, "--silent", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def running_nodes(self) -> set[str]:
        """Give the nodes of the cluster that run, as this host's node sees it."""
        status: dict[str, Any] = json.loads(self.ctl("cluster_status", "--formatter", "json"))
        return set(status["running_nodes"])

    def http(self, method: str, url: str, user: str, password: str, body: str = "") -> tuple[int, str]:
        """Send a request from the host; gives status and body of the answer."""
        enter = ["nsenter", "--target", str(self.leader), "--net"]
        done = subprocess.run(
            [*enter, sys.executable, "-I", "-c", ASK_URL, method, url, user, password, body],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        status, _, answer = done.stdout.partition(" ")
        return int(status), answer

    def path(self, path: str) -> Path:
        """Give the place of a file of the host, as this machine sees it."""
        return Path(f"/proc/{self.leader}/root/{path.lstrip('/')}")

    def install(self, artefacts: Iterable[Artefact]) -> None:
        """Put generated files where they belong, with their owners and modes."""
        for artefact in artefacts:
            if artefact.host != self.name or not artefact.path.startswith("/"):
                continue
            path = self.path(artefact.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(artefact.content, encoding="utf-8")
            path.chmod(artefact.mode)
            os.chown(path, *self.owner(artefact.owner, artefact.group))

    def owner(self, user: str, group: str) -> tuple[int, int]:
        """Give the numbers of a user and a group of the host."""
        numbers = []
        for file, name, here in (("passwd", user, pwd.getpwnam), ("group", group, grp.getgrnam)):
            rows = [row.split(":") for row in self.path(f"/etc/{file}").read_text(encoding="utf-8").splitlines()]
            numbers.append(next((int(row[2]) for row in rows if row[0] == name), None) or here(name)[2])
        return numbers[0], numbers[1]

    def start_broker(self) -> None:
        """Start RabbitMQ as its unit does, without waiting for it."""
        for folder in ("/var/lib/rabbitmq", "/var/log/rabbitmq"):
            os.chown(self.path(folder), *self.owner("rabbitmq", "rabbitmq"))
        log: IO[bytes]
        with self.path("/var/log/rabbitmq/start.out").open("wb") as log:
            program = self._inside(*AS_RABBITMQ, "/usr/lib/rabbitmq/bin/rabbitmq-server")
            self.brokers.append(subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def await_broker(self) -> None:
        """Wait until the broker serves; a test fails with its log when it does not."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.brokers[-1].poll() is None and time.monotonic() < deadline:
            # await_startup fails at once while the node cannot be reached yet.
            if self.run(*RABBITMQCTL, "await_startup", "--timeout", "30").returncode == 0:
                return
            time.sleep(0.5)
        raise AssertionError(f"the broker on {self.name} did not start:\n{self.logs()}")

    def logs(self) -> str:
        """Give the end of what the broker wrote."""
        found = [self.path("/var/log/rabbitmq/start.out"), *sorted(self.path("/var/log/rabbitmq").glob("rabbit*.log"))]
        return "\n".join(path.read_text(encoding="utf-8", errors="replace")[-6000:] for path in found if path.exists())


class RabbitCluster:
    """The hosts by name, while the ``with`` block lasts.

    *addresses* gives each host its address with prefix length; *root* is the file system they share, of which each
    sees a copy; *aliases* adds names to /etc/hosts, such as full ones.
    """

    def __init__(
        self, addresses: Mapping[str, str], *, root: Path = Path("/"), interface: str = "ens33", domain: str = ""
    ) -> None:
        self._addresses = dict(addresses)
        self._root, self._interface, self._domain = root, interface, domain
        self._processes: list[subprocess.Popen[bytes]] = []
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        try:
            stay = "echo ready; exec sleep infinity"
            self._room = self._spawn("unshare", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", stay)
            self._network("ip", "link", "add", "rmqha0", "type", "bridge", "stp_state", "0")
            self._network("ip", "link", "set", "rmqha0", "up")
            for number, (name, address) in enumerate(self._addresses.items()):
                self.hosts[name] = self._host(number, name, address)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The first is the room: with its process 1 every other one dies.
        for process in self._processes:
            process.kill()
        for process in [*self._processes, *(b for host in self.hosts.values() for b in host.brokers)]:
            process.wait()
            if process.stdout:
                process.stdout.close()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def _spawn(self, *argv: str) -> int:
        """Start something that says it is ready and stays; gives the number of its inmost process."""
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", f"{argv[0]} failed"
        inmost = process.pid
        while children := Path(f"/proc/{inmost}/task/{inmost}/children").read_text(encoding="ascii").split():
            inmost = int(children[0])
        return inmost

    def _network(self, *argv: str) -> None:
        subprocess.run(["nsenter", "--target", str(self._room), "--net", *argv], check=True)

    def _host(self, number: int, name: str, address: str) -> Host:
        names = "\n".join(
            f"{ip.partition('/')[0]} {f'{other}.{self._domain} ' if self._domain else ''}{other}"
            for other, ip in self._addresses.items()
        )
        enter = ["nsenter", "--target", str(self._room), "--net", "--pid"]
        unshare = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        leader = self._spawn(*enter, *unshare, "sh", "-c", SET_UP, "sh", name, str(self._root), names)
        port = f"port{number}"
        self._network("ip", "link", "add", port, "type", "veth", "peer", "name", self._interface, "netns", str(leader))
        self._network("ip", "link", "set", port, "master", "rmqha0", "up")
        for command in (
            ("address", "add", address, "dev", self._interface, *(["nodad"] if ":" in address else [])),
            ("link", "set", self._interface, "up"),
        ):
            subprocess.run(["nsenter", "--target", str(leader), "--net", "ip", *command], check=True)
        return Host(name, address.partition("/")[0], leader)
