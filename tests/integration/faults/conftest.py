"""Hosts that run nothing, for all that is tested of faults without hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from idle_stack import Stack

from integration.faults import journal as journals
from rmqha_model.document import load
from rmqha_model.topology import Topology


@pytest.fixture(scope="module")
def design(root: Path) -> Topology:
    """Three brokers, two of which own the address."""
    return load(root / "examples" / "article-fixed.yaml", Topology)


@pytest.fixture
def stack(design: Topology, tmp_path: Path) -> Iterator[Any]:
    """Hosts that run nothing."""
    made = Stack(design, tmp_path / "faults.jsonl")
    yield made
    journals.of(made.journal).release()
