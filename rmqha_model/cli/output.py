"""How commands speak: data to stdout, talk to stderr, colour and movement on a terminal only."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import typer

__all__ = ["print_diff", "print_json", "rounded", "spinner", "steps", "tell"]

_DIGITS = 3
"""Of a number of seconds: what is seen of daemons and clients is exact to a millisecond at best."""


def tell(text: str, fg: str | None = None) -> None:
    """Say something to the person at the terminal."""
    typer.secho(text, fg=fg, err=True)


def print_json(data: Any) -> None:
    """Print *data* for machines, :func:`rounded`."""
    typer.echo(json.dumps(rounded(data), indent=2))


def rounded(data: Any, *, seconds: bool = False) -> Any:
    """Give *data* with its *seconds* to the millisecond: those are ``t``, ``seconds``, ``..._s``, and all in them."""
    if isinstance(data, dict):
        return {key: rounded(value, seconds=seconds or _is_seconds(key)) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [rounded(value, seconds=seconds) for value in data]
    if seconds and isinstance(data, float):
        return round(data, _DIGITS) + 0.0  # No minus before a zero.
    return data


def _is_seconds(key: object) -> bool:
    return isinstance(key, str) and (key in {"t", "seconds"} or key.endswith("_s"))


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


@contextlib.contextmanager
def progress(text: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show on a terminal how much of long work is done; give a function that is called after each part of it.

    Without a *total* nobody knows how much there is.
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(text, total=total)
        yield lambda: shown.advance(task)
