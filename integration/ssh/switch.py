"""A dead man's switch: what a host does by itself when it has not heard for a while from who did something to it.

It is a timer of systemd on the host, started before the thing is done and started anew again and again while it lasts.
When this program ends, or the network does, the timer runs out and its script undoes the thing.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from integration.errors import LabError, NotPossible
from integration.ssh.together import on_all, tried_on_all

if TYPE_CHECKING:
    from integration.ssh.host import SshHost

__all__ = ["LEASE_S", "Switch"]

LEASE_S = 60
RENEW_S = 15
"""A lost connection is noticed within 15 s and made again within 10 or 20 more: before the lease ends."""
_FOLDER = "/run/rmqha"
"""In memory: a host that boots again has forgotten what was done to it, and what undoes it.

A mark of a timer that ran out stays there for an hour at least, for who comes back too late.
"""

_ARM = """set -e
umask 077
mkdir -p "$1"
find "$1" -name "*.acted" -mmin +60 -delete
cat >"$1/$2.sh"
exec systemd-run --quiet --collect --unit="$2" --on-active="$3" --timer-property=AccuracySec=1s \\
  --description="rmqha: undo a fault that nobody is there to undo" /bin/sh "$1/$2.sh"
"""
_RENEW = 'if [ -e "$1/$2.acted" ]; then echo acted; else systemctl restart "$2.timer"; fi'
_DISARM = """systemctl stop "$2.timer" 2>/dev/null
if [ -e "$1/$2.acted" ]; then echo acted; fi
rm -f "$1/$2.sh" "$1/$2.acted"
rmdir "$1" 2>/dev/null
true
"""
_SCRIPT = """#!/bin/sh
: >{folder}/{name}.acted
rm -f {folder}/{name}.sh
{undo}
"""


class Switch:
    """The switches of one fault: on each host a script that undoes what is done to it there."""

    def __init__(self, scripts: Mapping[SshHost, str], on_note: Callable[[str], None]) -> None:
        self.name = f"rmqha-undo-{secrets.token_hex(6)}"
        self._scripts = dict(scripts)
        self._on_note = on_note
        self._acted: set[str] = set()
        self._over = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name=self.name, daemon=True)

    def arm(self) -> None:
        """Start the timers.

        Raises:
            NotPossible: a host has no systemd-run.
            LabError: a host cannot be reached; no timer is left where one can be.
        """
        try:
            on_all(self._arm_one, self._scripts.items())
        except LabError:
            self.release()
            raise
        self._renewing.start()

    def leave(self) -> None:
        """Start the timers anew no more, so that they run out."""
        self._over.set()
        if self._renewing.ident:
            self._renewing.join()

    def release(self) -> tuple[str, ...]:
        """Stop the timers where they can be reached; give the hosts on which they have run out before."""
        self.leave()
        tried_on_all(self._disarm_one, self._scripts)
        return tuple(sorted(self._acted))

    def _arm_one(self, item: tuple[SshHost, str]) -> None:
        host, undo = item
        script = _SCRIPT.format(folder=_FOLDER, name=self.name, undo=undo)
        done = host.run("sh", "-c", _ARM, "sh", _FOLDER, self.name, str(LEASE_S), stdin=script)
        if done.status:
            words = done.err.strip()[-300:] or f"exit status {done.status}"
            raise NotPossible(f"{host.name}: no fault without a timer that undoes it, and systemd-run says: {words}")

    def _disarm_one(self, host: SshHost) -> None:
        if "acted" in host.run("sh", "-c", _DISARM, "sh", _FOLDER, self.name).out:
            self._acted.add(host.name)

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S):
            # A host that cannot be reached is tried again; its timer runs meanwhile.
            tried_on_all(self._renew_one, [item for item in self._scripts.items() if item[0].name not in self._acted])

    def _renew_one(self, item: tuple[SshHost, str]) -> None:
        host, _ = item
        done = host.run("sh", "-c", _RENEW, "sh", _FOLDER, self.name, timeout_s=RENEW_S)
        if "acted" in done.out:
            self._acted.add(host.name)
            self._on_note(f"{host.name} was out of reach for {LEASE_S} s, and has undone by itself what was done to it")
        elif done.status and not self._over.is_set():
            # It has booted since, and may still have files that are to be put back.
            self._arm_one(item)
