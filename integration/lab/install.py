"""Boot the hosts, and do with the generated files what the generated runbook says: nothing else, nothing by hand."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from generators.steps import ORDER, own_steps
from integration.errors import Unhealthy

if TYPE_CHECKING:
    from integration.lab.lab import Lab
    from integration.lab.machine import Machine

__all__ = ["boot", "deliver", "install", "run_scripts"]

TREE = "root/rmqha"
"""Where the runbook has each host's files copied to."""
_BOOT_S = 90
_INSTALL_S = 900
"""A broker waits for its seed for 300 s by default, and for its tables as long again."""
_SHOWN_LINES = 15
OnStep = Callable[[str], None]


def deliver(lab: Lab, tree: Path) -> None:
    """Copy the files of each host to it as they were generated, before it is switched on for the first time."""
    for host, machine in lab.hosts.items():
        target = machine.layer.folder(TREE)
        shutil.copytree(tree / host, target, symlinks=True, dirs_exist_ok=True)


def boot(lab: Lab, on_step: OnStep) -> None:
    """Switch all hosts on, and wait until each has booted.

    Raises:
        Unhealthy: one does not come up.
    """
    for machine in lab.hosts.values():
        machine.start()
    left = list(lab.hosts.values())
    deadline = time.monotonic() + _BOOT_S
    while left:
        on_step(f"waiting for {_names(left)} to boot")
        time.sleep(0.2)
        left = [machine for machine in left if not (machine.running and machine.booted())]
        if left and time.monotonic() > deadline:
            said = "".join(f"\n{machine.name}:{machine.last_words()}" for machine in left)
            raise Unhealthy(f"{_names(left)} did not boot within {_BOOT_S} s; the last words:{said}")


def install(lab: Lab, on_step: OnStep) -> None:
    """Run the generated installer on every host.

    All at once: what has to wait for another host does so itself, and where blank brokers wait for each other none
    would be ready before the next one is begun.

    Raises:
        Unhealthy: it failed somewhere; the text holds its last words.
    """
    installer = partial(_script, path=f"/{TREE}/install.sh", arguments=("--no-packages",))
    _on_all(lab.hosts.values(), installer, "installing on {}", on_step)


def run_scripts(lab: Lab, on_step: OnStep) -> None:
    """Run the generated scripts, in their order: those of each broker on all but the seed, the others on the seed.

    Raises:
        Unhealthy: one failed; the text holds its last words.
    """
    for step in ORDER:
        machines = [
            machine for host, machine in lab.hosts.items() if step in own_steps(lab.topology, host, lab.bundle.of(host))
        ]

        _on_all(machines, partial(_script, path=step.path), f"waiting for {{}} to {step.purpose}", on_step)


def _on_all(machines: Iterable[Machine], act: Callable[[Machine], None], saying: str, on_step: OnStep) -> None:
    """Do *act* on all at once; the first failure is raised, and what still runs elsewhere is not waited for."""
    left = list(machines)
    ended: queue.SimpleQueue[tuple[Machine, Exception | None]] = queue.SimpleQueue()

    def one(machine: Machine) -> None:
        try:
            act(machine)
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            ended.put((machine, error))
        else:
            ended.put((machine, None))

    for machine in left:
        # Daemons: an interrupted command must not wait for an installer that waits for another host.
        threading.Thread(target=one, args=(machine,), daemon=True).start()
    while left:
        on_step(saying.format(_names(left)))
        machine, error = ended.get()
        if error is not None:
            raise error
        left.remove(machine)


def _script(machine: Machine, path: str, arguments: tuple[str, ...] = ()) -> None:
    done = machine.run(path, *arguments, timeout_s=_INSTALL_S)
    if done.status:
        said = (done.out + done.err).strip().splitlines()[-_SHOWN_LINES:]
        lines = "".join(f"\n  {line}" for line in said)
        raise Unhealthy(f"{machine.name}: {path} ended with exit status {done.status}; its last words:{lines}")


def _names(machines: Iterable[Machine]) -> str:
    return ", ".join(machine.name for machine in machines)
