"""What happens in fresh namespaces before a program is run in them: the machine is closed, the wanted files are laid.

Run as a script by :mod:`generators.validate.run`, with what is wanted as JSON on standard input and the number of a
file descriptor as only argument; ``ok`` is written there when everything stands and the program is about to take this
process's place, else what went wrong. It imports nothing but the standard library: the project is not on its path.

By then ``unshare`` has given this process mounts, a network, a host name and a process table of its own. It is
process 1 of that table: when it ends, for whatever reason, the kernel ends every process started in there, and the
mounts, the network and all that was written go with them. No clean-up can be forgotten, not even by ``kill -9``.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

# linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
KEPT_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC
"""Flags a remount has to repeat (statvfs(3) gives them the same values): a user namespace may not drop them."""

# linux/prctl.h
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
KEPT_CAPABILITIES = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15, 18, 23, 24})
"""Of linux/capability.h, what a daemon may need for itself: files, users, signals, its own network, chroot, limits.

Not kept are those that reach out of here: modules, devices, mounts and namespaces, tracing, the clock, reboot.
"""

WORK = Path("/dev/shm")  # noqa: S108 - not a temporary file: a folder every Linux has, to mount a private tmpfs on
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source: str | Path, target: str | Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount something: the system call."""
    words = [str(word).encode("utf-8", "surrogateescape") for word in (source, target, kind, options)]
    if LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind} on {target}: {os.strerror(number)}")


def connect(ip: str, links: dict[str, list[str]]) -> None:
    """Make network interfaces of the wanted names and addresses; they lead nowhere."""
    commands = ["link set lo up"]
    for number, (name, addresses) in enumerate(links.items()):
        # Not type dummy: that is a module many kernels lack. nodad: an IPv6 address is to be usable at once.
        commands += [f"link add {name} type veth peer name rmqha-{number}", f"link set rmqha-{number} up"]
        commands += [f"address add {one} dev {name}{' nodad' if ':' in one else ''}" for one in addresses]
        commands.append(f"link set {name} up")
    done = subprocess.run(
        [ip, "-batch", "-"], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=10, check=False
    )
    if done.returncode != 0:
        raise OSError(f"ip: {done.stderr.strip() or done.returncode}")


def close_machine() -> None:
    """Make every mount of the machine read-only, as seen from here."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        # A blank is written \040; any other byte stands for itself.
        point = os.fsdecode(os.fsencode(line.split(" ")[4]).decode("unicode_escape").encode("latin-1"))
        if " - autofs " in line:  # to look at it would mount it
            continue
        try:
            flags = os.statvfs(point).f_flag & KEPT_FLAGS
        except OSError:  # below another mount, or somebody's private FUSE: out of the program's reach as well
            continue
        mount("", point, "", MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def lay(root: Path, wanted: dict[str, Any], *, give_away: bool) -> None:
    """Write the wanted folders and files below *root*, with their modes and, where possible, their owners."""
    for thing in wanted["folders"] + wanted["files"]:
        place, name = os.path.split(thing["path"])
        # Links on the way are followed (/lib is usr/lib); one that stands at the very place is replaced.
        path = Path(str(root) + os.path.realpath(place)) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "content" in thing:
            path.write_text(thing["content"], encoding="utf-8")
        else:
            path.mkdir(exist_ok=True)
        if give_away:
            os.chown(path, thing["uid"], thing["gid"])
        path.chmod(thing["mode"])


def cover(wanted: dict[str, Any], *, own_users: bool) -> None:
    """Put a writable layer that holds the wanted files over the machine's own folders."""
    mount("rmqha", WORK, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    layers, upper = WORK / ".layers", WORK / ".layers" / "upper"
    for folder in (layers, upper, upper / "run"):
        folder.mkdir(mode=0o755 if folder != layers else 0o700)
    lay(upper, wanted, give_away=not own_users)
    for name in sorted({"etc", "var", "tmp"} | {folder.name for folder in upper.iterdir()} - {"run"}):
        top, there, scratch = Path("/", name), upper / name, layers / f"scratch-{name}"
        there.mkdir(exist_ok=True)
        if not top.exists():
            continue
        there.chmod(top.stat().st_mode & 0o7777)
        scratch.mkdir()
        options = f"lowerdir={top},upperdir={there},workdir={scratch}" + (",userxattr" if own_users else "")
        mount("rmqha", top, "overlay", 0, options)
    for path in ["/run", *(path for path in wanted["alone"] if os.path.lexists(path))]:
        mount(upper / path.lstrip("/"), path, "", MS_BIND)  # the layer itself, without what the machine has below it


def own_root() -> None:
    """Change to a root folder of our own.

    In it a folder can be made that this machine does not have. And it is root's, also where the machine's is nobody's
    because the user namespace knows only one user: keepalived trusts no script below a folder that is not root's.
    """
    root, upper = WORK / ".layers" / "root", WORK / ".layers" / "upper"
    root.mkdir()
    mount("rmqha", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    new = [folder for folder in upper.iterdir() if not Path("/", folder.name).exists()]
    for entry in sorted([*Path("/").iterdir(), *new]):
        there = root / entry.name
        if entry.is_symlink():
            there.symlink_to(entry.readlink())
        elif entry.is_dir():
            there.mkdir()
            mount(entry, there, "", MS_BIND | MS_REC)
    os.chroot(root)


def give_up_rights() -> None:
    """Leave a program that runs as root only the capabilities that stay inside."""
    number = 0
    while (has := LIBC.prctl(PR_CAPBSET_READ, number, 0, 0, 0)) >= 0:
        if has and number not in KEPT_CAPABILITIES:
            LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        number += 1


def main(report: int) -> None:
    """Do all of it, then become the program."""
    os.set_inheritable(report, False)  # noqa: FBT003 - it takes no keyword
    try:
        wanted: dict[str, Any] = json.load(sys.stdin)
        os.umask(0o022)
        socket.sethostname(wanted["hostname"])
        connect(wanted["ip"], wanted["links"])
        close_machine()
        cover(wanted, own_users=wanted["own_users"])
        own_root()
        give_up_rights()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.chdir("/")
        os.write(report, b"ok")
        os.execve(wanted["argv"][0], wanted["argv"], wanted["env"])  # noqa: S606 - no shell is what is wanted
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        os.write(report, f" {type(error).__name__}: {error}".encode())
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
