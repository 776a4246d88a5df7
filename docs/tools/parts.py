"""The parts of the model in the order of a document: their places, their fields, and the defaults of these."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from docs.tools.kinds import Union_, choices, is_part, union_of, words
from docs.tools.markdown import code
from rmqha_model.names import HostName
from rmqha_model.part import Part

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = ["Field", "Node", "Tree", "about", "fields_of", "shorthand", "walk"]


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a part: its name, what it takes, what holds without it, and why."""

    name: str
    value: str
    default: str
    why: str


@dataclass(slots=True)
class Node:
    """A part, or a union of parts, and everywhere it can stand."""

    kind: type[Part] | Union_
    depth: int
    places: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tree:
    """All parts, each where it is met first, and every place in the order of a document."""

    nodes: dict[type[Part] | Union_, Node] = field(default_factory=dict)
    places: list[tuple[str, int, Node]] = field(default_factory=list)


def walk(top: type[Part]) -> Tree:
    """Give *top* and every part below it."""
    tree = Tree()
    _visit(top, "", 0, tree)
    return tree


def _visit(kind: type[Part] | Union_, place: str, depth: int, tree: Tree) -> None:
    node = tree.nodes.setdefault(kind, Node(kind, depth))
    node.places.append(place)
    tree.places.append((place, depth, node))
    members = [member for _, member in kind.members] if isinstance(kind, Union_) else [kind]
    seen: set[tuple[str, Any]] = set()
    for member in members:
        hints = typing.get_type_hints(member, include_extras=True)
        for name, info in member.model_fields.items():
            for below, part in _below(hints[name], f"{place}.{info.alias or name}".lstrip(".")):
                if (below, part) not in seen:
                    seen.add((below, part))
                    _visit(part, below, depth + 1, tree)


def _below(annotation: Any, place: str) -> Iterator[tuple[str, type[Part] | Union_]]:
    """Give the parts that *annotation* speaks of, with their places."""
    for option in choices(annotation):
        union = union_of(option)
        base = get_args(option)[0] if get_origin(option) is Annotated else option
        if union:
            yield place, union
        elif is_part(option):
            yield place, option
        elif get_origin(base) is tuple:
            yield from _below(get_args(base)[0], f"{place}[]")
        elif get_origin(base) is dict:
            key, value = get_args(base)
            yield from _below(value, f"{place}.{'HOST' if key == HostName else 'NAME'}")


def fields_of(part: type[Part], *, own: bool = False) -> list[Field]:
    """Give the fields of a part, or only those that itself declares; the key of a union's kind is left out."""
    hints = typing.get_type_hints(part, include_extras=True)
    chosen = inspect.get_annotations(part) if own else part.model_fields
    found = []
    for name, info in part.model_fields.items():
        if name not in chosen or _tells_kind(hints[name]):
            continue
        value = words(hints[name]) + (", or `null`" if _takes_null(info, hints[name]) else "")
        found.append(Field(info.alias or name, value, _default(info), _why(part, name)))
    return found


def _takes_null(info: FieldInfo, annotation: Any) -> bool:
    """Tell whether null says something else than leaving the key out."""
    return type(None) in get_args(annotation) and info.get_default() is not None


def _tells_kind(annotation: Any) -> bool:
    values = get_args(annotation)
    return get_origin(annotation) is Literal and len(values) == 1 and isinstance(values[0], str)


def _why(part: type[Part], name: str) -> str:
    """Give what a field is for: its own description, that of the field it replaces, or what its part says of itself."""
    for base in part.__mro__:
        if issubclass(base, Part) and (info := base.model_fields.get(name)) and info.description:
            return info.description
    hint = typing.get_type_hints(part, include_extras=True)[name]
    for _, below in _below(hint, ""):
        if not isinstance(below, Union_) and (text := about(below)):
            return text.partition("\n")[0]
    return ""


def about(part: type[BaseModel]) -> str:
    """Give what a part says of itself, in Markdown; nothing where only its base speaks."""
    if not part.__dict__.get("__doc__"):
        return ""
    text = inspect.cleandoc(part.__doc__ or "").partition("\n\nRaises:")[0]
    return text.replace("``", "`")


def shorthand(part: type[Part]) -> str:
    """Tell what may stand in place of the whole mapping of a part."""
    return f"In place of the whole, its {code(part.short)} alone will do." if part.short else ""


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True)
    if value is None:
        return "not set"
    if isinstance(value, Part) and not _plain(value):
        return "its own defaults"
    return code(yaml_text(_plain(value)))


def _plain(value: Any) -> Any:
    """Give a value as a document holds it; of a part, what differs from its defaults and what tells its kind."""
    if isinstance(value, Part):
        hints = typing.get_type_hints(type(value), include_extras=True)
        return {
            info.alias or name: _plain(getattr(value, name))
            for name, info in type(value).model_fields.items()
            if _tells_kind(hints[name]) or getattr(value, name) != info.get_default()
        }
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def yaml_text(value: Any) -> str:
    """Write a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {yaml_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z0-9_./*-][A-Za-z0-9_./*: -]*", text) and not text.endswith((":", " "))
    return text if not isinstance(value, str) or (plain and ": " not in text) else f'"{text}"'
