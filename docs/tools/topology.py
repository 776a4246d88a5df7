"""``topology.md``: every key of a topology, a section a part, made from the model."""

from __future__ import annotations

from collections.abc import Iterator

from docs.tools.kinds import Union_, kinds, link, title
from docs.tools.markdown import code, table
from docs.tools.parts import Field, Node, about, fields_of, shorthand, walk
from rmqha_model.part import Part
from rmqha_model.topology import Topology

__all__ = ["page"]

INTRODUCTION = """\
# The topology

Every key a topology may have, made from the model. A topology is YAML, JSON or TOML; keys that are not listed here are
refused. A default stands for what holds when the key is left out. `NAME` and `HOST` in a place stand for a name of
your own or that of a host, `[]` for an item of a list.

`rmqha schema` prints the same as JSON Schema ([topology.schema.json](topology.schema.json)), so that an editor can
complete and check.

"""


def page() -> str:
    """Give the page."""
    tree = walk(Topology)
    lines = ["## At a glance", ""]
    for place, depth, node in tree.places[1:]:
        lines.append(f"{'  ' * (depth - 1)}- {code(place)}: {link(_heading(node), _heading(node))}")
    for node in tree.nodes.values():
        lines += ["", *_section(node)]
    lines += ["", "## Kinds of values"]
    for name, text in kinds().items():
        lines += ["", f"### {name}", "", f"{text[0].upper()}{text[1:]}."]
    return INTRODUCTION + "\n".join(lines) + "\n"


def _heading(node: Node) -> str:
    return title(node.kind.name if isinstance(node.kind, Union_) else node.kind.__name__)


def _section(node: Node) -> Iterator[str]:
    yield f"{'##' if node.depth < 2 else '###'} {_heading(node)}"
    yield ""
    if node.places != [""]:
        yield f"At {', '.join(map(code, node.places))}."
        yield ""
    if isinstance(node.kind, Union_):
        yield from _union(node.kind, "###" if node.depth < 2 else "####")
        return
    yield from _part(node.kind, fields_of(node.kind))


def _part(part: type[Part], fields: list[Field]) -> Iterator[str]:
    text = " ".join(filter(None, [about(part), shorthand(part)]))
    if text:
        yield from text.splitlines()
        yield ""
    if fields:
        yield from _table(fields)


def _table(fields: list[Field]) -> Iterator[str]:
    rows = [(code(field.name), field.value, field.default, field.why) for field in fields]
    yield from table(("key", "value", "default", "what and why"), rows)


def _union(union: Union_, level: str) -> Iterator[str]:
    name = title(union.name)
    yield f"One of these, told apart by {code(union.key)}:"
    yield ""
    rows = [(link(code(tag), f"{name}: {tag}"), about(part).partition("\n")[0]) for tag, part in union.members]
    yield from table((union.key, "what it is"), rows)
    shared = _shared(union)
    for base, tags in shared.items():
        yield ""
        yield f"{level} {name}: {_listed(tags, union)}"
        yield ""
        yield from _part(base, fields_of(base, own=True))
    for tag, part in union.members:
        yield ""
        yield f"{level} {name}: {code(tag)}"
        yield ""
        groups = [_listed(tags, union) for tags in shared.values() if tag in tags]
        bases = [link(group, f"{name}: {group}") for group in groups]
        yield from _part(part, fields_of(part, own=True))
        if bases:
            yield ""
            yield f"Also takes the keys of {' and '.join(bases)}."


def _shared(union: Union_) -> dict[type[Part], tuple[str, ...]]:
    """Give the private bases of a union's members that add keys, widest first, each with whose it is."""
    bases = [base for _, part in union.members for base in reversed(part.__mro__) if base is not part]
    shared = [b for b in bases if issubclass(b, Part) and b.__name__.startswith("_") and fields_of(b, own=True)]
    return {base: tuple(tag for tag, part in union.members if issubclass(part, base)) for base in shared}


def _listed(tags: tuple[str, ...], union: Union_) -> str:
    if len(tags) == len(union.members):
        return "all kinds"
    shown = [code(tag) for tag in tags]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
