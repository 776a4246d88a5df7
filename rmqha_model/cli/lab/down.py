"""``rmqha lab down``: nothing of a lab is left."""

from __future__ import annotations

from typing import Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors
from rmqha_model.cli.lab.choice import LabName
from rmqha_model.cli.output import steps, tell

__all__ = ["down"]


@tells_errors
def down(
    name: Annotated[str | None, typer.Argument(help="Which lab.", show_default="the only one")] = None,
    lab: LabName = None,
    all_: Annotated[bool, typer.Option("--all", help="Every lab of this machine.")] = False,
) -> ExitCode:
    """Take a lab down: hosts, network and files, also of one that was interrupted or killed while it was made.

    What goes is what stands in the lab's record, and nothing else. Exit status: 0 gone; 1 there was none.

    \b
        rmqha lab down
        rmqha lab down article-fixed
    """
    from integration.lab import down as take_down
    from integration.lab import names
    from rmqha_model.cli.lab.choice import chosen_name

    name = name or lab
    if all_:
        wanted: tuple[str, ...] = names()
    elif name or names():
        wanted = (chosen_name(name),)
    else:
        wanted = ()
    if not wanted:
        tell("there is no lab")
        return ExitCode.DONE if all_ else ExitCode.NO
    code = ExitCode.DONE
    for each in wanted:
        with steps("lab down") as on_step:
            there = take_down(each, on_step)
        tell(f"lab {each}: {'gone' if there else 'there is none'}")
        code = code if there else ExitCode.NO
    return code
