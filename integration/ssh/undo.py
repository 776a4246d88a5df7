"""What undoes a fault, as a script that its host can run alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from integration.errors import NotPossible
from integration.faults.steps import Continue, Evaluate, Link, PowerOn, Restore, Start

if TYPE_CHECKING:
    from integration.faults.steps import Step

__all__ = ["NO_CABLE", "NO_POWER", "scripts"]

NO_POWER = (
    "reached by ssh, which cannot give power back: cut and give it by the hypervisor or the power strip, or use "
    "host_reboot"
)
NO_CABLE = (
    "reached by ssh, which has no hand on the cable: pull it by the hypervisor or the switch, or use a partition of "
    "this host from all others; an interface that is shut down from inside takes ssh with it"
)

_START = """\
if ! systemctl --quiet is-active {unit}; then
  systemctl reset-failed {unit} 2>/dev/null
  systemctl --no-block start {unit}
fi"""
# A number may be another process's by now: it is a process of the unit as long as it is in its control group.
_CONTINUE = "for pid in {pids}; do grep -q {unit} /proc/$pid/cgroup 2>/dev/null && kill -s CONT $pid; done"
_EVALUATE = """\
if [ "$(systemctl show --property InvocationID --value rabbitmq-server.service)" = {invocation} ]; then
  rabbitmqctl -q eval {expression}
fi"""
_RESTORE = """\
echo {content} | base64 -d >{path}.rmqha && chown {owner} {path}.rmqha && chmod {mode} {path}.rmqha && \\
  sync {path}.rmqha && mv -f {path}.rmqha {path}"""


def scripts(steps: Iterable[Step]) -> dict[str, str]:
    """Give the script of each host that *steps* do something on.

    Raises:
        NotPossible: a step is none that a host can do alone.
    """
    lines: dict[str, list[str]] = {}
    for step in steps:
        text = _text(step)
        if text:
            lines.setdefault(getattr(step, "host", ""), []).append(text)
    return {host: "\n".join(("umask 077", *texts)) for host, texts in lines.items()}


def _text(step: Step) -> str:
    match step:
        case Start():
            return _START.format(unit=shlex.quote(step.unit))
        case Continue():
            return _CONTINUE.format(unit=shlex.quote(step.unit), pids=" ".join(map(str, step.pids)))
        case Evaluate():
            words = {"invocation": shlex.quote(step.invocation), "expression": shlex.quote(step.expression)}
            return _EVALUATE.format(**words)
        case Restore():
            names = ("content", "path", "owner", "mode")
            return _RESTORE.format(**{name: shlex.quote(getattr(step, name)) for name in names})
        case PowerOn():
            raise NotPossible(f"{', '.join(step.hosts)}: {NO_POWER}")
        case Link():
            raise NotPossible(f"{step.host}: {NO_CABLE}")
    return ""  # Rules that drop packets have a switch of their own.
