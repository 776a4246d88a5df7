"""Which lab a command means: the one that is named, else the only one there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from integration.lab import Lab

__all__ = ["LabName", "chosen", "chosen_name"]

LabName: TypeAlias = Annotated[
    str | None,
    typer.Option("--lab", "-l", help="Which lab.", show_default="the only one", metavar="NAME", envvar="RMQHA_LAB"),
]


def chosen_name(name: str | None) -> str:
    """Give the name of the lab that is meant.

    Raises:
        LabError: none is named, and there is not exactly one.
    """
    from integration.errors import LabError
    from integration.lab import names

    if name:
        return name
    known = names()
    if len(known) == 1:
        return known[0]
    if not known:
        raise LabError("there is no lab; `rmqha lab up TOPOLOGY` makes one")
    raise LabError(f"there are several labs; say which: --lab {' or --lab '.join(known)}")


def chosen(name: str | None) -> Lab:
    """Give the lab that is meant.

    Raises:
        LabError: as :func:`chosen_name`, or it is not up.
    """
    from integration.lab import find

    return find(chosen_name(name))
