"""``cli.md``: what every command says of itself when asked for ``--help``."""

from __future__ import annotations

import typer.main
from typer.testing import CliRunner

from rmqha_model.cli import app

__all__ = ["commands", "output", "page"]

INTRODUCTION = """\
# The command line

`rmqha` and `python -m rmqha_model` are the same. Data goes to stdout and talk to stderr, colours and movement to a
terminal only. This is what `rmqha --help` says, then what each command says.

"""


def commands() -> tuple[str, ...]:
    """Give the names of the commands, in the order of the help."""
    # The only group there is; a Typer without commands has none.
    return tuple(getattr(typer.main.get_command(app), "commands", {}))


def page() -> str:
    """Give the page."""
    sections = [f"## {' '.join(words)}\n\n```text\n{output(*words[1:], '--help').strip()}\n```\n" for words in _named()]
    return INTRODUCTION + "\n".join(sections)


def output(*arguments: str) -> str:
    """Give what ``rmqha`` with these *arguments* prints."""
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "100", "NO_COLOR": "1"}, prog_name="rmqha")
    if done.exit_code:
        raise RuntimeError(done.output)
    return done.stdout


def _named() -> list[tuple[str, ...]]:
    return [("rmqha",), *(("rmqha", name) for name in commands())]
