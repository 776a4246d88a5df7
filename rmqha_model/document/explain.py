"""Turns pydantic's errors into problems: the user's own path and place, what was found, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic_core import core_schema

from rmqha_model.document.schema import LISTS, Landing, Schema, Schemas
from rmqha_model.document.show import is_secret, leaks, printable, show, show_keys
from rmqha_model.document.words import allowed, choices_of, either, plain
from rmqha_model.errors import Path, Problem, did_you_mean, show_path
from rmqha_model.part import kind_of

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from rmqha_model.document.tree import Document

__all__ = ["Explained", "explain", "settle_places"]

_ERRORS_MAX = 1000
"""Errors that are told; nobody reads more, and each takes its time."""
_QUOTE = "write it in quotes"
_BRACKETS = "write it in brackets, even if it is the only one"
_BRACES = "write {} to take its defaults"
_LACKS = "found no "
_HOLDERS = frozenset({"list", "set", "frozenset", "tuple", "dict", "model-fields", "typed-dict"})

# Limits that a schema does not show when a validator stands between the type and its limit.
_LIMITS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "text that matches {pattern}",
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
}
# Types that pydantic builds from plain validators, of which a schema says nothing.
_TYPES = {
    "ip_any_address": "an IPv4 or IPv6 address",
    "ip_v4_address": "an IPv4 address",
    "ip_v6_address": "an IPv6 address",
    "ip_any_interface": "an IPv4 or IPv6 address with its prefix length",
    "ip_v4_interface": "an IPv4 address with its prefix length",
    "ip_v6_interface": "an IPv6 address with its prefix length",
    "ip_any_network": "an IPv4 or IPv6 network",
    "ip_v4_network": "an IPv4 network",
    "ip_v6_network": "an IPv6 network",
    "path_type": "a path",
}
_NOT_OWN = frozenset(get_args(core_schema.ErrorType)) - {"value_error", "assertion_error"} | _TYPES.keys()


@dataclass(frozen=True, slots=True)
class Explained:
    """All problems of a document that its model refused, and what can be taken out to look for more."""

    problems: list[Problem]
    removable: list[Path] | None
    """Keys without which the rest may be valid; ``None`` when something else is wrong."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """One error of pydantic, found in the document."""

    kind: str
    location: tuple[str | int, ...]
    message: str
    context: Mapping[str, Any]
    input: object
    landing: Landing
    path: Path

    @property
    def value(self) -> object:
        """What the user wrote; what the model made of it where it filled in what the user left out."""
        landing = self.landing
        return self.input if not landing.complete and isinstance(landing.value, dict | list) else landing.value

    @property
    def is_secret(self) -> bool:
        """Whether the value must not be shown; tags count too, though they are in no path."""
        tags = tuple(part for part in self.location if "[" not in str(part))
        return is_secret(tags) or is_secret(self.path)

    @property
    def is_echo(self) -> bool:
        """Whether a list is called too short only because pydantic does not count its invalid items."""
        value = self.landing.value
        return self.kind == "too_short" and isinstance(value, list | dict) and len(value) >= self.context["min_length"]

    @property
    def is_own_text(self) -> bool:
        """Whether a validator of a model wrote the text, so that nothing has to be put in words here."""
        return self.kind not in _NOT_OWN


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> Explained:
    """Tell all errors of a validation in the user's terms."""
    schemas = Schemas(model)
    errors = error.errors(include_url=False)
    faults = [_fault(details, schemas, document.data) for details in errors[:_ERRORS_MAX]]
    faults = [fault for fault in faults if not fault.is_echo]
    problems = [_placed(fault, schemas, document) for fault in _settled(faults)]
    if len(errors) > _ERRORS_MAX:
        end = Problem((), f"found {len(errors) - _ERRORS_MAX:,} more problems", hint="mend those above first")
        problems.append(end.at(max(problem.place for problem in problems if problem.place)))
    removable = [path for fault in faults if (path := _removable(fault))]
    return Explained(_once(problems), removable if len(removable) == len(faults) else None)


def settle_places(problems: Iterable[Problem], document: Document) -> list[Problem]:
    """Give places to problems that a model found when all of its parts were valid."""
    settled = []
    for problem in problems:
        written, value = document.walk(problem.path)
        path = written if len(written) == len(problem.path) else problem.path
        found = _veiled(problem.found, value) if is_secret(problem.path) else problem.found
        place = problem.place or document.find(written)
        default = _filled_in(problem, len(written)) if isinstance(value, dict) else ""
        hint = "; ".join(filter(None, (problem.hint, default)))
        settled.append(Problem(show_keys(path), found, problem.allowed, hint, place))
    return settled


def _filled_in(problem: Problem, written: int) -> str:
    """Say which key is left out where what was found is none of the user's words but a default."""
    lacks = written == len(problem.path) - 1 and problem.found.startswith(_LACKS)
    if lacks or written == len(problem.path):
        return ""
    return f"`{show_path(problem.path[: written + 1])}` is left out, and this is its default"


def _fault(details: Mapping[str, Any], schemas: Schemas, data: object) -> _Fault:
    kind, location = details["type"], details["loc"]
    landing = schemas.follow(location[:-1] if kind == "missing" else location, data)
    path = landing.path
    if kind == "missing" or (kind == "extra_forbidden" and not landing.complete):
        path = (*path, location[-1])
    elif at := details.get("ctx", {}).get("at"):
        path = (*path, at)
    elif kind.startswith("union_tag") and isinstance(landing.value, dict):
        key = landing.schema.get("discriminator")
        path = (*path, key) if isinstance(key, str) else path
    return _Fault(kind, location, details["msg"], details.get("ctx", {}), details["input"], landing, path)


def _settled(faults: Sequence[_Fault], level: int = 0) -> list[list[_Fault]]:
    """Keep of each union without discriminator the choice that was meant; errors of one value go together."""
    settled: list[list[_Fault]] = []
    unions: dict[tuple[str | int, ...], dict[str | int, list[_Fault]]] = {}
    for fault in faults:
        turns = fault.landing.turns
        if len(turns) <= level:
            settled.append([fault])
        else:
            choices = unions.setdefault(fault.location[: turns[level].depth], {})
            choices.setdefault(turns[level].label, []).append(fault)
    for choices in unions.values():
        meant = [those for those in choices.values() if all(f.path != f.landing.turns[level].path for f in those)]
        if meant:
            settled += _settled(min(meant, key=len), level + 1)
        else:
            settled.append([fault for those in choices.values() for fault in those])
    return settled


def _placed(faults: Sequence[_Fault], schemas: Schemas, document: Document) -> Problem:
    own = [fault for fault in faults if fault.is_own_text]
    told = [_tell(fault, schemas) for fault in faults]
    first = told[faults.index(own[0])] if own else told[0]
    fitting = either(problem.allowed for problem in told)
    hint = next((problem.hint for problem in told if problem.hint), "")
    place = document.find(first.path, key=faults[0].kind == "extra_forbidden" or faults[0].landing.about_key)
    return Problem(show_keys(first.path), first.found, fitting, hint, place)


def _tell(fault: _Fault, schemas: Schemas) -> Problem:
    landing = fault.landing
    if fault.kind == "missing":
        return Problem(fault.path, "missing key", allowed(schemas.follow(fault.location, None).whole, schemas))
    if fault.kind == "extra_forbidden":
        known = landing.siblings
        name = str(fault.path[-1])[:60]
        hint = did_you_mean(name, list(known)) or _elsewhere(fault.path, known, schemas)
        return Problem(fault.path, "unknown key", ", ".join(known), hint)
    if fault.is_own_text:
        return _own_words(fault)
    if fault.path != landing.path and isinstance(landing.value, dict):
        tags = choices_of(landing.schema)
        if fault.path[-1] not in landing.value:
            return Problem(fault.path, "missing key", ", ".join(map(show, tags)))
        return _among(fault, landing.value[fault.path[-1]], tags)
    return _plain_words(fault, schemas)


def _elsewhere(path: Path, known: Mapping[str, Schema], schemas: Schemas) -> str:
    """Say where a key belongs that the mappings beside it know."""
    for name, schema in known.items():
        if path[-1] in schemas.bare(schema).get("fields", {}):
            return f"did you mean {show_path((*path[:-1], name, path[-1]))!r}?"
    return ""


def _own_words(fault: _Fault) -> Problem:
    text = fault.message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    found = printable(text)
    fitting, hint = (printable(str(fault.context.get(name, ""))) for name in ("allowed", "hint"))
    if fault.is_secret:
        values = (fault.value, fault.input)
        found = _veiled(found, values)
        fitting, hint = ("" if leaks(word, values) else word for word in (fitting, hint))
    return Problem(fault.path, found, fitting, hint)


def _among(fault: _Fault, value: object, choices: Sequence[object]) -> Problem:
    words = [choice for choice in choices if isinstance(choice, str)]
    hint = _QUOTE if isinstance(value, int | float) and str(value) in words else ""
    if isinstance(value, str) and not fault.is_secret:
        hint = did_you_mean(value[:60], words)
    return Problem(fault.path, f"found {show(value, secret=fault.is_secret)}", ", ".join(map(show, choices)), hint)


def _plain_words(fault: _Fault, schemas: Schemas) -> Problem:
    landing, value = fault.landing, fault.value
    schema = landing.schema
    if choices := () if schema["type"] == "tagged-union" else choices_of(schema):
        return _among(fault, value, choices)
    fitting = _TYPES.get(fault.kind) or allowed(landing.whole, schemas)
    limit = _LIMITS.get(fault.kind, "").format_map({name: plain(bound) for name, bound in fault.context.items()})
    if limit and not any(plain(bound) in fitting for bound in fault.context.values()):
        fitting = f"{fitting}, {limit}" if fitting else limit
    if not (fitting or fault.is_secret):
        fitting = printable(fault.message.removeprefix("Input should be "))
    return Problem(fault.path, f"found {_found(fault)}", fitting, _advice(fault))


def _found(fault: _Fault) -> str:
    value = fault.value
    if fault.kind in {"too_short", "too_long"} and isinstance(value, list | dict):
        return f"{kind_of(value)} of {len(value)}" if value else f"an empty {kind_of(value).split()[-1]}"
    return kind_of(value) if fault.landing.schema["type"] in _HOLDERS else show(value, secret=fault.is_secret)


def _advice(fault: _Fault) -> str:
    """Say how to write what was most likely meant."""
    schema, value = fault.landing.schema, fault.value
    kind = schema["type"]
    if fault.kind == "string_type" and isinstance(value, int | float):
        return _QUOTE
    if kind in LISTS and isinstance(value, str | int | float):
        return _BRACKETS
    if kind == "tagged-union" and isinstance(value, str) and value in choices_of(schema):
        return f"write {{{schema['discriminator']}: {value}}}"
    fields = schema["fields"].values() if kind == "model-fields" else ()
    if value is None and fields and all(field["schema"]["type"] == "default" for field in fields):
        return _BRACES
    return ""


def _veiled(text: str, value: object) -> str:
    """Take out of a text what shows a value."""
    if not leaks(text, value):
        return text
    _, mark, rest = text.partition("; ")
    hidden = f"found {show(value, secret=True)}"
    return hidden if leaks(rest, value) else f"{hidden}{mark}{rest}"


def _removable(fault: _Fault) -> Path | None:
    path = fault.landing.path
    if fault.kind == "extra_forbidden":
        return path if fault.landing.complete else None
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path if path and fault.landing.droppable and fault.kind != "missing" else None


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """Tell a problem of a value once, however often the value is used through an alias."""
    seen: dict[object, Problem] = {}
    for problem in problems:
        seen.setdefault((problem.place, problem.found, problem.allowed, problem.hint, problem.path[-1:]), problem)
    return list(seen.values())
