"""How commands end, and how errors reach people."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import ParamSpec

import typer

__all__ = ["ExitCode", "tells_errors"]

P = ParamSpec("P")


class ExitCode(enum.IntEnum):
    """What the shell is told."""

    DONE = 0
    """It was done, and all is well."""
    NO = 1
    """It was done, and the answer is no: files differ, a check failed, something was kept back."""
    WRONG = 2
    """It was not done: usage or input is wrong."""
    INTERRUPTED = 130
    """It was stopped from outside (128 + SIGINT, as shells count)."""


def tells_errors(command: Callable[P, ExitCode]) -> Callable[P, None]:
    """Make *command* end with its exit code, and tell its errors in words on stderr."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        from rmqha_model.errors import RmqhaError

        try:
            code = command(*args, **kwargs)
        except RmqhaError as error:
            for line in str(error).splitlines():
                typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
                typer.echo(line, err=True)
            raise typer.Exit(ExitCode.WRONG) from None
        if code:
            raise typer.Exit(code)

    return told
