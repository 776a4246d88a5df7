"""Says in plain words what a schema allows: ``a whole number from 1 to 65535``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from rmqha_model.document.schema import LISTS, Schema, Schemas, bare_choice
from rmqha_model.document.show import show

__all__ = ["allowed", "choices_of", "either", "plain"]


def allowed(schema: Schema, schemas: Schemas) -> str:
    """Say what a schema allows: in the words of its type where that has some, else in those of its bounds."""
    for layer in schemas.layers(schema):
        said = layer.get("metadata", {})
        if words := said.get("allowed"):
            return str(words)
        if short := said.get("short"):
            return either([allowed(schemas.bare(layer)["fields"][short]["schema"], schemas), "a mapping"])
        schema = layer
    kind = schema["type"]
    if kind in {"union", "tagged-union"}:
        choices = schema["choices"].values() if kind == "tagged-union" else map(bare_choice, schema["choices"])
        return either(allowed(choice, schemas) for choice in choices if isinstance(choice, Mapping))
    if kind in {"literal", "enum"}:
        return ", ".join(map(show, choices_of(schema)))
    if kind in LISTS:
        return _list(schema, schemas)
    return _WORDS[kind](schema) if kind in _WORDS else ""


def either(words: Iterable[str]) -> str:
    """Join what is allowed by several choices, each once."""
    known = list(dict.fromkeys(filter(None, words)))
    return (", or " if any("," in word for word in known) else " or ").join(known)


def choices_of(schema: Schema) -> Sequence[object]:
    """Give the values that a literal or an enumeration allows, or the tags of a union."""
    members = schema.get("expected") or schema.get("members") or schema.get("choices") or ()
    if schema["type"] not in {"literal", "enum", "tagged-union"}:
        return ()
    return [member.value if isinstance(member, Enum) else member for member in members]


def _bounds(schema: Schema) -> str:
    low, high, above, below = (schema.get(name) for name in ("ge", "le", "gt", "lt"))
    if low is not None and high is not None:
        return f" from {plain(low)} to {plain(high)}"
    words = [("of at least", low), ("above", above), ("of at most", high), ("below", below)]
    text = " and ".join(f"{word} {plain(bound)}" for word, bound in words if bound is not None)
    return f" {text}".replace(" and of at ", " and at ") if text else ""


def plain(number: object) -> str:
    """Write a bound as a user would: without a fraction that is zero."""
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def _size(schema: Schema, unit: str) -> str:
    low, high = schema.get("min_length"), schema.get("max_length")
    if low is not None and high is not None:
        return f" of {low if low == high else f'{low} to {high}'} {unit}s"
    if low is None and high is None:
        return ""
    size, word = (low, "at least") if high is None else (high, "at most")
    return f" of {word} {size} {unit}{'' if size == 1 else 's'}"


def _text(schema: Schema) -> str:
    pattern = schema.get("pattern")
    matching = f" that matches {getattr(pattern, 'pattern', pattern)}" if pattern else ""
    return f"text{_size(schema, 'character')}{matching}"


def _list(schema: Schema, schemas: Schemas) -> str:
    items = schema.get("items_schema")
    if isinstance(items, list) and schema.get("variadic_item_index") is None:
        return f"a list of {len(items)} items"
    item = items[0] if isinstance(items, list) else items
    words = allowed(item, schemas) if item else ""
    if words.startswith("a mapping"):
        return f"a list{_size(schema, 'mapping') or ' of mappings'}"
    return f"a list{_size(schema, 'item')}{f', each {words}' if words else ''}"


def _multiple(schema: Schema) -> str:
    return f", a multiple of {schema['multiple_of']}" if "multiple_of" in schema else ""


_WORDS: dict[str, Callable[[Schema], str]] = {
    "int": lambda schema: f"a whole number{_bounds(schema)}{_multiple(schema)}",
    **dict.fromkeys(("float", "decimal"), lambda schema: f"a number{_bounds(schema)}{_multiple(schema)}"),
    "str": _text,
    "bool": lambda _: "true or false",
    "none": lambda _: "null",
    "timedelta": lambda _: "a duration",
    "url": lambda _: "a URL",
    **dict.fromkeys(("dict", "model-fields", "typed-dict"), lambda schema: f"a mapping{_size(schema, 'key')}"),
}
