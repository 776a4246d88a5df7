"""A throw-away copy of this machine: a script can install, overwrite and delete in it what it likes, and nothing stays.

The copy is an overlay in fresh namespaces: what is written goes to memory. The network has a loopback only. When the
script ends, or the test is killed, the kernel ends every process inside and drops the mounts with them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

STAGE = r"""
set -euo pipefail
room=$1 host=$2 script=$3
shift 3
mount -t tmpfs -o mode=0755 tmpfs "$room"
mkdir "$room/upper" "$room/work" "$room/root"
mount -t overlay -o "lowerdir=/,upperdir=$room/upper,workdir=$room/work" overlay "$room/root"
root=$room/root
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/run/lock" "$root/run/haproxy"
while [ $# -gt 0 ]; do
    mkdir -p "$root$2"
    cp -a "$1/." "$root$2"
    shift 2
done
hostname "$host"
ip link set lo up
exec chroot "$root" /usr/bin/env -i PATH="$PATH" HOME=/root LANG=C.UTF-8 bash -euo pipefail -c "$script"
"""


def run(
    tmp_path: Path,
    script: str,
    *,
    bring: Mapping[Path, str] | None = None,
    host: str = "rabbit1",
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a bash *script* as root in a copy of this machine; *bring* says which folders are put in, and where."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a throw-away copy of the machine is an overlay mount")
    for program in ("unshare", "chroot", "mount", "ip"):
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"{program} is not installed")
    room = tmp_path / "room"
    room.mkdir(exist_ok=True)
    brought = [str(part) for pair in (bring or {}).items() for part in pair]
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "--",
        "unshare",
        "--mount",
        "--pid",
        "--net",
        "--uts",
        "--ipc",
        "--fork",
    ]
    command += [
        "--kill-child",
        "--propagation",
        "private",
        "bash",
        "-c",
        STAGE,
        "stage",
        str(room),
        host,
        script,
        *brought,
    ]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env={"PATH": PATH, "LANG": "C.UTF-8"},
    )
