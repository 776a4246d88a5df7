"""What this machine lacks to hold a lab, and the command that gives it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from integration.errors import LabError
from integration.lab import cgroups
from integration.lab.places import cache, labs

__all__ = ["Finding", "examine", "require", "require_packages"]

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "openssl": "openssl",
}
"""Programs, and Debian's packages of them."""
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PACKAGES = ("pika", "pytest")
"""What the extra ``lab`` brings."""
_EXTRA = "run: pip install 'rmqha-model[lab]'; from a checkout: pip install '.[lab]'"
_DISK_GIB = 3
"""A root is 0.4 GiB, and a host writes some 0.1 GiB in an hour of tests."""
_MEMORY_GIB = 2
"""Three hosts with all daemons take under 1 GiB; clients and tests come on top."""


class Finding(NamedTuple):
    """One thing that a lab needs: whether it is here, and if not the command that gives it."""

    what: str
    fine: bool
    remedy: str = ""


def examine() -> tuple[Finding, ...]:
    """Look at everything a lab needs."""
    return (*_rights(), *_programs(), *_kernel(), *_python(), *_room())


def require() -> None:
    """Go on only when nothing is missing.

    Raises:
        LabError: something is; it names all of it.
    """
    missing = [finding for finding in examine() if not finding.fine]
    if missing:
        lines = "".join(f"\n  {f.what}{f'; {f.remedy}' if f.remedy else ''}" for f in missing)
        raise LabError(f"this machine cannot hold a lab:{lines}")


def require_packages() -> None:
    """Go on only when the Python packages are there that tests and clients are made of.

    Raises:
        LabError: one is not; it names all that are not.
    """
    missing = [name for name in _PACKAGES if not _importable(name)]
    if missing:
        raise LabError(f"found no Python package {' and no '.join(missing)}; {_EXTRA}")


def _rights() -> Iterator[Finding]:
    yield Finding("root: namespaces and mounts are made", os.geteuid() == 0, "run: sudo rmqha lab ...")


def _programs() -> Iterator[Finding]:
    for program, package in _PROGRAMS.items():
        found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is not None
        yield Finding(f"program {program}", found, f"run: apt-get install {package}")
    yield Finding("keys of Debian's archive", _KEYRING.is_file(), "run: apt-get install debian-archive-keyring")


def _kernel() -> Iterator[Finding]:
    filesystems = Path("/proc/filesystems").read_text(encoding="ascii").split()
    yield Finding("kernel: overlayfs", "overlay" in filesystems, "run: modprobe overlay")
    for kind in ("net", "mnt", "pid", "uts", "ipc", "cgroup"):
        yield Finding(
            f"kernel: {kind} namespaces", Path(f"/proc/self/ns/{kind}").exists(), "boot a kernel that has them"
        )
    try:
        top: Path | None = cgroups.mounted()
    except LabError:
        top = None
    yield Finding(
        "control groups of version 2, writable",
        top is not None and os.access(top, os.W_OK),
        "run: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    )


def _python() -> Iterator[Finding]:
    for module in _PACKAGES:
        yield Finding(f"Python package {module}", _importable(module), _EXTRA)


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _room() -> Iterator[Finding]:
    for folder, variable in ((labs(), "RMQHA_LAB_STATE"), (cache(), "RMQHA_LAB_CACHE")):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free / 2**30
        yield Finding(
            f"{_DISK_GIB} GiB of disk for {folder}: {free:.1f} are free",
            free >= _DISK_GIB,
            f"set {variable} to a folder with more room",
        )
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) / 2**20
    yield Finding(f"{_MEMORY_GIB} GiB of memory: {free:.1f} are free", free >= _MEMORY_GIB, "end something")
