"""A fault while a test looks: done as the catalogue has it, and written down, so that whoever is left undoes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from integration.errors import NotPossible
from integration.faults import Faults
from rmqha_model.faults import CATALOGUE

if TYPE_CHECKING:
    from integration.faults import Active
    from integration.host import Stack

__all__ = ["suffered"]


@contextlib.contextmanager
def suffered(stack: Stack, fault: str, host: str) -> Iterator[Active]:
    """Have *fault*, by its name in the catalogue, on *host* while entered; the test is skipped where it cannot be.

    If this program is killed meanwhile, the next one that sweeps the stack undoes it.
    """
    told = CATALOGUE[fault].model_validate({"fault": fault, "at": "0s", "host": host})
    with Faults(stack) as faults:
        try:
            active = faults.begin(told)
        except NotPossible as error:
            pytest.skip(f"these hosts cannot be asked for it: {error}")
        yield active
