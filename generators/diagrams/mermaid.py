"""A drawing as a Mermaid flowchart: "Flowcharts - Basic Syntax" in the Mermaid manual, 11."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.quoting import mermaid

if TYPE_CHECKING:
    from generators.diagrams.drawing import Box, Drawing, Thing

__all__ = ["lines"]

SHAPES = {
    "client": ("([", "])"),
    "address": ("{{", "}}"),
    "balancer": ("[", "]"),
    "broker": ("[(", ")]"),
    "other": ("[", "]"),
}
"""Each kind has a shape of its own, so that nobody depends on colours."""

SETTINGS = '{"flowchart": {"subGraphTitleMargin": {"top": 4, "bottom": 14}, "wrappingWidth": 400}}'
"""Arrows end below the titles of boxes, and lines are as long as they are ("Config" in the manual)."""

CLASSES = {
    "client": "fill:#f4f4f4,stroke:#555,color:#111",
    "address": "fill:#fff3d6,stroke:#9a6b00,color:#111",
    "balancer": "fill:#dfeaf8,stroke:#2a5d9f,color:#111",
    "broker": "fill:#fde4d3,stroke:#b5490f,color:#111",
    "other": "fill:#fff,stroke:#999,color:#333",
    "host": "fill:#fff,stroke:#666,color:#111",
    "domain": "fill:#fafafa,stroke:#bbb,stroke-dasharray:4 3,color:#333",
}


def lines(drawing: Drawing) -> Iterator[str]:
    """Give the flowchart line by line."""
    yield f"%%{{init: {SETTINGS}}}%%"
    yield "flowchart TB"
    yield from _inside(drawing.top, "    ", itertools.count())
    for thing in drawing.outside:
        yield f"    {_thing(thing)}"
    for arrow in drawing.arrows:
        sign = "-.->" if arrow.stand_in else "-->"
        label = f"|{mermaid(arrow.label)}| " if arrow.label else ""
        yield f"    {arrow.source} {sign}{label}{'' if label else ' '}{arrow.target}"
    for name, style in CLASSES.items():
        yield f"    classDef {name} {style}"


def _inside(box: Box, indent: str, numbers: Iterator[int]) -> Iterator[str]:
    for thing in box.things:
        yield f"{indent}{_thing(thing)}"
    # Mermaid 11 lays boxes out from right to left.
    for inner in reversed(box.boxes.values()):
        number = next(numbers)
        name, kind = (f"host{number}", "host") if inner.is_host else (f"domain{number}", "domain")
        # There is room for one line above what is in it.
        label = mermaid(inner.label.replace("\n", " "))
        yield f"{indent}subgraph {name}[{label}]"
        yield from _inside(inner, indent + "    ", numbers)
        yield f"{indent}end"
        yield f"{indent}class {name} {kind}"


def _thing(thing: Thing) -> str:
    left, right = SHAPES[thing.kind]
    return f"{thing.name}{left}{mermaid(thing.label)}{right}:::{thing.kind}"
