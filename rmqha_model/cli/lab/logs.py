"""``rmqha lab logs``: what a host of a lab has to say."""

from __future__ import annotations

from typing import Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.lab.choice import LabName

__all__ = ["logs"]


@tells_errors
def logs(
    host: Annotated[str, typer.Argument(help="A host of the design.", show_default=False)],
    unit: Annotated[
        str | None, typer.Argument(help="rabbitmq, haproxy, keepalived, or a unit of systemd.", show_default="all")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many lines at most.", min=1)] = 200,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    console: Annotated[bool, typer.Option("--console", help="What it wrote to its console instead.")] = False,
    lab: LabName = None,
) -> ExitCode:
    """Show the journal of a host, over all of its boots; of a host that is off too.

    \b
        rmqha lab logs rabbit1 keepalived
        rmqha lab logs rabbit2 rabbitmq --follow
        rmqha lab logs lb1 --console
    """
    import os
    import shutil
    import sys

    from integration.lab.health import SERVICES
    from rmqha_model.cli.lab.choice import chosen

    machine = chosen(lab).host(host)
    sys.stdout.flush()
    if console:
        command = ["tail", f"--lines={lines}", *(["--follow"] if follow else []), "--", str(machine.console)]
    else:
        asked = ["--no-pager", f"--lines={lines}", *(["--follow"] if follow else [])]
        asked += [f"--unit={SERVICES.get(unit, unit)}"] if unit else []
        if machine.running:
            command = machine.command("/usr/bin/journalctl", *asked)
        else:
            command = ["journalctl", f"--directory={machine.folder / 'upper/var/log/journal'}", *asked]
    os.execv(shutil.which(command[0]) or command[0], command)  # noqa: S606 - a list, never a shell
