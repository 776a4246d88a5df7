"""Pictures of the design: hosts in their failure domains, what runs on them, and the ways connections take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.bundle import Artefact
from generators.diagrams import dot, mermaid
from generators.diagrams.condensed import condensed
from generators.diagrams.drawing import Drawing, drawn
from generators.header import header
from generators.quoting import Quoted
from generators.render import render

if TYPE_CHECKING:
    from rmqha_model.secrets import Secrets
    from rmqha_model.topology import Topology

__all__ = ["DOT", "MERMAID", "artefacts", "flowchart"]

MERMAID = "topology.mmd"
DOT = "topology.dot"

MOST_HOSTS = 40
"""So many hosts are drawn one by one; more would be too small to read on a screen."""


def artefacts(topology: Topology, secrets: Secrets) -> Iterator[Artefact]:  # noqa: ARG001 - every part is called alike
    """Give the picture in Mermaid and in DOT."""
    drawing = _drawing(topology)
    what = "Hosts in their failure domains, what runs on them, and the ways connections take."
    for path, comment, lines in ((MERMAID, "%%", mermaid.lines(drawing)), (DOT, "//", dot.lines(drawing))):
        content = render(f"diagrams/{path}.j2", header=header(topology, what, comment), lines=map(Quoted, lines))
        yield Artefact(None, path, content)


def flowchart(topology: Topology) -> Iterator[Quoted]:
    """Give the picture as lines of Mermaid, for a place inside another text."""
    return map(Quoted, mermaid.lines(_drawing(topology)))


def _drawing(topology: Topology) -> Drawing:
    return condensed(topology) if len(topology.hosts) > MOST_HOSTS else drawn(topology)
