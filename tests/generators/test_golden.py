"""The files of every example, compared with those under ``tests/golden``, so that a change of them is read in review.

``pytest tests/generators/test_golden.py --snapshot-update`` writes them anew. Cloud-init files hold the others
once more, encoded, and are left out here.
"""

from __future__ import annotations

import difflib
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from generators import generate
from rmqha_model.document import load
from rmqha_model.secrets import Secrets
from rmqha_model.topology import Topology

if TYPE_CHECKING:
    from generators.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml") if path.stem != "secrets")


def bundle(example: str) -> Bundle:
    """The bundle of an example, with secrets that are the same in every run."""
    path = ROOT / "examples" / f"{example}.yaml"
    topology = load(path, Topology)
    values = {
        need.source: need.source.literal.get_secret_value()
        if need.source.literal
        else hashlib.sha256(str(need.source).encode()).hexdigest()[: need.length]
        for need in topology.secret_needs()
    }
    return generate(topology, Secrets(values), templates=path.parent)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_files_are_as_they_were(example: str, request: pytest.FixtureRequest) -> None:
    """Every file of an example is what the golden file of the same name holds."""
    made = {a.tree_path: a.content for a in bundle(example).artefacts if "/cloud-init/" not in a.tree_path}
    folder = GOLDEN / example
    if request.config.getoption("update_snapshots", default=False):
        shutil.rmtree(folder, ignore_errors=True)
        for path, content in made.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, "utf-8")
    kept = {str(p.relative_to(folder)): p.read_text("utf-8") for p in folder.rglob("*") if p.is_file()}
    assert sorted(made) == sorted(kept)
    for path, content in made.items():
        lines = difflib.unified_diff(kept[path].splitlines(), content.splitlines(), f"golden/{path}", path, lineterm="")
        assert not (shown := "\n".join(lines)), shown


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_generation_is_reproducible(example: str) -> None:
    """The same design and secrets give the same bytes, modes and owners."""
    assert bundle(example) == bundle(example)
