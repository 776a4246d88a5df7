"""Types of the model in a user's words: ``list of host names``, ``whole number from 1 to 65535``, ``one of a, b``."""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import JsonValue
from pydantic.fields import FieldInfo

from docs.tools.markdown import code, slug
from rmqha_model import names
from rmqha_model.part import ByName, Part
from rmqha_model.units import Duration, Size

__all__ = ["Union_", "choices", "is_part", "kinds", "link", "plural", "title", "union_of", "words"]

_SPELLED = {"ip": "IP", "tls": "TLS", "vrrp": "VRRP", "amqp": "AMQP", "garp": "GARP", "unix": "Unix"}
_NAMES = ("HAProxy", "RabbitMQ", "IP")


def title(name: str, *, first: bool = True) -> str:
    """Write the name of a class as words: ``VrrpInstance`` as ``VRRP instance``."""
    parts = re.findall(f"{'|'.join(_NAMES)}|[A-Z][a-z]+", name)
    spelled = [part if part in _NAMES else _SPELLED.get(part.lower(), part.lower()) for part in parts]
    text = " ".join(spelled)
    return text[0].upper() + text[1:] if first else text


def plural(word: str) -> str:
    """Give the plural of a word, or of the last one of several."""
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return f"{word[:-1]}ies"
    if word.endswith("ss"):
        return f"{word}es"
    return word if word.endswith("s") else f"{word}s"


class Union_(typing.NamedTuple):  # noqa: N801 -- `Union` is typing's
    """Parts of which one is given, told apart by the value of one key."""

    name: str
    key: str
    members: tuple[tuple[str, type[Part]], ...]


def union_of(annotation: Any) -> Union_ | None:
    """Give the union that *annotation* is, if its members are told apart by a key."""
    key = next((m.discriminator for m in _metadata(annotation) if getattr(m, "discriminator", None)), None)
    if not isinstance(key, str):
        return None
    members = get_args(get_args(annotation)[0])
    tagged = tuple((get_args(typing.get_type_hints(m, include_extras=True)[key])[0], m) for m in members)
    reversed_words = zip(*(re.findall("[A-Z][a-z]*", m.__name__)[::-1] for m in members), strict=False)
    common = [same[0] for same in reversed_words if len(set(same)) == 1]
    # Where their names have no word in common, the nearest class they all come from has one.
    base = next(base for base in members[0].__mro__ if all(issubclass(member, base) for member in members))
    return Union_("".join(common[::-1]) or base.__name__, key, tagged)


def is_part(annotation: Any) -> bool:
    """Tell whether *annotation* is a part of the design."""
    return inspect.isclass(annotation) and issubclass(annotation, Part)


def choices(annotation: Any) -> tuple[Any, ...]:
    """Give what *annotation* allows one of; ``None`` left out."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(arg for arg in get_args(annotation) if arg is not type(None))
    return (annotation,)


def link(text: str, target: str) -> str:
    """Write a link to the section that is headed *target*."""
    return f"[{text}](#{slug(target)})"


@functools.cache
def kinds() -> dict[str, str]:
    """The named kinds of values, and what each may hold."""
    found = {"Duration": Duration.allowed, "Size": Size.allowed}
    found |= {name: _contents(alias) for name, alias in _aliases().items()}
    return dict(sorted((title(name), text) for name, text in found.items()))


@functools.cache
def _aliases() -> dict[str, Any]:
    return {name: alias for name in names.__all__ if get_origin(alias := getattr(names, name)) is Annotated}


def words(annotation: Any, *, many: bool = False) -> str:
    """Say in Markdown what *annotation* allows; in the plural when *many* of it stand in a list or mapping."""
    return ", or ".join(_words(option, many=many) for option in choices(annotation))


def _words(kind: Any, *, many: bool) -> str:
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if union := union_of(kind):
        name = link(plural(title(union.name, first=False)), title(union.name))
        return name if many else f"one of the {name}"
    if kind in {Duration, Size} or is_part(kind):
        return _linked(kind.__name__, many=many)
    if named := _named(kind, many=many):
        return named
    if get_origin(base) in {tuple, dict}:
        kinds_ = [words(arg, many=True) for arg in get_args(base) if arg is not ...]
        short = "".join(f", or a list of {item.names}" for item in _metadata(kind) if isinstance(item, ByName))
        return (
            _filled(kind) + ("list of " if get_origin(base) is tuple else "mapping of ") + " to ".join(kinds_) + short
        )
    if get_origin(base) is Literal:
        values = ", ".join(code(str(value)) for value in get_args(base))
        return values if many or len(get_args(base)) == 1 else f"one of {values}"
    said = _scalar(kind, base)
    return f"texts ({said})" if many and _allowed(kind) else said


def _named(kind: Any, *, many: bool) -> str:
    for name, alias in _aliases().items():
        if kind == alias:
            return _linked(name, many=many)
        if get_origin(kind) is Annotated and _metadata(kind)[: len(_metadata(alias))] == _metadata(alias):
            (longest,) = _limits(kind, "max_length")
            return _linked(name, many=many) + (f" of at most {longest} characters" if longest else "")
    return ""


def _linked(name: str, *, many: bool) -> str:
    text = title(name, first=False)
    return link(plural(text) if many else text, title(name))


def _scalar(kind: Any, base: Any) -> str:
    if base in {int, float}:
        return ("whole number" if base is int else "number") + _bounds(kind)
    pattern = next((item.pattern for item in _metadata(kind) if getattr(item, "pattern", None)), None)
    text = f"text that matches {code(pattern)}" if pattern else "text"
    return _allowed(kind) or {bool: "true or false", JsonValue: "anything JSON can say"}.get(base, text)


def _metadata(annotation: Any) -> list[Any]:
    """Give what an annotation says besides its type, the insides of ``Field(...)`` laid out."""
    found: list[Any] = []
    for item in getattr(annotation, "__metadata__", ()):
        found += [item, *item.metadata] if isinstance(item, FieldInfo) else [item]
    return found


def _allowed(annotation: Any) -> str:
    """Give what a type says itself of what it allows."""
    return next((str(item.allowed) for item in _metadata(annotation) if hasattr(item, "allowed")), "")


def _limits(annotation: Any, *limits: str) -> list[Any]:
    """Give the limits that an annotation sets, by pydantic's names for them."""
    said = _metadata(annotation)
    return [next((value for item in said if (value := getattr(item, name, None)) is not None), None) for name in limits]


def _bounds(annotation: Any) -> str:
    low, above, high = _limits(annotation, "ge", "gt", "le")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    words_ = [("at least", low), ("above", above), ("at most", high)]
    said = [f"{word} {bound}" for word, bound in words_ if bound is not None]
    return f" {' and '.join(said)}" if said else ""


def _filled(annotation: Any) -> str:
    (low,) = _limits(annotation, "min_length")
    return "non-empty " if low else ""


def _contents(alias: Any) -> str:
    return _allowed(alias) or _scalar(alias, get_args(alias)[0])
