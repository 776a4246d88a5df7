"""Whether every fault is done on real hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmqha_model.faults import CATALOGUE

pytestmark = [pytest.mark.slow, pytest.mark.needs("systemd-nspawn", "ip", "nft")]


def test_every_fault_is_done_here() -> None:
    """No fault of the catalogue is left out of this folder."""
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in CATALOGUE if f'"{name}"' not in text] == []
