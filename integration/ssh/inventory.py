"""Where a design's hosts are reached by ssh: a small file beside the design, checked against it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from rmqha_model.document import load, placed
from rmqha_model.errors import DocumentError, Problem, did_you_mean
from rmqha_model.names import HostName, IPAddress, Line, Named, Port
from rmqha_model.part import Part

if TYPE_CHECKING:
    from rmqha_model.errors import Path as ProblemPath
    from rmqha_model.topology import Topology

__all__ = ["Inventory", "Login", "Way", "read"]

# Neither begins with a hyphen: ssh would take it for an option.
Address = Annotated[
    str, Named(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*", "an address, a host name, or a name of ssh's own configuration")
]
User = Annotated[str, Named(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]*", "a user name", 64)]


class Login(Part):
    """How one host is logged in to; what is not said is taken from the top of the inventory."""

    short = "address"

    address: Address | None = Field(None, description="Where sshd listens; left out, the design's own address.")
    port: Port | None = Field(None, description="Its port; left out, what ssh's own configuration says: 22.")
    user: User | None = Field(None, description="Who logs in; left out, root.")
    identity: Line | None = Field(
        None, description="File of the private key; left out, those of the agent and of ssh's own configuration."
    )
    sudo: bool | None = Field(None, description="Whether commands run by `sudo -n`; without it the user must be root.")


class Inventory(Part):
    """How the hosts of a design are logged in to. It holds no password and no key."""

    port: Port | None = Field(None, description="As in a host's own settings, for all that do not say it.")
    user: User | None = Field(None, description="As in a host's own settings, for all that do not say it.")
    identity: Line | None = Field(None, description="As in a host's own settings, for all that do not say it.")
    sudo: bool = Field(False, description="As in a host's own settings, for all that do not say it.")
    ssh_config: Line | None = Field(
        None, description="A file in place of ~/.ssh/config and /etc/ssh/ssh_config: `ssh -F`."
    )
    clients: tuple[IPAddress, ...] | None = Field(
        None,
        description="Addresses from which the hosts see this machine's clients; left out, the one that ssh comes from.",
    )
    hosts: dict[HostName, Login] = Field({}, description="The hosts of the design that are reached in another way.")


@dataclass(frozen=True, slots=True)
class Way:
    """How one host is reached, all said."""

    host: str
    address: str
    port: int | None
    user: str
    identity: Path | None
    sudo: bool
    config: Path | None = None

    def __str__(self) -> str:
        port = f" port {self.port}" if self.port else ""
        return f"{self.host} ({self.user}@{self.address}{port})"


def read(path: Path, topology: Topology) -> tuple[Inventory, dict[str, Way]]:
    """Read the inventory at *path*, and give with it the way to each host of *topology*.

    Raises:
        DocumentError: it is no inventory, or does not fit the design; all problems with their places.
    """
    inventory = load(path, Inventory)
    problems: list[Problem] = []
    for name in inventory.hosts:
        if name not in topology.hosts:
            hint = did_you_mean(name, list(topology.hosts))
            found = f"found {name!r}, which is no host of the design"
            problems.append(Problem(("hosts", name), found, ", ".join(topology.hosts), hint))
    folder = path.parent
    config = _file(inventory.ssh_config, folder, ("ssh_config",), problems)
    identity = _file(inventory.identity, folder, ("identity",), problems)
    ways = {}
    for host in topology.hosts:
        login = inventory.hosts.get(host, Login())
        ways[host] = Way(
            host,
            login.address or topology.ip(host),
            login.port or inventory.port,
            login.user or inventory.user or "root",
            _file(login.identity, folder, ("hosts", host, "identity"), problems) or identity,
            inventory.sudo if login.sudo is None else login.sudo,
            config,
        )
    if problems:
        raise DocumentError(sorted(placed(path, problems), key=lambda problem: (problem.place is None, problem.place)))
    return inventory, ways


def _file(name: str | None, folder: Path, at: ProblemPath, problems: list[Problem]) -> Path | None:
    if name is None:
        return None
    path = folder / Path(name).expanduser()
    if not path.is_file():
        found = f"found {name!r}, where there is no file"
        problems.append(Problem(at, found, "a file, by its path from the inventory's folder, from ~ or from /"))
    return path.absolute()
