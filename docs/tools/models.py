"""``topology.md`` and ``scenario.md``: every key of these documents, a section a part, made from the model."""

from __future__ import annotations

from collections.abc import Iterator

from docs.tools.kinds import Union_, kinds, link, title
from docs.tools.markdown import code, table
from docs.tools.parts import Field, Node, about, fields_of, shorthand, walk
from rmqha_model.faults import Fault
from rmqha_model.part import Part
from rmqha_model.scenario import Scenario
from rmqha_model.topology import Topology

__all__ = ["scenario", "topology"]

_FEW = 6
"""Kinds that are listed by name in a heading; what more of them share has the name of their class."""

TOPOLOGY = """\
# The topology

Every key a topology may have, made from the model. A topology is YAML, JSON or TOML; keys that are not listed here are
refused. A default stands for what holds when the key is left out. `NAME` and `HOST` in a place stand for a name of
your own or that of a host, `[]` for an item of a list.

`rmqha schema` prints the same as JSON Schema ([topology.schema.json](topology.schema.json)), so that an editor can
complete and check.

"""

SCENARIO = """\
# The scenario

Every key a scenario may have, made from the model. A scenario says what happens to a design: what its clients do
meanwhile, which faults come when, and what is expected. The same file is run on real hosts (`rmqha lab run`) and in the
simulator. Where a host is asked for, a role will do where the table of the fault says so: `@vip_owner`, `@vip_backup`,
`@leader`, `@follower`. [Examples](../../examples/scenarios) are there to be copied.

`rmqha schema scenario` prints the same as JSON Schema ([scenario.schema.json](scenario.schema.json)).

"""


def topology() -> str:
    """Give the page about topologies."""
    return TOPOLOGY + _page(Topology)


def scenario() -> str:
    """Give the page about scenarios."""
    return SCENARIO + _page(Scenario)


def _page(model: type[Part]) -> str:
    tree = walk(model)
    lines = ["## At a glance", ""]
    for place, depth, node in tree.places[1:]:
        lines.append(f"{'  ' * (depth - 1)}- {code(place)}: {link(_heading(node), _heading(node))}")
    for node in tree.nodes.values():
        lines += ["", *_section(node)]
    lines += ["", "## Kinds of values"]
    for name, text in kinds().items():
        lines += ["", f"### {name}", "", f"{text[0].upper()}{text[1:]}."]
    return "\n".join(lines) + "\n"


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
    text = " ".join(filter(None, [about(part), shorthand(part), *_acts(part)]))
    if text:
        yield from text.splitlines()
        yield ""
    if fields:
        yield from _table(fields)


def _acts(part: type[Part]) -> Iterator[str]:
    """Say of a fault what happens and what undoes it."""
    if issubclass(part, Fault) and hasattr(part, "meaning"):
        undo = f"**Undone:** {part.undo}" if part.undo else "It ends by itself."
        yield f"\n\n**What happens:** {part.meaning} {undo}"


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
    for tags, bases in shared.items():
        yield ""
        yield f"{level} {name}: {_listed(tags, bases, union)}"
        yield ""
        yield from _part(bases[0], [field for base in bases for field in fields_of(base, own=True)])
    for tag, part in union.members:
        yield ""
        yield f"{level} {name}: {code(tag)}"
        yield ""
        groups = [_listed(tags, bases, union) for tags, bases in shared.items() if tag in tags]
        yield from _part(part, fields_of(part, own=True))
        if groups:
            yield ""
            yield f"Also takes the keys of {' and '.join(link(group, f'{name}: {group}') for group in groups)}."


def _shared(union: Union_) -> dict[tuple[str, ...], list[type[Part]]]:
    """Give the bases of a union's members that add keys, widest first, by whose they are."""
    members = {part for _, part in union.members}
    bases = dict.fromkeys(base for _, part in union.members for base in reversed(part.__mro__) if base not in members)
    shared: dict[tuple[str, ...], list[type[Part]]] = {}
    for base in bases:
        if issubclass(base, Part) and base is not Part and fields_of(base, own=True):
            tags = tuple(tag for tag, part in union.members if issubclass(part, base))
            shared.setdefault(tags, []).append(base)
    return shared


def _listed(tags: tuple[str, ...], bases: list[type[Part]], union: Union_) -> str:
    if len(tags) == len(union.members):
        return "all kinds"
    if len(tags) > _FEW:
        return title(bases[0].__name__, first=False)
    shown = [code(tag) for tag in tags]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
