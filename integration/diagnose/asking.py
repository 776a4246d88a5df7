"""Questions to a stack's network, asked from the place of a host or of the clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from integration.diagnose import ask as _ask_module
from integration.errors import LabError, NotPossible
from integration.host import Distant

if TYPE_CHECKING:
    from integration.host import Stack

__all__ = ["ask", "at_host", "each", "program", "told"]

T = TypeVar("T")
R = TypeVar("R")
_AT_ONCE = 4
"""Hosts that are asked at the same time: enough to hide their waits, and not a load."""


def program(path: str) -> list[str]:
    """Give the command line of a program of this package that stands alone."""
    # Isolated: the folder of this package must not shadow modules of the standard library.
    return [sys.executable, "-I", path]


def ask(
    stack: Stack, requests: Sequence[dict[str, Any]], *, host: str | None = None, timeout_s: float = 60
) -> list[dict[str, Any]]:
    """Ask from the place of *host*, or of the clients where that is not given; an answer for each request.

    Raises:
        LabError: the questions could not even be asked.
    """
    if host is not None and isinstance(stack, Distant):
        return [_through(stack, host, request) for request in requests]
    line = program(str(Path(_ask_module.__file__)))
    command = stack.client_command(*line) if host is None else at_host(stack, host, *line)
    answers: list[dict[str, Any]] = told(command, requests, timeout_s=timeout_s)
    return answers


def _through(stack: Distant, host: str, request: dict[str, Any]) -> dict[str, Any]:
    """Ask by a connection that is led through *host*."""
    try:
        with stack.relayed(host, (request["host"], request["port"])) as (address, port):
            return _ask_module.answer({**request, "host": address, "port": port})
    except LabError as error:
        return {"error": str(error)}


def told(command: Sequence[str], requests: Any, *, timeout_s: float) -> Any:
    """Run a program that answers in JSON."""
    try:
        done = subprocess.run(
            command, input=json.dumps(requests), capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"no answer within {timeout_s:g} s from what asks the stack's network") from None
    if done.returncode:
        raise LabError(f"what asks the stack's network failed: {(done.stderr.strip() or 'it said nothing')[-600:]}")
    return json.loads(done.stdout)


def at_host(stack: Stack, host: str, *command: str) -> list[str]:
    """Give the command line that runs *command* with the network of *host*; else, with that of the clients."""
    try:
        return stack.host_command(host, *command)
    except NotPossible:
        return stack.client_command(*command)


def each(act: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Give what *act* gives for each thing, in their order, several of them at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(act, things))
