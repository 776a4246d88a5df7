"""``rmqha lab exec``: a command on a host of a lab."""

from __future__ import annotations

from typing import Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.lab.choice import LabName

__all__ = ["execute"]


@tells_errors
def execute(
    context: typer.Context,
    host: Annotated[str, typer.Argument(help="A host of the design, or `@clients`.", show_default=False)],
    lab: LabName = None,
) -> ExitCode:
    """Run a command on a host, as root; its exit status is this command's.

    On `@clients` a program of this machine is run with the network that the design's clients have.

    \b
        rmqha lab exec rabbit1 rabbitmqctl cluster_status
        rmqha lab exec rabbit1 bash
        rmqha lab exec @clients curl -s http://172.16.2.200:8100/stats
    """
    import os
    import shutil
    import sys

    from integration.errors import LabError
    from integration.lab.network import CLIENTS
    from rmqha_model.cli.lab.choice import chosen

    command = list(context.args)
    if not command:
        raise LabError("command: found none; allowed: rmqha lab exec HOST COMMAND [ARGUMENT]...")
    if lab is None and command[-2:-1] in (["--lab"], ["-l"]):
        raise LabError(f"found {command[-2]} after the command, whose own it would be; allowed: before the host")
    found = chosen(lab)
    if host == CLIENTS:
        line = found.client_command(*command)
    else:
        terminal = os.environ.get("TERM", "linux") if sys.stdin.isatty() and sys.stdout.isatty() else ""
        line = found.host(host).command(*command, terminal=terminal)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(shutil.which(line[0]) or line[0], line)  # noqa: S606 - a list, never a shell
