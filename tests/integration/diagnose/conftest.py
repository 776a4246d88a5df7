"""A sound design on played hosts, for all that a diagnosis makes of what hosts answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_stack import FakeStack

from rmqha_model.document import load
from rmqha_model.topology import Topology


@pytest.fixture(scope="module")
def design(root: Path) -> Topology:
    """The three-host design that is sound."""
    return load(root / "examples" / "article-fixed.yaml", Topology)


@pytest.fixture
def stack(design: Topology) -> FakeStack:
    """That design on played hosts."""
    return FakeStack(design)
