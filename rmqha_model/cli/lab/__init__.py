"""``rmqha lab``: the design on real hosts. A command is a module here, and imports what it needs when it runs."""

from __future__ import annotations

import typer

from rmqha_model.cli.lab.doctor import doctor
from rmqha_model.cli.lab.down import down
from rmqha_model.cli.lab.execute import execute
from rmqha_model.cli.lab.logs import logs
from rmqha_model.cli.lab.run import run
from rmqha_model.cli.lab.status import status
from rmqha_model.cli.lab.test import validate
from rmqha_model.cli.lab.up import up

__all__ = ["lab"]

lab = typer.Typer(
    name="lab",
    help="Put a design on real hosts: machines of systemd-nspawn on this one, with the design's names and addresses.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
lab.command()(up)
lab.command()(status)
lab.command(
    "exec",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)(execute)
lab.command()(run)
lab.command("test")(validate)
lab.command()(logs)
lab.command()(down)
lab.command()(doctor)
