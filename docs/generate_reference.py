"""Makes the pages of ``docs/reference`` from the code: ``python docs/generate_reference.py``, or with ``--check``.

The pages are kept in the repository so that they can be read, and reviewed, where they lie.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- Made by docs/generate_reference.py. Do not edit: change the code and run it again. -->\n\n"

__all__ = ["main", "pages"]


def pages() -> dict[Path, str]:
    """Give the pages as they have to be."""
    from docs.tools import artefacts, commands, models

    texts = {
        "topology.md": NOTICE + models.topology(),
        "scenario.md": NOTICE + models.scenario(),
        "cli.md": NOTICE + commands.page(),
        "artefacts.md": NOTICE + artefacts.page(ROOT / "examples"),
        "topology.schema.json": commands.output("schema"),
        "scenario.schema.json": commands.output("schema", "scenario"),
    }
    return {REFERENCE / name: text for name, text in texts.items()}


def main(arguments: list[str]) -> int:
    """Write what is stale; with ``--check`` only name it, and give 1 when there is anything."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python docs/generate_reference.py [--check]\n")
        return 2
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        if not arguments:
            path.write_text(text, "utf-8")
        sys.stderr.write(f"{os.path.relpath(path, ROOT)}: {'stale' if arguments else 'written'}\n")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    # Runs in a checkout, installed or not.
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
