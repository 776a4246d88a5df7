"""The command line. A command is a module; what it needs is imported when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from rmqha_model.cli.budget import budget
from rmqha_model.cli.exits import ExitCode
from rmqha_model.cli.generate import generate
from rmqha_model.cli.graph import graph
from rmqha_model.cli.init import init
from rmqha_model.cli.lab import lab
from rmqha_model.cli.schema import schema
from rmqha_model.cli.simulate import simulate
from rmqha_model.cli.validate import validate

__all__ = ["app", "main"]

EPILOG = """\
Exit status: 0 done; 1 the answer is no (files differ, a check failed, a file changed by hand was kept);
2 wrong usage or input; 130 interrupted.
"""

app = typer.Typer(
    name="rmqha",
    help="Design RabbitMQ high availability once; every file on every host follows from it.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init)
app.command()(generate)
app.command()(graph)
app.command()(budget)
app.command()(schema)
app.command()(simulate)
app.command()(validate)
app.add_typer(lab)


def _version(asked: bool) -> None:
    if asked:
        from rmqha_model.cli.version import version

        typer.echo(f"rmqha {version()}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Design RabbitMQ high availability once; every file on every host follows from it."""


def main() -> NoReturn:
    """Run the command line and end the process with its exit status."""
    try:
        app(prog_name="rmqha")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more when it flushes.
        sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115, PTH123
        sys.exit(ExitCode.DONE)
    except OSError as error:
        # A full disk behind stdout; files have errors of their own, as a rule.
        where = "cannot write to standard output" if error.filename is None else error.filename
        sys.stderr.write(f"error: {where}: {error.strerror}\n")
        sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115, PTH123
        sys.exit(ExitCode.WRONG)
    sys.exit(ExitCode.DONE)
