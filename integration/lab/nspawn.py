"""How systemd-nspawn is started for a host, so that whoever starts it may die at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

__all__ = ["arguments", "launcher", "machine_name"]

# Goes on when it is told to, which is after its number was written down, and ends when whoever would tell it has died.
# The overlay is mounted for this process alone, and is gone with it.
_LAUNCH = """\
echo $$
read -r go || exit 1
exec >>"$CONSOLE" 2>&1 </dev/null
echo $$ >"$GROUP/cgroup.procs" || exit 1
mount -t overlay -o "lowerdir=$LOWER,upperdir=$FOLDER/upper,workdir=$FOLDER/work" overlay "$FOLDER/root" || exit 1
while :; do
    "$@"
    # What nspawn says when the host was rebooted, and somebody else keeps it (systemd's EXIT_FORCE_RESTART).
    test $? = 133 || exit
done
"""


def machine_name(lab: str, host: str) -> str:
    """Give the name nspawn knows a host by: no other lab's, and within its 64 characters."""
    return f"rmqha-{hashlib.sha256(f'{lab}.{host}'.encode()).hexdigest()[:12]}"


def launcher(folder: Path, lower: Path, console: Path, group: Path, command: Sequence[str]) -> list[str]:
    """Give the command line that mounts the overlay in *folder* and runs *command*, in the control group *group*.

    It tells its process number, and goes on when it reads a line.
    """
    variables = {"CONSOLE": console, "GROUP": group, "LOWER": lower, "FOLDER": folder}
    line = ["setsid", "--fork", "unshare", "--mount", "--propagation", "private"]
    line += ["env", *(f"{name}={value}" for name, value in variables.items())]
    # systemd 258 and newer boots with the unified hierarchy only, older ones with either.
    line += ["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "SYSTEMD_NSPAWN_LOCK=0"]
    # net.* is the namespace's own, and may be set; all other kernel settings are the machine's, and may not.
    line.append("SYSTEMD_NSPAWN_API_VFS_WRITABLE=network")
    return [*line, "sh", "-c", _LAUNCH, "launch", *command]


def arguments(lab: str, host: str, folder: Path, namespace: str) -> list[str]:
    """Give the command line of nspawn."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={folder / 'root'}",
        f"--machine={machine_name(lab, host)}",
        # As a fresh installation has it: the host gets its own name from the generated files.
        "--hostname=debian",
        f"--network-namespace-path={namespace}",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        "--private-users=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        # keepalived adds addresses and asks for real-time priority; without, it believes it is master and is not.
        "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE",
    ]
