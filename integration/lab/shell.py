"""Programs of this machine, run to their end, with their own words when they fail."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence

from integration.errors import LabError

__all__ = ["run"]

_SHOWN_LINES = 12
_LONGEST_S = 120


def run(command: Sequence[str], *, stdin: str = "", timeout_s: float = _LONGEST_S, apart: bool = False) -> str:
    """Run *command*, which must succeed, and give what it wrote; one that is *apart* no Ctrl-C of a terminal reaches.

    Raises:
        LabError: it is not there, failed, or did not end in time.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            process_group=0 if apart else None,
        )
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed: `rmqha lab doctor` says how to install it") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{shlex.join(command)}: did not end within {timeout_s:.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_SHOWN_LINES:]
        lines = "".join(f"\n  {line}" for line in said)
        raise LabError(f"{shlex.join(command)}: exit status {done.returncode}{lines}")
    return done.stdout
