"""Generated files judged by the programs they are for.

``validate`` gives every file of a bundle that a program on this machine can judge to that program, as it stands, and
says what the program thinks of it. What is not installed is skipped, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from generators.validate import (
    ansible,
    cloud_init,
    firewalld,
    haproxy,
    keepalived,
    logrotate,
    nftables,
    promtool,
    rabbitmq,
    rsyslog,
    shell,
    sysctl,
    systemd,
    tmpfiles,
)
from generators.validate.files import Tree
from generators.validate.redact import hider
from generators.validate.task import Task, perform
from generators.validate.verdict import Status, Verdict

if TYPE_CHECKING:
    from generators.bundle import Bundle

__all__ = ["Status", "Verdict", "validate"]

CHECKS: tuple[Callable[[Tree], Iterator[Task]], ...] = (
    haproxy.tasks,
    keepalived.tasks,
    shell.tasks,
    nftables.tasks,
    firewalld.tasks,
    systemd.tasks,
    tmpfiles.tasks,
    sysctl.tasks,
    logrotate.tasks,
    rsyslog.tasks,
    promtool.tasks,
    ansible.tasks,
    cloud_init.tasks,
)


def validate(  # noqa: PLR0913 - all but the bundle have names and mostly defaults
    bundle: Bundle,
    *,
    versions: Mapping[str, str],
    boot: bool = True,
    programs: Collection[str] | None = None,
    secrets: Collection[str] = (),
    on_step: Callable[[str], None] | None = None,
) -> tuple[Verdict, ...]:
    """Have the files of a bundle checked.

    *versions* are those the design is for, by ``haproxy``, ``keepalived`` and ``rabbitmq``. *boot* starts a RabbitMQ
    node on each distinct configuration, some 10 to 20 s each. *programs* are the only ones to ask, by the names that
    verdicts have; ``None`` asks all. *secrets* are blotted out of what is reported, as are those that secret files
    visibly hold. *on_step* is told what is about to happen.
    """
    tree = Tree(bundle)
    redact = hider(secrets, bundle.artefacts)
    verdicts: list[Verdict] = []
    for check in (*CHECKS, *((rabbitmq.tasks,) if boot else ())):
        for task in check(tree):
            if programs is not None and task.program not in programs:
                continue
            if on_step:
                on_step(task.title)
            verdicts += perform(task, versions, redact)
    return tuple(verdicts)
