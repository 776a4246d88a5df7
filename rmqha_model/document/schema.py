"""Walks from a location that pydantic tells to what the user wrote and what the model expects there.

It walks the core schema, where unions, tags, aliases and validators stand as pydantic itself sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rmqha_model.document.tree import step

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rmqha_model.errors import Path

__all__ = ["LISTS", "Landing", "Schema", "Schemas", "Turn", "bare_choice"]

Schema: TypeAlias = Mapping[str, Any]
Location: TypeAlias = tuple[str | int, ...]

_UNKNOWN: Schema = {"type": "any"}
_WRAPPERS = {
    **dict.fromkeys(
        ("default", "nullable", "model", "definitions", "function-before", "function-after", "function-wrap"), "schema"
    ),
    "lax-or-strict": "lax_schema",
    "json-or-python": "python_schema",
}
LISTS = frozenset({"list", "set", "frozenset", "tuple"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One choice of an undiscriminated union that a location went through."""

    depth: int
    label: str | int
    path: Path


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a location ends in the document, and what the model expects there."""

    path: Path
    value: object
    complete: bool
    schema: Schema
    """Without what stands around it and is not seen in the document."""
    whole: Schema
    """With it: there a type says in words what it allows."""
    siblings: Mapping[str, Schema]
    """The keys of the mapping that holds it, by what the model expects there."""
    droppable: bool
    about_key: bool
    turns: tuple[Turn, ...]


class Schemas:
    """The core schema of a model, with its references followed."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._top: Schema = model.__pydantic_core_schema__
        self._named: dict[str, Schema] = {}

    def bare(self, schema: Schema) -> Schema:
        """Take off what stands around a schema without being seen in the document."""
        *_, bare = self.layers(schema)
        return bare

    def layers(self, schema: Schema) -> Iterator[Schema]:
        """Give a schema, then what is in it, layer by layer, down to what is seen in the document."""
        while True:
            yield schema
            kind = schema["type"]
            if kind == "definitions":
                self._named |= {named["ref"]: named for named in schema["definitions"]}
            if kind == "definition-ref":
                schema = self.resolve(schema)
            elif kind in _WRAPPERS:
                schema = schema[_WRAPPERS[str(kind)]]
            else:
                return

    def follow(self, location: Location, data: object) -> Landing:
        """Walk a location through model and document; parts that only the model knows are not in the path."""
        walk = _Walk(data, self._top)
        for depth, part in enumerate(location):
            walk.go(depth, part, self.bare(walk.schema), self)
        last = self.bare(walk.schema)
        return Landing(
            path=tuple(walk.path),
            value=walk.node,
            complete=walk.complete,
            schema=last,
            whole=walk.schema,
            siblings=walk.siblings,
            droppable=walk.droppable and walk.complete,
            about_key=walk.about_key,
            turns=tuple(walk.turns),
        )

    def resolve(self, schema: Schema) -> Schema:
        """Follow a reference."""
        return self._named.get(schema["schema_ref"], _UNKNOWN) if schema["type"] == "definition-ref" else schema


class _Walk:
    """One walk down a location, in the model and in the document at once."""

    def __init__(self, node: object, schema: Schema) -> None:
        self.node = node
        self.schema = schema
        self.path: list[str | int] = []
        self.complete = True
        self.droppable = False
        self.about_key = False
        self.siblings: Mapping[str, Schema] = {}
        self.turns: list[Turn] = []
        self._keys: Schema | None = None

    def go(self, depth: int, part: str | int, schema: Schema, schemas: Schemas) -> None:
        """Take one part."""
        kind = schema["type"]
        keys, self._keys = self._keys, None
        if keys and part == "[key]":
            self.schema, self.node, self.about_key = keys, self.path[-1], True
        elif kind == "tagged-union":
            self.schema = _tagged(schema["choices"], part)
        elif kind == "union":
            self.turns.append(Turn(depth, part, tuple(self.path)))
            self.schema = _labelled(schema["choices"], part, schemas)
        elif "fields" in schema:
            self._into_field(part, schema["fields"])
        elif kind in LISTS:
            self.schema = _item(schema.get("items_schema", _UNKNOWN), part, schema.get("variadic_item_index"))
            self._descend(part)
        elif kind == "dict":
            self._keys = schema.get("keys_schema")
            self.schema, self.droppable = schema.get("values_schema", _UNKNOWN), False
            self._descend(part)
        else:
            # Unknown ground, for example below a plain validator: what the document has is a key, the rest is not.
            self.schema, self.droppable = _UNKNOWN, False
            if step(self.node, part):
                self._descend(part)

    def _into_field(self, part: str | int, fields: Mapping[str, Schema]) -> None:
        known = {_key_of(name, field): field["schema"] for name, field in fields.items()}
        self.siblings = known
        by_name: Schema = fields.get(str(part), {}).get("schema", _UNKNOWN)
        self.schema = known.get(str(part), by_name)
        self.droppable = self.schema["type"] == "default"
        self._descend(part)

    def _descend(self, part: str | int) -> None:
        taken = step(self.node, part)
        self.complete = taken is not None
        if taken:
            key, self.node = taken
            self.path.append(key)


def _key_of(name: str, field: Schema) -> str:
    alias = field.get("validation_alias")
    return alias if isinstance(alias, str) else name


def _tagged(choices: Mapping[Any, Any], part: str | int) -> Schema:
    found = next((choice for tag, choice in choices.items() if str(getattr(tag, "value", tag)) == str(part)), _UNKNOWN)
    return found if isinstance(found, Mapping) else _tagged(choices, found)


def bare_choice(choice: Schema | tuple[Schema, str]) -> Schema:
    """Take the label off a choice of a union."""
    return choice[0] if isinstance(choice, tuple) else choice


def _labelled(choices: Sequence[Any], part: str | int, schemas: Schemas) -> Schema:
    """Find the choice that pydantic calls *part*: a label, a model, or the kind of schema and what is in it."""
    text = str(part)
    for choice in choices:
        if isinstance(choice, tuple) and choice[1] == text:
            return bare_choice(choice)
    plain = [schemas.resolve(bare_choice(choice)) for choice in choices]
    fitting = [choice for choice in plain if text in _names(choice)]
    if not fitting:
        fitting = [choice for choice in plain if text.startswith(f"{choice['type']}[")]
    return fitting[0] if len(fitting) == 1 else _UNKNOWN


def _names(choice: Schema) -> set[str]:
    return {choice["type"], f"constrained-{choice['type']}", getattr(choice.get("cls"), "__name__", "")}


def _item(items: Schema | Sequence[Schema], part: str | int, variadic: int | None) -> Schema:
    if isinstance(items, Mapping):
        return items
    if variadic is not None:
        return items[variadic]
    return items[part] if isinstance(part, int) and part < len(items) else _UNKNOWN
