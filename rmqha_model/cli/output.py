"""How commands speak: data to stdout, talk to stderr, colour and movement on a terminal only."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import typer

__all__ = ["print_diff", "print_json", "spinner", "steps", "tell"]


def tell(text: str, fg: str | None = None) -> None:
    """Say something to the person at the terminal."""
    typer.secho(text, fg=fg, err=True)


def print_json(data: Any) -> None:
    """Print *data* for machines."""
    typer.echo(json.dumps(data, indent=2))


def print_diff(lines: Iterator[str]) -> None:
    """Print a unified diff, coloured on a terminal."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        typer.secho(line, fg=colours.get(line[:1]))


@contextlib.contextmanager
def spinner(text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what long work is at; give a function that is told each step."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield lambda step: status.update(f"{text}: {step}")


@contextlib.contextmanager
def steps(text: str) -> Iterator[Callable[[str], None]]:
    """Show what very long work is at: on a terminal as :func:`spinner`, elsewhere a line for each new step."""
    if sys.stderr.isatty():
        with spinner(text) as on_step:
            yield on_step
        return
    began, last = time.monotonic(), ""

    def told(step: str) -> None:
        nonlocal last
        if step != last:
            last = step
            tell(f"{time.monotonic() - began:6.1f} s  {step}")

    yield told
