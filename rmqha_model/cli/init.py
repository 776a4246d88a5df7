"""``rmqha init``: a commented topology to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmqha_model.cli.exits import ExitCode, tells_errors

__all__ = ["init"]


@tells_errors
def init(
    out: Annotated[
        Path | None, typer.Argument(help="Where to write it; left out, it is printed.", show_default=False)
    ] = None,
    pattern: Annotated[
        str, typer.Option("--pattern", "-p", help="Which layout; see --list.", metavar="NAME")
    ] = "dedicated-lb",
    list_: Annotated[bool, typer.Option("--list", "-l", help="List the layouts and stop.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> ExitCode:
    """Write a commented topology to start from.

    \b
        rmqha init --list
        rmqha init topology.yaml --pattern colocated
    """
    from rmqha_model.errors import RmqhaError, WriteError, did_you_mean
    from rmqha_model.patterns import PATTERNS

    if list_:
        for name, known in PATTERNS.items():
            typer.echo(f"{name}\n    {known.title}\n    Choose it when {known.choose_when}.\n    Costs: {known.costs}.")
        return ExitCode.DONE
    if pattern not in PATTERNS:
        hint = did_you_mean(pattern, list(PATTERNS))
        raise RmqhaError(
            f"--pattern: found {pattern!r}; allowed: {', '.join(PATTERNS)}" + (f"; {hint}" if hint else "")
        )
    if out is None:
        typer.echo(PATTERNS[pattern].text, nl=False)
        return ExitCode.DONE
    try:
        with out.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(PATTERNS[pattern].text)
    except FileExistsError:
        raise WriteError(f"{out}: there is a file already; --force replaces it") from None
    except OSError as error:
        raise WriteError(f"{out}: cannot be written: {error.strerror}") from error
    typer.echo(f"{out} written; next: rmqha generate {out} --out build", err=True)
    return ExitCode.DONE
