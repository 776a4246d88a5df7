"""``rmqha lab doctor``: what this machine lacks."""

from __future__ import annotations

from typing import Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.output import print_json

__all__ = ["doctor"]


@tells_errors
def doctor(
    all_: Annotated[bool, typer.Option("--all", help="Also what is there.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> ExitCode:
    """Say what this machine lacks to hold a lab, and the command that gives it.

    Exit status: 0 nothing; 1 something.

    \b
        rmqha lab doctor
    """
    from integration.lab.doctor import examine

    found = examine()
    lacks = [finding for finding in found if not finding.fine]
    if json_:
        print_json([finding._asdict() for finding in found])
    else:
        for finding in found if all_ else lacks:
            mark, colour = ("ok", "green") if finding.fine else ("missing", "red")
            remedy = f"; {finding.remedy}" if finding.remedy and not finding.fine else ""
            typer.secho(f"{mark}: {finding.what}{remedy}", fg=colour)
        if not lacks:
            typer.secho("this machine can hold a lab", fg="green")
    return ExitCode.NO if lacks else ExitCode.DONE
