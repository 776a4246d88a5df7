"""What ``test_ssh_real.py`` runs beside its sshd: does everything once, and prints what it saw as JSON."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from generators import generate
from integration.errors import LabError
from integration.ssh.connection import Connection
from integration.ssh.host import SshHost
from integration.ssh.inventory import Inventory, Way
from integration.ssh.relay import relayed
from integration.ssh.stack import SshStack
from rmqha_model.document import loads
from rmqha_model.secrets import Secrets
from rmqha_model.topology import Topology

FOLDER = Path(sys.argv[1])
DESIGN = "name: one\nhosts: {rabbit1: 127.0.0.1/8}\nrabbitmq: {nodes: [rabbit1], users: {admin: {}}}\n"
AWKWARD = ("a b'c\n\"$x`\\é", "", "-n", "$(id)")


def way(port: int = 2201, identity: str = "id", config: str = "known") -> Way:
    """A way to the sshd."""
    return Way("rabbit1", "127.0.0.1", port, "root", FOLDER / identity, sudo=False, config=FOLDER / f"config_{config}")


def host(name: str, way_: Way) -> SshHost:
    """A host that is not connected yet."""
    return SshHost("rabbit1", Connection(way_, FOLDER / name))


def logins(port: int = 2201) -> int:
    """How often somebody was let in."""
    return (FOLDER / f"log_{port}").read_text().count("Accepted publickey")


def tried(act: Callable[[], object]) -> list[str]:
    """The error of what fails."""
    try:
        act()
    except LabError as error:
        return [type(error).__name__, str(error)]
    return ["nothing", ""]


def commands(seen: dict[str, Any], one: SshHost) -> None:
    """What commands do."""
    one.require_root()
    with ThreadPoolExecutor(8) as pool:
        seen["echoed"] = list(pool.map(lambda number: one.check("cat", stdin=str(number)), range(12)))
    seen["logins"] = logins()
    seen["argument"] = one.check("printf", "%s\\0", *AWKWARD).split("\0")[:-1]
    failed = one.run("sh", "-c", "echo out; echo err >&2; exit 7")
    seen["failed"] = [failed.status, failed.out, failed.err]
    seen["slow"] = one.run("sleep", "987", timeout_s=0.3).status
    seen["left"] = one.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 98[7]'").out


def losses(seen: dict[str, Any], one: SshHost) -> None:
    """What happens when sshd drops the connection in the middle of a command."""
    threading.Timer(0.5, drop).start()
    seen["lost"] = tried(lambda: one.run("sleep", "5"))
    seen["again"] = one.check("echo", "yes")
    seen["logins_again"] = logins()
    single = host("s2", way(2202))
    seen["single"] = [single.check("echo", "1"), single.check("echo", "2")]
    single.connection.close()


def drop() -> None:
    """End the processes of sshd that carry connections; nobody else's are in this namespace."""
    for pid, line in running().items():
        if line.startswith("sshd: root"):
            os.kill(pid, signal.SIGKILL)


def led(seen: dict[str, Any], one: SshHost) -> None:
    """Connections through the host."""
    with socket.create_server(("127.0.0.1", 7000)) as server:

        def answer() -> None:
            # Twice: whether it can be reached is seen first.
            for _ in range(2):
                taken, _ = server.accept()
                with taken:
                    taken.sendall(taken.recv(100))

        threading.Thread(target=answer, daemon=True).start()
        with relayed(one, ("127.0.0.1", 7000)) as there, socket.create_connection(there, 5) as asked:
            asked.sendall(b"hello through the host")
            asked.settimeout(5)
            seen["led"] = asked.recv(100).decode()
    seen["not_led"] = tried(lambda: relayed(one, ("127.0.0.1", 7001)).__enter__())


def refusals(seen: dict[str, Any]) -> None:
    """What does not get through."""
    before = set(FOLDER.rglob("known_hosts*"))
    for name, there in (
        ("unknown", way(config="none")),
        ("changed", way(config="changed")),
        ("stranger", way(identity="stranger")),
        ("closed", way(port=2203)),
    ):
        seen[name] = tried(host(name[:2], there).require_root)
    seen["known_hosts_written"] = [str(path) for path in set(FOLDER.rglob("known_hosts*")) - before]


def fault(seen: dict[str, Any]) -> None:
    """A host on which no timer can be started."""
    design = loads(DESIGN, Topology)
    secrets = Secrets({need.source: "x" * 32 for need in design.secret_needs()})
    with SshStack(design, generate(design, secrets), secrets, Inventory(), {"rabbit1": way()}, allowed=True) as stack:
        seen["fault"] = tried(stack.lose("rabbit1", 0.5).__enter__)
        seen["rules"] = stack.hosts["rabbit1"].check("nft", "list", "tables")


def orphans(seen: dict[str, Any]) -> None:
    """What is left of a program that is killed while it is connected."""
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        host("s9", way()).require_root()
        os.write(told, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 10
    while (found := running()) and time.monotonic() < deadline:
        time.sleep(0.1)
    seen["orphans"] = list(found.values())


def running() -> dict[int, str]:
    """Every ssh, and every session of sshd, in this namespace."""
    lines = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        if line.startswith(("ssh ", "sshd: root")):
            lines[int(path.parent.name)] = line
    return lines


def main() -> None:
    """Do everything, and tell."""
    seen: dict[str, Any] = {}
    one = host("s1", way())
    commands(seen, one)
    losses(seen, one)
    led(seen, one)
    one.connection.close()
    refusals(seen)
    fault(seen)
    orphans(seen)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
