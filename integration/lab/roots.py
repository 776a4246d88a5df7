"""The root file systems that hosts stand on: one for each release of Debian, made once by mmdebstrap and kept."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from integration.errors import LabError
from integration.lab import mirrors
from integration.lab.places import cache, private
from rmqha_model.versions import DEBIAN

__all__ = ["PACKAGES", "Root", "key", "releases_in", "root"]

PACKAGES = (
    "dbus",
    "haproxy",
    "iproute2",
    "keepalived",
    "logrotate",
    "nftables",
    "openssh-server",
    "procps",
    "rabbitmq-server",
    "rsyslog",
    "socat",
    "systemd",
    "systemd-sysv",
)
"""What any host of a design may need, and what a machine that boots needs; each is idle until it is enabled."""

_CUSTOMIZE = (
    # A node of the wrong name must not start before install.sh has put its files in place.
    """systemctl --root="$1" --quiet disable rabbitmq-server.service haproxy.service keepalived.service \\
        rsyslog.service ssh.service nftables.service""",
    """rm -rf "$1"/var/lib/rabbitmq/mnesia "$1"/var/lib/rabbitmq/.erlang.cookie "$1"/var/log/rabbitmq/*""",
    # Nothing that wakes up by itself while something is measured, and no terminal that is not there.
    """systemctl --root="$1" --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \\
        e2scrub_all.timer man-db.timer console-getty.service getty.target systemd-networkd.service""",
    # A journal that survives a power cut: what a host did before it is part of the story.
    """mkdir -p "$1"/var/log/journal "$1"/etc/systemd/journald.conf.d""",
    """printf "[Journal]\\nStorage=persistent\\nSystemMaxUse=200M\\nRateLimitIntervalSec=0\\n" \\
        >"$1"/etc/systemd/journald.conf.d/lab.conf""",
    # Each host gets one of its own; without one systemd would enable every service at its first boot.
    """: >"$1"/etc/machine-id; rm -f "$1"/var/lib/dbus/machine-id""",
    """rm -f "$1"/etc/ssh/ssh_host_*_key* "$1"/etc/resolv.conf "$1"/etc/hostname; : >"$1"/etc/resolv.conf""",
    """printf "127.0.0.1 localhost\\n::1 localhost ip6-localhost ip6-loopback\\n" >"$1"/etc/hosts""",
    """rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*""",
)
_DAEMONS = {"rabbitmq-server": "rabbitmq", "haproxy": "haproxy", "keepalived": "keepalived"}
_PACKAGE = re.compile(r"^Package: (\S+)$", re.MULTILINE)
_VERSION = re.compile(r"^Version: (?:\d+:)?(\d+\.\d+\.\d+)", re.MULTILINE)
_MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh"
_OLD = ("bullseye",)
"""Releases whose own tools do not make a merged /usr, which every installed system of them has."""


class Root(NamedTuple):
    """A root file system: the release of Debian it is of, and where it lies."""

    release: str
    path: Path


def key(release: str) -> str:
    """Give the name of the root of *release*: another list of packages is another root."""
    told = "\n".join((release, *PACKAGES, *_CUSTOMIZE))
    return f"{release}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def root(release: str, on_step: Callable[[str], None] = lambda _: None) -> Root:
    """Give the root of *release*; the first time it is made, which takes about a minute.

    Raises:
        LabError: there is no such release, or it could not be made; a half-made one is never used.
    """
    if release not in DEBIAN:
        raise LabError(f"release: found {release!r}; allowed: {', '.join(DEBIAN)}")
    folder = private(cache())
    made = folder / key(release)
    if not made.is_dir():
        with _alone(folder / f"{made.name}.lock", on_step):
            if not made.is_dir():
                _build(release, made, on_step)
    return Root(release, made)


def releases_in(made: Path) -> dict[str, str]:
    """Give the releases of the daemons in the root *made*, such as 3.10.8 for the package 3.10.8-1.1+deb12u1."""
    text = (made / "var/lib/dpkg/status").read_text(encoding="utf-8", errors="replace")
    found = {}
    for paragraph in text.split("\n\n"):
        package = _PACKAGE.search(paragraph)
        version = _VERSION.search(paragraph)
        if package and version and package[1] in _DAEMONS:
            found[_DAEMONS[package[1]]] = version[1]
    return found


@contextmanager
def _alone(lock: Path, on_step: Callable[[str], None]) -> Iterator[None]:
    """Hold *lock*; the kernel lets go of it when its holder dies."""
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_step("waiting for another lab that makes the same root")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(release: str, made: Path, on_step: Callable[[str], None]) -> None:
    for left in made.parent.glob(f"{made.name}.partial*"):  # of a builder that was killed
        shutil.rmtree(left)
    on_step(f"making the root of {release}, once: about a minute")
    partial = made.parent / f"{made.name}.partial"
    log = made.parent / f"{made.name}.log"
    lines = "\n".join(mirrors.sources(release, mirrors.known_mirrors())) + "\n"
    status: int | None = None
    try:
        with log.open("w", encoding="utf-8") as told:
            # When this process is interrupted, run() kills the first of them, and --kill-child the others.
            command = _command(release, partial)
            status = subprocess.run(command, input=lines, stdout=told, stderr=told, text=True, check=False).returncode
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is not installed: `rmqha lab doctor` says how to install it") from None
    finally:
        if status != 0 and partial.exists():
            shutil.rmtree(partial, ignore_errors=True)
    if status:
        said = "".join(f"\n  {line}" for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise LabError(f"mmdebstrap could not make the root of {release}: exit status {status}; see {log}{said}")
    partial.rename(made)


def _command(release: str, target: Path) -> list[str]:
    # Process and mount namespaces of its own, which die with this process, however it dies.
    command = ["setpriv", "--pdeathsig", "KILL"]
    command += ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation", "private"]
    command += [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        "--skip=output/dev",
    ]
    if release in _OLD and Path(_MERGED_USR).is_file():
        command.append(f"--setup-hook={_MERGED_USR}")
    options = ['Acquire::Languages "none"', 'APT::Install-Recommends "false"', *mirrors.apt_options()]
    # A mirror's copy of a release can be older than its Release file allows; nothing here faces a network.
    options.append('Acquire::Check-Valid-Until "false"')
    command += [f"--aptopt={option}" for option in options]
    command += [f"--customize-hook={hook}" for hook in _CUSTOMIZE]
    return [*command, release, str(target), "-"]
