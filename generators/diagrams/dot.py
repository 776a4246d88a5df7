"""A drawing as a DOT graph: "The DOT Language" in the Graphviz manual, 2.42 to 12."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators.quoting import dot

if TYPE_CHECKING:
    from generators.diagrams.drawing import Box, Drawing, Thing

__all__ = ["lines"]

SHAPES = {
    "client": 'shape=box, style="rounded,filled", fillcolor="#f4f4f4", color="#555555"',
    "address": 'shape=hexagon, margin="0.02,0.03", style=filled, fillcolor="#fff3d6", color="#9a6b00"',
    "balancer": 'shape=box, style=filled, fillcolor="#dfeaf8", color="#2a5d9f"',
    "broker": 'shape=cylinder, style=filled, fillcolor="#fde4d3", color="#b5490f"',
    "other": 'shape=box, style=filled, fillcolor="#ffffff", color="#999999"',
}
"""Each kind has a shape of its own, so that nobody depends on colours."""

HOST = 'labeljust=l; style=filled; fillcolor="#ffffff"; color="#666666"; fontcolor="#111111";'
DOMAIN = 'labeljust=l; style="dashed,filled"; fillcolor="#fafafa"; color="#bbbbbb"; fontcolor="#333333";'


def lines(drawing: Drawing) -> Iterator[str]:
    """Give the graph line by line."""
    yield "digraph {"
    yield f'    graph [label={dot(drawing.title)}, labelloc=t, fontname="Helvetica,sans-serif", fontsize=12,'
    yield "           rankdir=TB, newrank=true, nodesep=0.4, ranksep=0.6];"
    yield '    node [fontname="Helvetica,sans-serif", fontsize=11, margin="0.15,0.08"];'
    yield '    edge [fontname="Helvetica,sans-serif", fontsize=9, color="#444444"];'
    for thing in drawing.outside:
        yield f"    {_thing(thing)}"
    yield from _inside(drawing.top, "    ", itertools.count())
    for arrow in drawing.arrows:
        words = [f"label={dot(arrow.label)}"] * bool(arrow.label) + ["style=dashed"] * arrow.stand_in
        yield f"    {arrow.source} -> {arrow.target}" + (f" [{', '.join(words)}];" if words else ";")
    yield "}"


def _inside(box: Box, indent: str, numbers: Iterator[int]) -> Iterator[str]:
    for thing in box.things:
        yield f"{indent}{_thing(thing)}"
    for inner in box.boxes.values():
        yield f"{indent}subgraph cluster_{next(numbers)} {{"
        label = dot(inner.label.replace("\n", " "))
        yield f"{indent}    label={label}; {HOST if inner.is_host else DOMAIN}"
        yield from _inside(inner, indent + "    ", numbers)
        yield f"{indent}}}"


def _thing(thing: Thing) -> str:
    return f"{thing.name} [label={dot(thing.label)}, {SHAPES[thing.kind]}];"
